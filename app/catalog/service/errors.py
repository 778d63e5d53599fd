"""What can go wrong with the catalogue."""

from app.core.errors import Conflict, RuleViolation


class CodeTaken(Conflict):
    """Another live record of the kind has this code, or the same key."""

    code = "catalog.code_taken"


class CatalogInvalid(RuleViolation):
    """Values break a rule. ``details``: ``fields`` (field → code)."""

    code = "catalog.invalid"


class RateMissing(RuleViolation):
    """No rate of the currency is known at or before the day. ``details``: ``currency``, ``day``."""

    code = "rate_missing"


class BudgetSpent(RuleViolation):
    """What is left of a promotion's budget does not cover what it would give. ``details``: ``promotion_id``."""

    code = "promotion.budget_spent"
