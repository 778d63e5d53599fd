"""What can go wrong with invoices, payments and credit."""

from app.core.errors import Conflict, RuleViolation


class ReceivableInvalid(RuleViolation):
    """Values break a rule. ``details``: ``fields`` (field → code)."""

    code = "receivable.invalid"


class InvoiceNumberTaken(Conflict):
    """Another invoice of the tenant has this number."""

    code = "invoice.number_taken"


class ReceiptTaken(Conflict):
    """Another payment has this receipt number. ``details``: ``receipt_number``."""

    code = "payment.receipt_taken"


class InvoiceOverpaid(Conflict):
    """More is allocated than the invoice still owes. ``details``: ``invoice_id``, ``open_amount``."""

    code = "invoice.overpaid"


class PaymentSpent(Conflict):
    """More is allocated than is left of the payment. ``details``: ``unapplied_amount``."""

    code = "payment.spent"


class CurrencyDiffers(RuleViolation):
    """A payment settles invoices of its own currency only. ``details``: ``invoice_id``, ``currency``."""

    code = "payment.currency_differs"


class AllocatedTwice(RuleViolation):
    """An invoice stands twice in the list of allocations."""

    code = "duplicate_item"


class PaymentNotGood(Conflict):
    """A payment that bounced or was cancelled settles nothing. ``details``: ``status``."""

    code = "payment.not_good"


class AlreadyOnHold(Conflict):
    """The account's credit is on hold already. ``details``: ``reason``."""

    code = "credit.already_on_hold"


class NotOnHold(Conflict):
    """The account's credit is not on hold."""

    code = "credit.not_on_hold"


class ReleasePending(Conflict):
    """Somebody has asked already that the account's credit go on."""

    code = "credit.release_pending"


class NoPolicyForRelease(RuleViolation):
    """No approval policy for ``credit_hold`` covers it: an admin has to make one, or the office releases it."""

    code = "credit.no_approval_policy"
