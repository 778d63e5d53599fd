"""Money that somebody takes at the customer's, with a receipt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import TransitionNotAllowed
from app.core.scope import Actor, Role
from app.receivables.models import Payment
from app.receivables.service.balances import hold_balances
from app.receivables.service.errors import ReceiptTaken
from app.receivables.service.payments import add_payment, find_receipt
from app.receivables.service.records import OFFICE, allow
from app.visits import service as visits

COLLECTORS: Final = (Role.REP, *OFFICE)
THERE: Final = ("checked_in", "checked_out")


def collect_payment(
    session: Session,
    actor: Actor,
    visit_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Any:
    """Take a payment on a visit. The visit itself stays as it is.

    The receipt is printed by the phone and left with the customer, so that the same receipt sent again, after
    a lost answer or from a phone set up anew, is the same payment. What the invoices named do not owe any more stays
    with the payment: the money was taken, whoever else may have paid meanwhile.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The assignee, or the office in their place.
        visit_id: Of the scope; somebody is checked in or out.
        args: ``amount``, ``currency``, ``method``, ``receipt_number``; ``payment_id`` where the phone minted
            it, ``note``, and ``allocations`` as for ``allocate``.
        at: When it was taken, aware UTC.
        now: Server time, aware UTC.
        status: The state to judge from; None for the visit's own.

    Returns:
        The visit.

    Raises:
        Forbidden: Technicians and partners take no money.
        NotFound, VisitNotYours, VisitReassigned: Not the actor's visit.
        TransitionNotAllowed: Nobody is or was there.
        ReceiptTaken: Another payment has the number.
        IdTaken, ReceivableInvalid, RateMissing, ReferenceNotFound, CurrencyDiffers, PaymentSpent, AllocatedTwice:
            As for any payment.
    """
    allow(actor, *COLLECTORS)
    visit = visits.get_own_visit(session, actor, visit_id)
    if (status or visit.status) not in THERE:
        raise TransitionNotAllowed(status=str(visit.status), allowed=list(visits.allowed_steps(visit)))
    hold_balances(session, actor.tenant_id, [visit.account_id])
    known = find_receipt(session, actor, args["receipt_number"])
    if known is not None:
        if not _is_same(known, visit_id, args):
            raise ReceiptTaken(receipt_number=args["receipt_number"])
        return visit
    values = {
        **args,
        "id": args.get("payment_id"),
        "account_id": visit.account_id,
        "visit_id": visit_id,
        "collected_by": actor.user_id,
        "received_at": at,
        "confirmed": False,
    }
    add_payment(session, actor, values, now=now, strict=False)
    return visit


def _is_same(known: Payment, visit_id: UUID, args: Mapping[str, Any]) -> bool:
    """Whether a payment is what is told again: by whom it was taken says the visit."""
    return (known.visit_id, known.amount, known.currency, known.method) == (
        visit_id,
        args["amount"],
        args["currency"],
        args["method"],
    )
