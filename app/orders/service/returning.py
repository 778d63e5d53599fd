"""Goods that come back: requested, approved, received, inspected, credited or rejected."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor
from app.orders import queries
from app.orders.models import Order, OrderReturn, ReturnLine
from app.orders.service.credit import tell_committed
from app.orders.service.errors import InspectionIncomplete
from app.orders.service.records import (
    STAFF,
    check_id_free,
    check_step,
    event_of,
    find_one,
    masked,
    not_allowed,
    office_only,
    order_of,
    refer_to_order,
    write,
)
from app.orders.service.shipped import PLACES, ZERO, items_of, note_progress, take
from app.orders.states import RETURN_MACHINE, RETURNABLE, ReturnStatus
from app.webhooks import service as webhooks


def list_order_returns(
    session: Session, actor: Actor, *, order_id: UUID | None = None
) -> Select[OrderReturn]:
    """What accounts of the scope give back, or what comes back of one order."""
    statement = queries.of_accounts(actor, OrderReturn)
    return statement if order_id is None else statement.where(OrderReturn.order_id == order_id)


def get_order_return(session: Session, actor: Actor, return_id: UUID, *, lock: bool = False) -> OrderReturn:
    """One return of the scope; raises NotFound."""
    return find_one(session, queries.of_accounts(actor, OrderReturn), OrderReturn, return_id, lock=lock)


def create_order_return(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> OrderReturn:
    """Ask that delivered goods may come back.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A rep, or the office.
        values: ``order_id``, ``reason``, ``lines`` (``item, quantity``), ``id`` when a phone minted it.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Technicians and partners do not.
        IdTaken: The id is in use.
        ReferenceNotFound: No such order in the actor's scope.
        TransitionNotAllowed: Nothing of the order has arrived.
        QuantityNotOpen, LineListedTwice: More than was delivered and is not on its way back.
    """
    if actor.role not in STAFF:
        raise Forbidden
    check_id_free(session, actor, OrderReturn, values.get("id"))
    order = refer_to_order(session, actor, values["order_id"])
    if order.status not in RETURNABLE:
        raise not_allowed(order)
    asked = OrderReturn(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        order_id=order.id,
        account_id=order.account_id,
        reason=masked(values)["reason"],
        currency=order.currency,
    )
    asked.lines = [
        ReturnLine(tenant_id=actor.tenant_id, id=row.get("id") or new_id(), item=item, quantity=quantity)
        for row, (item, quantity) in zip(
            values["lines"], take(items_of(session, order), values["lines"], "delivered"), strict=True
        )
    ]
    session.add(asked)
    session.flush()
    return _told(session, asked, order, now=now)


def approve_return(
    session: Session,
    actor: Actor,
    return_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> OrderReturn:
    """Let the goods come; raises NotFound, Forbidden, TransitionNotAllowed."""
    return _step(session, actor, return_id, "approve", args, now=now, status=status)


def receive_return(
    session: Session,
    actor: Actor,
    return_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> OrderReturn:
    """Note that the goods are back; raises NotFound, Forbidden, TransitionNotAllowed."""
    return _step(session, actor, return_id, "receive", args, now=now, status=status)


def reject_return(
    session: Session,
    actor: Actor,
    return_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> OrderReturn:
    """Refuse a return, with the reason; raises NotFound, Forbidden, TransitionNotAllowed."""
    return _step(session, actor, return_id, "reject", args, now=now, status=status)


def inspect_return(
    session: Session,
    actor: Actor,
    return_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> OrderReturn:
    """Say how many of each item were good; only those are credited.

    Raises:
        NotFound, Forbidden, TransitionNotAllowed: As for the other steps.
        InspectionIncomplete: An item is missing, unknown, or more of it than came back.
    """
    found, order = _locked(session, actor, return_id)
    check_step(found, RETURN_MACHINE, "inspect", status)
    accepted = {row["item"]: row["accepted"] for row in args["lines"]}
    wrong = sorted(accepted.keys() ^ {line.item for line in found.lines})
    wrong += [line.item for line in found.lines if accepted.get(line.item, ZERO) > line.quantity]
    if wrong or len(accepted) < len(args["lines"]):
        raise InspectionIncomplete(items=wrong)
    for line in found.lines:
        line.accepted = accepted[line.item]
    found.status = ReturnStatus.INSPECTED
    return _told(session, found, order, now=now)


def credit_return(
    session: Session,
    actor: Actor,
    return_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> OrderReturn:
    """Take what was good off what the order comes to. An invoice that names it is credited by the ERP.

    Raises:
        NotFound, Forbidden, TransitionNotAllowed: As for the other steps.
    """
    found, order = _locked(session, actor, return_id)
    check_step(found, RETURN_MACHINE, "credit", status)
    items = items_of(session, order)
    worth = (
        (items[line.item].worth * (line.accepted or ZERO) / items[line.item].ordered).quantize(PLACES)
        for line in found.lines
    )
    found.credited = sum(worth, Decimal(0))
    found.status = ReturnStatus.CREDITED
    note_progress(session, order)
    tell_committed(session, order.tenant_id, order.account_id, now=now)
    return _told(session, found, order, now=now)


def _step(
    session: Session,
    actor: Actor,
    return_id: UUID,
    command: str,
    args: Mapping[str, Any],
    *,
    now: datetime,
    status: str | None,
) -> OrderReturn:
    found, order = _locked(session, actor, return_id)
    check_step(found, RETURN_MACHINE, command, status)
    found.status = ReturnStatus(RETURN_MACHINE.steps[command][1])
    if args.get("reason"):
        found.decision = masked(args)["reason"]
    return _told(session, found, order, now=now)


def get_locked_return(session: Session, actor: Actor, return_id: UUID) -> OrderReturn:
    """One return of the scope, its order locked before it; raises NotFound."""
    return _locked(session, actor, return_id)[0]


def _locked(session: Session, actor: Actor, return_id: UUID) -> tuple[OrderReturn, Order]:
    """The return and its order, the order locked first; for the office alone."""
    order = order_of(session, get_order_return(session, actor, return_id))
    found = get_order_return(session, actor, return_id, lock=True)
    office_only(actor)
    return found, order


def _told(session: Session, found: OrderReturn, order: Order, *, now: datetime) -> OrderReturn:
    told = event_of(order) | {"return_id": str(found.id), "return_status": str(found.status)}
    webhooks.publish(session, order.tenant_id, f"order.return_{found.status}", told, now=now)
    return write(session, found)
