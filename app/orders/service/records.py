"""Who may act on which order, and how orders are read and written."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.orders import queries
from app.orders.models import Order, OrderReturn, Shipment
from app.orders.queries import Hung
from app.orders.service.errors import OrderNotYours
from app.orders.states import ORDER_MACHINE, OrderStatus
from app.webhooks import service as webhooks
from sync.policy import StateMachine

OFFICE: Final = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
STAFF: Final = (Role.REP, *OFFICE)
FREE_TEXT: Final = frozenset(
    {"note", "customer_reference", "cancel_reason", "reason", "decision", "signed_by"}
)


def list_orders(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    owner_id: UUID | None = None,
    status: OrderStatus | None = None,
    taken_from: datetime | None = None,
    taken_to: datetime | None = None,
) -> Select[Order]:
    """The orders of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: Of this account only.
        owner_id: Of this person only.
        status: In this state only.
        taken_from: Taken at or after this moment.
        taken_to: Taken before this moment.
    """
    statement = queries.of_accounts(actor, Order)
    if account_id is not None:
        statement = statement.where(Order.account_id == account_id)
    if owner_id is not None:
        statement = statement.where(Order.owner_id == owner_id)
    if status is not None:
        statement = statement.where(Order.status == status)
    if taken_from is not None:
        statement = statement.where(Order.taken_at >= taken_from)
    if taken_to is not None:
        statement = statement.where(Order.taken_at < taken_to)
    return statement


def get_order(session: Session, actor: Actor, order_id: UUID, *, lock: bool = False) -> Order:
    """One order of the scope, with its lines.

    Raises:
        NotFound: No such order in the actor's scope.
    """
    return find_one(session, queries.of_accounts(actor, Order), Order, order_id, lock=lock)


def find_one(
    session: Session, statement: Select[Hung], model: type[Hung], record_id: UUID, *, lock: bool
) -> Hung:
    """The one record of a scoped statement; raises NotFound."""
    statement = statement.where(model.id == record_id)
    if lock:
        statement = statement.with_for_update(of=model, key_share=True).execution_options(
            populate_existing=True
        )
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def get_own_order(session: Session, actor: Actor, order_id: UUID) -> Order:
    """An order that the actor may act on, locked: their own, or any of the scope for the office.

    Raises:
        NotFound: No such order in the actor's scope.
        OrderNotYours: It is another person's.
    """
    order = get_order(session, actor, order_id, lock=True)
    if order.owner_id != actor.user_id and actor.role not in OFFICE:
        raise OrderNotYours
    return order


def refer_to_order(session: Session, actor: Actor, order_id: UUID) -> Order:
    """The order that a shipment or return will hang on, locked; raises ReferenceNotFound."""
    try:
        return get_order(session, actor, order_id, lock=True)
    except NotFound:
        raise ReferenceNotFound(field="order_id") from None


def order_of(session: Session, record: Shipment | OrderReturn) -> Order:
    """The order of what hangs on it, locked: always before the record itself."""
    return session.get_one(
        Order,
        (record.tenant_id, record.order_id),
        with_for_update={"key_share": True},
        populate_existing=True,
    )


def office_only(actor: Actor) -> None:
    """Refuse who is not of the office."""
    if actor.role not in OFFICE:
        raise Forbidden


def check_step(record: Any, machine: StateMachine, command: str, status: str | None = None) -> None:
    """Refuse a command that is no step from the record's state.

    Raises:
        TransitionNotAllowed: With the steps that are allowed instead.
    """
    if not machine.is_legal(command, status or record.status):
        raise not_allowed(record, machine)


def not_allowed(record: Any, machine: StateMachine = ORDER_MACHINE) -> TransitionNotAllowed:
    """The error that names the steps which are allowed instead."""
    return TransitionNotAllowed(status=str(record.status), allowed=list(machine.allowed(record.status)))


def move(session: Session, order: Order, status: OrderStatus, *, now: datetime) -> None:
    """Put an order into a state and let the systems that listen know of it."""
    if order.status is status:
        return
    order.status = status
    webhooks.publish(session, order.tenant_id, f"order.{status}", event_of(order), now=now)


def event_of(order: Order) -> dict[str, Any]:
    """What other systems are told of an order: nothing that they could not ask for."""
    return {
        "id": str(order.id),
        "number": order.number,
        "account_id": str(order.account_id),
        "status": str(order.status),
        "revision": order.revision,
        "currency": order.currency,
        "total": None if order.total is None else f"{order.total:.4f}",
    }


def masked(values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* with national id numbers masked in free text."""
    return mask_fields(values, FREE_TEXT)[0]


def masked_fields(values: Mapping[str, Any]) -> frozenset[str]:
    """The fields of *values* in which a national id number would be masked."""
    found = mask_fields(values, FREE_TEXT)[1]
    rows = values.get("lines") or ()
    return found | {"lines"} if any(mask_fields(row, FREE_TEXT)[1] for row in rows) else found


def check_id_free(session: Session, actor: Actor, model: type[Hung], record_id: UUID | None) -> None:
    """Refuse an id that is in use, also by a deleted record or one outside the scope."""
    if record_id is not None and queries.is_id_used(session, actor.tenant_id, model, record_id):
        raise IdTaken


def write(session: Session, record: Hung) -> Hung:
    """Flush a record with its parts and read back what the triggers made of it.

    Raises:
        IdTaken: Another writer used the id at the same moment.
    """
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        if name.startswith("pk_"):
            raise IdTaken from error
        raise
    session.refresh(record)
    return record
