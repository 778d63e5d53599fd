"""Refusals of the engine: values for verdicts, not failures of the request."""

from typing import Any, ClassVar


class Refused(Exception):
    """A mutation is rejected: nothing of it is applied.

    Attributes:
        code: Stable slug.
        detail: JSON values that help the author: pointers, the allowed commands, the limit.
    """

    def __init__(self, code: str, detail: dict[str, Any] | None = None) -> None:
        """Name the refusal."""
        super().__init__(code)
        self.code = code
        self.detail = detail or None


class Overtaken(Refused):
    """Refused by the record's present state; what others did meanwhile may be why."""


class HandedOver(Overtaken):
    """The record was its author's to change, and is somebody else's by now; nothing was written yet."""


class Disputed(Refused):
    """A command that both sides reckoned differently: it goes to its author's inbox beside the server's ``detail``."""


class RequestInvalid(Exception):
    """The whole request is answered 400 and judged in no part."""

    code: ClassVar[str] = "request_invalid"

    def __init__(self, code: str, pointer: str = "") -> None:
        """Name the fault and where it stands (a JSON pointer)."""
        super().__init__(code)
        self.request_code = code
        self.pointer = pointer


class SchemaTooOld(RequestInvalid):
    """The app speaks a wire that this server no longer reads: it has to be brought up to date first."""

    def __init__(self) -> None:
        """Name the schema version as the fault."""
        super().__init__("schema_too_old", "/schema_version")
