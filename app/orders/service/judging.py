"""Where a submitted order goes: judged by the rules, the credit and the approvals, under the credit's lock."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.approvals import service as approvals
from app.catalog import service as catalog
from app.core.errors import NotFound
from app.core.scope import Actor
from app.orders import queries
from app.orders.models import Order, OrderSettings, Verdict
from app.orders.service.credit import credit_with, tell_committed
from app.orders.service.documents import hash_of, snapshot_of
from app.orders.service.records import move
from app.orders.service.rules import (
    BLOCKED_STAGE,
    Facts,
    Finding,
    credit_findings,
    findings_of,
    open_findings,
)
from app.orders.service.settings import discount_limit_of, get_settings
from app.orders.states import OrderStatus

KIND: Final = "order"
NO_APPROVAL: Final = "approval"


def facts_of(session: Session, order: Order, settings: OrderSettings, *, now: datetime) -> Facts:
    """What is known of a priced order now; locks the credit of its account until commit."""
    credit = credit_with(session, order, now=now)
    account = queries.account_facts(session, order)
    return Facts(
        base_total=order.base_total or Decimal(0),
        discount_percent=order.discount_percent or Decimal(0),
        discount_limit=discount_limit_of(session, order.tenant_id, order.owner_id, settings),
        below_floor=bool(order.facts.get("below_floor")),
        margin_percent=order.margin_percent,
        expired_lists=tuple(order.facts.get("expired_lists", ())),
        discontinued=tuple(
            str(one)
            for one in queries.gone_products(
                session, order.tenant_id, {line.product_id for line in order.lines}
            )
        ),
        short=_short(session, order),
        is_blocked=account.lifecycle_stage == BLOCKED_STAGE,
        credit=credit,
    )


def _short(session: Session, order: Order) -> dict[str, tuple[Decimal, Decimal]]:
    """Products of which less is counted than the order takes, in base units; uncounted ones are not short."""
    wanted = {UUID(one): Decimal(amount) for one, amount in order.facts.get("base_quantities", {}).items()}
    there = queries.stock_of(session, order.tenant_id, wanted, order.warehouse_id)
    return {
        str(one): (amount, there[one])
        for one, amount in wanted.items()
        if one in there and there[one] < amount
    }


def base_quantities(session: Session, actor: Actor, order: Order) -> dict[str, str]:
    """What the order takes of each product, free goods too, in base units."""
    taken = [(str(line.product_id), line.unit, line.quantity) for line in order.lines]
    taken += [
        (one["product_id"], one["unit"], Decimal(one["quantity"])) for one in order.priced["free_goods"]
    ]
    found: dict[str, Decimal] = {}
    for product_id, unit, quantity in taken:
        try:
            product = catalog.get_product(session, actor, UUID(product_id))
        except NotFound:
            continue
        factors = {one.unit: one.factor for one in product.units} | {product.base_unit: Decimal(1)}
        found[product_id] = found.get(product_id, Decimal(0)) + quantity * factors.get(unit, Decimal(1))
    return {product_id: str(amount) for product_id, amount in found.items()}


def settle(
    session: Session,
    order: Order,
    *,
    now: datetime,
    asker: Actor | None = None,
    said: Sequence[Finding] = (),
) -> None:
    """Judge a priced order and put it where it belongs: approved, pending, or on hold.

    The credit of the account is locked from here to commit, so that no two orders can use the same room.

    Args:
        session: Open session of the tenant; the caller commits.
        order: Locked, with its figures.
        now: Server time, aware UTC.
        asker: Who asks for approvals where they are needed; None where one was just decided.
        said: What was found already, beside what the rules say now.
    """
    settings = get_settings(session, order.tenant_id)
    facts = facts_of(session, order, settings, now=now)
    found = [*said, *findings_of(facts, settings)]
    order.document_hash = hash_of(snapshot_of(order))
    grant = approvals.granted(session, KIND, order.id, order.document_hash)
    stops = open_findings(found, grant.metrics if grant else None)
    held = [one for one in stops if one.verdict is Verdict.HOLD]
    order.findings = [one.as_json() for one in found]
    order.approval_id = grant.request_id if grant else None
    if held:
        return hold(session, order, sorted({one.reason for one in held}), now=now)
    if grant is None and asker is not None and ask(session, asker, order, facts, now=now):
        return wait(session, order, now=now)
    if stops:
        # The rules want somebody to look at it, and no policy says who.
        return hold(session, order, [NO_APPROVAL], now=now)
    order.hold_reasons = []
    order.approved_at = now
    move(session, order, OrderStatus.APPROVED, now=now)
    tell_committed(session, order.tenant_id, order.account_id, now=now)
    return None


def wait(session: Session, order: Order, *, now: datetime) -> None:
    """Let an order wait for the decision, unless it fell already while it was asked for."""
    if approvals.find_open(session, KIND, order.id) is not None:
        order.hold_reasons = []
        move(session, order, OrderStatus.PENDING_APPROVAL, now=now)


def hold(session: Session, order: Order, reasons: list[str], *, now: datetime) -> None:
    """Keep an order back."""
    order.hold_reasons = reasons
    move(session, order, OrderStatus.ON_HOLD, now=now)


def ask(session: Session, actor: Actor, order: Order, facts: Facts, *, now: datetime) -> bool:
    """Ask for an approval of exactly this document; gives whether a policy says that one is needed."""
    session.flush()
    account = queries.account_facts(session, order)
    snapshot = snapshot_of(order)
    request = approvals.request_approval(
        session,
        actor,
        approvals.Document(
            kind=KIND,
            id=order.id,
            account_id=order.account_id,
            territory_id=account.territory_id,
            title=f"{order.number} {account.name}",
            hash=hash_of(snapshot),
            snapshot=snapshot,
            metrics=metrics_of(order, facts),
            requester_id=order.owner_id,
            # Whoever submitted it for its owner could grant themself what they wrote into it.
            excluded=frozenset({order.submitted_by or order.owner_id} - {order.owner_id}),
        ),
        now=now,
    )
    if request is None:
        return False
    order.approval_id = request.id
    return True


def metrics_of(order: Order, facts: Facts) -> Mapping[str, Decimal]:
    """What the policies of approvals go by; a margin that nobody knows is none."""
    found = {
        "discount_percent": facts.discount_percent,
        "amount": facts.base_total,
        "credit_over": facts.credit.over_in_base,
        "overdue_days": Decimal(facts.credit.overdue_days if facts.credit.overdue_amount > 0 else 0),
        "terms_days": Decimal(order.terms_days or 0),
    }
    return found if facts.margin_percent is None else found | {"margin_percent": facts.margin_percent}


def credit_stops(session: Session, order: Order, *, now: datetime) -> tuple[list[Finding], Facts]:
    """What the rules about credit say of an approved order now, less what its approval covers."""
    settings = get_settings(session, order.tenant_id)
    facts = facts_of(session, order, settings, now=now)
    grant = approvals.granted(session, KIND, order.id, order.document_hash or "")
    return open_findings(credit_findings(facts, settings), grant.metrics if grant else None), facts
