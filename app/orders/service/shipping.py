"""Goods on their way: prepared, shipped, delivered with proof."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.orders import queries
from app.orders.models import Order, Shipment, ShipmentLine
from app.orders.service.credit import tell_committed
from app.orders.service.drafts import check_warehouse
from app.orders.service.errors import CreditExceeded
from app.orders.service.judging import credit_stops
from app.orders.service.records import (
    OFFICE,
    check_id_free,
    check_step,
    find_one,
    masked,
    move,
    not_allowed,
    office_only,
    order_of,
    refer_to_order,
    write,
)
from app.orders.service.shipped import items_of, note_progress, take
from app.orders.states import SHIPMENT_MACHINE, SHIPPABLE, ShipmentStatus

OWN: Final = ("warehouse_id", "carrier", "tracking_number")


def list_shipments(session: Session, actor: Actor, *, order_id: UUID | None = None) -> Select[Shipment]:
    """The shipments to accounts of the scope, or those of one order."""
    statement = queries.of_accounts(actor, Shipment)
    return statement if order_id is None else statement.where(Shipment.order_id == order_id)


def get_shipment(session: Session, actor: Actor, shipment_id: UUID, *, lock: bool = False) -> Shipment:
    """One shipment of the scope; raises NotFound."""
    return find_one(session, queries.of_accounts(actor, Shipment), Shipment, shipment_id, lock=lock)


def create_shipment(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Shipment:
    """Prepare goods of a confirmed order to leave together.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Of the office, or an integration.
        values: ``order_id``, ``id`` where it was minted elsewhere, ``warehouse_id``, ``carrier``,
            ``tracking_number``, ``lines`` (``item, quantity``); all that is open without lines.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Not of the office.
        IdTaken: The id is in use.
        ReferenceNotFound: No such order or warehouse.
        TransitionNotAllowed: Goods of the order may not leave in its state.
        QuantityNotOpen, LineListedTwice: Of the items, more than is open.
    """
    office_only(actor)
    check_id_free(session, actor, Shipment, values.get("id"))
    order = refer_to_order(session, actor, values["order_id"])
    if order.status not in SHIPPABLE:
        raise not_allowed(order)
    if values.get("warehouse_id") is not None:
        check_warehouse(session, actor, values["warehouse_id"])
    items = items_of(session, order)
    rows = values.get("lines") or [
        {"item": item.key, "quantity": item.open} for item in items.values() if item.open > 0
    ]
    if not rows:
        raise not_allowed(order)
    shipment = Shipment(
        tenant_id=actor.tenant_id,
        id=values.get("id") or new_id(),
        order_id=order.id,
        account_id=order.account_id,
        **{"warehouse_id": order.warehouse_id, **{f: v for f in OWN if (v := values.get(f)) is not None}},
    )
    shipment.lines = [
        ShipmentLine(tenant_id=actor.tenant_id, id=new_id(), item=item, quantity=quantity)
        for item, quantity in take(items, rows, "open")
    ]
    session.add(shipment)
    note_progress(session, order)
    return write(session, shipment)


def ship(
    session: Session,
    actor: Actor,
    shipment_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Shipment:
    """Let the goods leave, if the account's credit still allows it.

    Raises:
        NotFound: No such shipment in the actor's scope.
        Forbidden: Not of the office.
        TransitionNotAllowed: It has left, or was cancelled; or its order takes no shipments now.
        CreditExceeded: The account is over its credit, and no approval of this order covers it; see
            ``request_release``.
    """
    shipment, order = _locked(session, actor, shipment_id)
    office_only(actor)
    check_step(shipment, SHIPMENT_MACHINE, "ship", status)
    if order.status not in SHIPPABLE:
        raise not_allowed(order)
    stops, _ = credit_stops(session, order, now=now)
    if stops:
        raise CreditExceeded(findings=[one.as_json() for one in stops])
    shipment.status, shipment.shipped_at = ShipmentStatus.SHIPPED, at
    return _moved_on(session, shipment, order, now=now)


def deliver(
    session: Session,
    actor: Actor,
    shipment_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Shipment:
    """Note that the goods have arrived, with the proof.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: The rep of the account, or the office.
        shipment_id: Of the scope.
        args: ``signed_by``, and what there is of ``signature_sha256``, ``photo_sha256``, ``location``
            (``lat, lon``).
        at: When it was handed over, aware UTC.
        now: Server time, aware UTC.
        status: The state to judge from when a clock-made one gives way.

    Raises:
        NotFound: No such shipment in the actor's scope.
        TransitionNotAllowed: It has not left, or has arrived already.
    """
    shipment, order = _locked(session, actor, shipment_id)
    if actor.role not in (*OFFICE, Role.REP):
        raise Forbidden
    check_step(shipment, SHIPMENT_MACHINE, "deliver", status)
    clean = masked(args)
    shipment.status, shipment.delivered_at = ShipmentStatus.DELIVERED, at
    shipment.signed_by = clean["signed_by"]
    shipment.signature_sha256, shipment.photo_sha256 = args.get("signature_sha256"), args.get("photo_sha256")
    place = args.get("location")
    shipment.delivered_location = [place["lat"], place["lon"]] if place else None
    return _moved_on(session, shipment, order, now=now)


def cancel_shipment(
    session: Session,
    actor: Actor,
    shipment_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Shipment:
    """Unpack a shipment that has not left: its goods are open again.

    Raises:
        NotFound: No such shipment in the actor's scope.
        Forbidden: Not of the office.
        TransitionNotAllowed: It has left already.
    """
    shipment, order = _locked(session, actor, shipment_id)
    office_only(actor)
    check_step(shipment, SHIPMENT_MACHINE, "cancel", status)
    shipment.status = ShipmentStatus.CANCELLED
    note_progress(session, order)
    return write(session, shipment)


def get_locked_shipment(session: Session, actor: Actor, shipment_id: UUID) -> Shipment:
    """One shipment of the scope, its order locked before it; raises NotFound."""
    return _locked(session, actor, shipment_id)[0]


def _locked(session: Session, actor: Actor, shipment_id: UUID) -> tuple[Shipment, Order]:
    """The shipment and its order, the order locked first."""
    order = order_of(session, get_shipment(session, actor, shipment_id))
    return get_shipment(session, actor, shipment_id, lock=True), order


def _moved_on(session: Session, shipment: Shipment, order: Order, *, now: datetime) -> Shipment:
    move(session, order, note_progress(session, order), now=now)
    tell_committed(session, order.tenant_id, order.account_id, now=now)
    return write(session, shipment)
