"""What becomes of an order after it was submitted: reopened, cancelled, confirmed, closed, decided on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.approvals import service as approvals
from app.core.scope import Actor
from app.orders import queries
from app.orders.models import Order
from app.orders.service.credit import tell_committed
from app.orders.service.judging import KIND, settle
from app.orders.service.pricing import drop_figures, give_back
from app.orders.service.records import check_step, get_own_order, masked, move, office_only, write
from app.orders.service.shipped import cut_open, note_progress
from app.orders.states import COMMITTED, ORDER_MACHINE, OrderStatus, ShipmentStatus

WAITING = (OrderStatus.SUBMITTED, OrderStatus.PENDING_APPROVAL, OrderStatus.ON_HOLD)


def reopen(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Make a draft of an order again, to be changed; what was approved counts no longer.

    Raises:
        NotFound, OrderNotYours: Not the actor's order.
        TransitionNotAllowed: It is a draft, or was confirmed already.
    """
    order = get_own_order(session, actor, order_id)
    check_step(order, ORDER_MACHINE, "reopen", status)
    approvals.supersede(session, KIND, order.id, now=now)
    _back_to_draft(session, order, now=now)
    return write(session, order)


def _back_to_draft(session: Session, order: Order, *, now: datetime) -> None:
    was_committed = order.status in COMMITTED
    drop_figures(session, order)
    order.revision += 1
    move(session, order, OrderStatus.DRAFT, now=now)
    if was_committed:
        tell_committed(session, order.tenant_id, order.account_id, now=now)


def cancel(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Call an order off, with the reason, while nothing of it has left; its number stays with it.

    Raises:
        NotFound, OrderNotYours: Not the actor's order.
        TransitionNotAllowed: Goods have left.
    """
    order = get_own_order(session, actor, order_id)
    check_step(order, ORDER_MACHINE, "cancel", status)
    if order.status is OrderStatus.CONFIRMED:
        office_only(actor)  # the ERP has it already
    approvals.supersede(session, KIND, order.id, now=now)
    _cancel_prepared(session, order)
    give_back(session, order)
    order.cancel_reason = masked({"cancel_reason": args["reason"]})["cancel_reason"]
    order.hold_reasons = []
    was_committed = order.status in COMMITTED
    move(session, order, OrderStatus.CANCELLED, now=now)
    if was_committed:
        tell_committed(session, order.tenant_id, order.account_id, now=now)
    return write(session, order)


def _cancel_prepared(session: Session, order: Order) -> None:
    for shipment in queries.shipments_of(session, order, ShipmentStatus.PREPARED):
        shipment.status = ShipmentStatus.CANCELLED
    session.flush()


def confirm(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Let the warehouse have it: the ERP has taken the order, or the office in its place.

    Raises:
        NotFound: No such order in the actor's scope.
        Forbidden: Not of the office.
        TransitionNotAllowed: It is not approved.
    """
    order = _office_order(session, actor, order_id, "confirm", status)
    order.confirmed_at = now
    move(session, order, OrderStatus.CONFIRMED, now=now)
    return write(session, order)


def close_remaining(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Deliver no more than what has left; the rest is cut and not to be paid.

    Raises:
        NotFound: No such order in the actor's scope.
        Forbidden: Not of the office.
        TransitionNotAllowed: Nothing has left, or everything.
    """
    order = _office_order(session, actor, order_id, "close_remaining", status)
    _cancel_prepared(session, order)
    cut_open(session, order)
    move(session, order, note_progress(session, order), now=now)
    tell_committed(session, order.tenant_id, order.account_id, now=now)
    return write(session, order)


def close(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Put a delivered order away.

    Raises:
        NotFound: No such order in the actor's scope.
        Forbidden: Not of the office.
        TransitionNotAllowed: It is not delivered.
    """
    order = _office_order(session, actor, order_id, "close", status)
    move(session, order, OrderStatus.CLOSED, now=now)
    return write(session, order)


def _office_order(session: Session, actor: Actor, order_id: UUID, command: str, status: str | None) -> Order:
    order = get_own_order(session, actor, order_id)
    office_only(actor)
    check_step(order, ORDER_MACHINE, command, status)
    return order


def lock_document(session: Session, order_id: UUID) -> None:
    """Lock the order of an approval before the approval, as its own commands do."""
    session.scalars(
        select(Order)
        .where(Order.id == order_id)
        .with_for_update(of=Order, key_share=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


class Decided(Protocol):
    """What is told of a request for approval."""

    @property
    def id(self) -> UUID: ...

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def document_id(self) -> UUID: ...

    @property
    def document_hash(self) -> str: ...


def on_decided(session: Session, request: Decided, outcome: str, now: datetime) -> None:
    """Let an order go on after its approval was decided; its credit is looked at once more.

    What was decided about another state of the order changes nothing.
    """
    session.flush()
    lock_document(session, request.document_id)
    order = session.get(Order, (request.tenant_id, request.document_id))
    if order is None or order.document_hash != request.document_hash:
        return
    if outcome == "approved":
        if order.status in WAITING:
            settle(session, order, now=now)
        else:
            order.approval_id = request.id
    elif order.status is OrderStatus.PENDING_APPROVAL:
        _back_to_draft(session, order, now=now)
    session.flush()


approvals.register(KIND, on_decided, lock=lock_document)
