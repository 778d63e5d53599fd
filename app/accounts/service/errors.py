"""What can go wrong with accounts, their sites and their people."""

from app.core.errors import Conflict, RuleViolation


class AccountCodeTaken(Conflict):
    """Another live account of the tenant has this code."""

    code = "account.code_taken"


class AccountParentCycle(RuleViolation):
    """An account cannot lie, directly or not, below itself."""

    code = "account.parent_cycle"


class AccountReassignNotAllowed(RuleViolation):
    """Only managers and admins move an account to another territory or owner, and only within their scope."""

    code = "account.reassign_not_allowed"


class MoveUnbounded(RuleViolation):
    """A move of many accounts names none of them, and so would take all."""

    code = "account.move_unbounded"


class AccountInvalid(RuleViolation):
    """Values break a rule. ``details``: ``fields`` (field → code)."""

    code = "account.invalid"


class FieldNotYours(RuleViolation):
    """The field exists and this role may not write it. ``details``: ``fields``."""

    code = "read_only_field"


class RelationTaken(Conflict):
    """The two accounts have this relation already."""

    code = "account.relation_taken"


class RelationToItself(RuleViolation):
    """An account has no relation to itself."""

    code = "account.relation_to_itself"
