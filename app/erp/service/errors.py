"""What can go wrong with a row of another system."""

from app.core.errors import Conflict


class RowChanged(Conflict):
    """A row names what was delivered before, with something that cannot change. ``details``: ``field``."""

    code = "erp.row_changed"


class NewsUnknown(Conflict):
    """News of something that was never told whole. ``details``: ``field``."""

    code = "erp.never_told"
