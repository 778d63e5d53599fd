"""The states of invoices and payments and the steps between them."""

import enum

from sync.policy import StateMachine


class InvoiceStatus(enum.StrEnum):
    """Whether anything of it is still owed; ``paid`` comes and goes with the allocations."""

    OPEN = "open"
    PAID = "paid"
    VOID = "void"


class PaymentStatus(enum.StrEnum):
    """Where a payment stands: taken, seen by the bank, or worth nothing."""

    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    BOUNCED = "bounced"
    CANCELLED = "cancelled"


# Payments that count: what is left of them lowers the exposure.
GOOD = (PaymentStatus.RECORDED, PaymentStatus.CONFIRMED)


def _from(*states: PaymentStatus) -> frozenset[str]:
    return frozenset(state.value for state in states)


# A promissory note may bounce long after the bank has credited it.
PAYMENT_MACHINE = StateMachine(
    field="status",
    steps={
        "confirm": (_from(PaymentStatus.RECORDED), PaymentStatus.CONFIRMED.value),
        "bounce": (_from(*GOOD), PaymentStatus.BOUNCED.value),
        "cancel": (_from(PaymentStatus.RECORDED), PaymentStatus.CANCELLED.value),
    },
)

INVOICE_MACHINE = StateMachine(
    field="status",
    steps={
        "void": (
            frozenset({InvoiceStatus.OPEN.value, InvoiceStatus.PAID.value}),
            InvoiceStatus.VOID.value,
        )
    },
)
