"""From a draft to an order: submit, check again, ask for the release of a hold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.approvals import service as approvals
from app.core.scope import Actor
from app.identity import service as identity
from app.orders import queries
from app.orders.models import Order
from app.orders.service.errors import NoPolicyForRelease, NothingToRelease, OrderEmpty, ReleasePending
from app.orders.service.judging import KIND, ask, base_quantities, credit_stops, settle, wait
from app.orders.service.pricing import keep_figures, price_for_submit
from app.orders.service.records import check_step, get_own_order, move, write
from app.orders.service.settings import get_settings
from app.orders.service.shipped import fulfilment_of
from app.orders.states import ORDER_MACHINE, OrderStatus


def submit(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Freeze a draft, price it, number it, and put it where the rules say.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Whose order it is, or the office.
        order_id: A draft of the scope.
        args: ``price`` as the phone showed it: ``currency, priced_on, lines`` (``id, total``), ``total``; left
            out where nobody saw a price.
        at: When it was submitted, aware UTC.
        now: Server time, aware UTC.
        status: The state to judge from when a clock-made one gives way.

    Returns:
        The order: approved, pending approval or on hold, with what the rules found.

    Raises:
        NotFound, OrderNotYours: Not the actor's order.
        TransitionNotAllowed: It is no draft.
        OrderEmpty: It has no lines.
        OrderNotPriced: Lines have no price.
        OrderPriceDiffers: The server's price is beyond the tolerance; the draft stays one.
        RateMissing, BudgetSpent: As the catalogue raises them.
    """
    order = get_own_order(session, actor, order_id)
    check_step(order, ORDER_MACHINE, "submit", status)
    if not order.lines:
        raise OrderEmpty
    settings = get_settings(session, order.tenant_id)
    today = identity.tenant_day(session, order.tenant_id, now)
    found = price_for_submit(session, actor, order, args.get("price"), settings, today)
    with session.no_autoflush:
        keep_figures(session, order, found)
        order.facts = {**order.facts, "base_quantities": base_quantities(session, actor, order)}
        order.fulfilment = fulfilment_of(session, order)
    order.submitted_at, order.submitted_by = now, actor.user_id
    move(session, order, OrderStatus.SUBMITTED, now=now)
    # Always the series first and the account's credit after it, so that two submits cannot wait for each other.
    if order.number is None:
        number_after(session, order, today.year, now=now)
    settle(session, order, now=now, asker=actor, said=[found.finding] if found.finding else ())
    return write(session, order)


def number_after(session: Session, order: Order, year: int, *, now: datetime) -> None:
    """Give the order the next number of its owner's org unit; a rollback leaves no gap."""
    unit_id, code = queries.unit_of(session, order.tenant_id, order.owner_id)
    number = queries.take_number(session, order.tenant_id, unit_id, year)
    order.number = f"{code}-{year}-{number:06d}"


def recheck(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Judge an order on hold again: money has come, goods have arrived, somebody made a policy.

    Raises:
        NotFound, OrderNotYours: Not the actor's order.
        TransitionNotAllowed: It is not on hold.
    """
    order = get_own_order(session, actor, order_id)
    check_step(order, ORDER_MACHINE, "recheck", status)
    settle(session, order, now=now, asker=actor)
    return write(session, order)


def request_release(
    session: Session,
    actor: Actor,
    order_id: UUID,
    args: Mapping[str, Any],
    *,
    at: datetime,
    now: datetime,
    status: str | None = None,
) -> Order:
    """Ask for an approval of the order although its account is over its credit.

    An order on hold then waits for the decision; one that was confirmed keeps its state, and may leave
    once it is approved.

    Raises:
        NotFound, OrderNotYours: Not the actor's order.
        TransitionNotAllowed: It is neither on hold nor about to be shipped.
        NothingToRelease: Its credit is in order, or what holds it is lifted elsewhere.
        NoPolicyForRelease: Nobody is named to decide it.
    """
    order = get_own_order(session, actor, order_id)
    check_step(order, ORDER_MACHINE, "request_release", status)
    if approvals.find_open(session, KIND, order.id) is not None:
        raise ReleasePending
    stops, facts = credit_stops(session, order, now=now)
    if not any(one.metric for one in stops):
        raise NothingToRelease
    if not ask(session, actor, order, facts, now=now):
        raise NoPolicyForRelease
    if order.status is OrderStatus.ON_HOLD:
        wait(session, order, now=now)
    return write(session, order)
