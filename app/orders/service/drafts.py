"""Orders while they are written down: made, changed, thrown away."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.core.errors import Forbidden, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.money import CurrencyUnknown as UnknownCode
from app.core.money import currency_precision
from app.core.scope import Actor
from app.identity import service as identity
from app.orders.models import Order
from app.orders.service.errors import CurrencyUnknown, FieldFixed, OrderFrozen, OrderNumbered
from app.orders.service.lines import replace_lines
from app.orders.service.records import STAFF, check_id_free, get_own_order, masked, write
from app.orders.service.settings import get_warehouse
from app.orders.states import OrderStatus

EDITABLE: Final = (
    "site_id",
    "warehouse_id",
    "currency",
    "requested_on",
    "customer_reference",
    "terms_days",
    "prepaid",
    "manual_percent",
    "note",
)


def create_order(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime, at: datetime | None = None
) -> Order:
    """Write down what an account wants, as a draft.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A rep, or the office; the order is theirs.
        values: Typed fields, ``id`` when a phone minted it, ``lines`` as rows. ``currency`` is that of the
            account's credit, or the company's, when left out.
        now: Server time, aware UTC.
        at: When it was taken on the phone; None for *now*.

    Raises:
        Forbidden: Technicians and partners take no orders.
        IdTaken: The id is in use.
        ReferenceNotFound: Account, site, warehouse or a product are unknown or out of scope.
        CurrencyUnknown, LineInvalid, LineListedTwice: Values break a rule.
    """
    if actor.role not in STAFF:
        raise Forbidden
    check_id_free(session, actor, Order, values.get("id"))
    account = accounts.refer_to_account(session, actor, values["account_id"])
    clean = masked(values)
    company = identity.get_tenant(session, actor.tenant_id).currency.strip()
    order = Order(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        account_id=account.id,
        owner_id=actor.user_id,
        taken_at=at or now,
        hold_reasons=[],
        **{
            "currency": (account.credit_currency or company).strip(),
            **{field: clean[field] for field in EDITABLE if clean.get(field) is not None},
        },
    )
    _check(session, actor, order)
    session.add(order)
    replace_lines(session, actor, order, clean.get("lines") or ())
    return write(session, order)


def update_order(
    session: Session, actor: Actor, order_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Order:
    """Change a draft; only what differs counts.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Whose order it is, or the office.
        order_id: Of the scope.
        changes: Typed values of the fields to change; ``lines`` is the whole list.
        now: Server time, aware UTC.

    Raises:
        NotFound, OrderNotYours: Not the actor's to change.
        OrderFrozen: It was submitted; reopen it first.
        FieldFixed: The account.
        Others: As for a new order.
    """
    order = get_own_order(session, actor, order_id)
    clean = masked(changes)
    if "account_id" in clean and clean["account_id"] != order.account_id:
        raise FieldFixed(field="account_id")
    differing = {
        field: clean[field] for field in EDITABLE if field in clean and clean[field] != getattr(order, field)
    }
    if (differing or "lines" in clean) and order.status is not OrderStatus.DRAFT:
        raise OrderFrozen(status=str(order.status))
    with session.no_autoflush:
        for field, value in differing.items():
            setattr(order, field, value)
        _check(session, actor, order, frozenset(differing))
    if "lines" in clean:
        replace_lines(session, actor, order, clean["lines"] or ())
    return write(session, order)


def delete_order(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> None:
    """Throw a draft away that was never submitted.

    Raises:
        NotFound, OrderNotYours: Not the actor's to delete.
        OrderFrozen: It is no draft.
        OrderNumbered: It was submitted once: the series of numbers would have a gap.
    """
    order = get_own_order(session, actor, order_id)
    if order.status is not OrderStatus.DRAFT:
        raise OrderFrozen(status=str(order.status))
    if order.number is not None:
        raise OrderNumbered(number=order.number)
    order.deleted_at = now
    session.flush()


def _check(
    session: Session, actor: Actor, order: Order, fields: frozenset[str] = frozenset(EDITABLE)
) -> None:
    if "currency" in fields:
        try:
            currency_precision(order.currency)
        except UnknownCode:
            raise CurrencyUnknown(field="currency") from None
    if "site_id" in fields and order.site_id is not None:
        try:
            if accounts.get_site(session, actor, order.site_id).account_id != order.account_id:
                raise ReferenceNotFound(field="site_id")
        except NotFound:
            raise ReferenceNotFound(field="site_id") from None
    if "warehouse_id" in fields and order.warehouse_id is not None:
        check_warehouse(session, actor, order.warehouse_id)


def check_warehouse(session: Session, actor: Actor, warehouse_id: UUID) -> None:
    """Refuse a warehouse that does not exist; raises ReferenceNotFound."""
    try:
        get_warehouse(session, actor, warehouse_id)
    except NotFound:
        raise ReferenceNotFound(field="warehouse_id") from None
