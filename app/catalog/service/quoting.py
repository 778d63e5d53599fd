"""What an order costs its customer, what it costs us, and whether it goes below a floor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.catalog import queries
from app.catalog.models import PromotionRow
from app.catalog.pricing import (
    Benefit,
    Book,
    Customer,
    Draft,
    DraftLine,
    ListKind,
    Priced,
    PricedLine,
    PriceItem,
    PriceList,
    Product,
    Promotion,
    find_price,
    price_order,
)
from app.catalog.pricing.rounding import EXACT, ZERO, percent_of, unit_price
from app.catalog.pricing.wire import priced_json
from app.catalog.service.currencies import ONE, currency_terms, in_base, taxes
from app.catalog.service.errors import RateMissing
from app.core.errors import NotFound, ReferenceNotFound
from app.core.scope import Actor


@dataclass(frozen=True)
class Quote:
    """A priced order, and what only the server knows of it.

    Attributes:
        priced: What the engine found.
        trace: The same as JSON, which phones compare with their own; neither cost nor floor is in it.
        below_floor: Ids of lines whose price of a unit, after all discounts, is below the floor of its list.
        cost: Of all that is delivered, free goods too, in the order's currency; None if any of it is unknown.
        margin_percent: What is left of the net amount, four decimals; None without cost.
        expired_lists: Lists of the customer that name a product of the order, and have ended.
    """

    priced: Priced
    trace: dict[str, Any]
    below_floor: tuple[str, ...]
    cost: Decimal | None
    margin_percent: Decimal | None
    expired_lists: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _FlooredItem(PriceItem):
    """A step of a list with the price below which the office wants to be asked."""

    floor: Decimal | None = None


def quote(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID,
    currency: str,
    priced_on: date,
    lines: Sequence[DraftLine],
    manual_percent: Decimal | None,
) -> Quote:
    """Price an order by the lists, promotions and taxes of its day.

    Only what the lines need is read. What an order says wrongly is among ``priced.problems``.

    Args:
        session: Open session of the actor's tenant.
        actor: Who asks.
        account_id: Who buys.
        currency: ISO 4217.
        priced_on: The day whose prices hold.
        lines: In their order; ``product_id`` is a product's id as text.
        manual_percent: Given by hand on the whole order.

    Raises:
        ReferenceNotFound: The actor knows no such account, product or currency.
    """
    tenant_id = actor.tenant_id
    try:
        account = accounts.get_account(session, actor, account_id)
    except NotFound:
        raise ReferenceNotFound(field="account_id") from None
    terms = currency_terms(session, tenant_id, currency)
    wanted = {UUID(line.product_id) for line in lines}
    products = _products(session, tenant_id, wanted)
    if products.keys() != {str(one) for one in wanted}:
        raise ReferenceNotFound(field="product_id")
    promotions = _promotions(session, tenant_id, account_id, currency, priced_on, products)
    free = {UUID(one.free_product) for one in promotions if one.free_product} - wanted
    assigned = queries.assigned_lists(session, tenant_id, account, currency)
    book = Book.of(
        terms.rule,
        (products | _products(session, tenant_id, free)).values(),
        _lists(session, tenant_id, _recent(assigned, priced_on), wanted, priced_on),
        promotions,
        taxes=taxes(session, tenant_id),
        tax_inclusive=terms.tax_inclusive,
    )
    customer = Customer(str(account_id), account.tier, frozenset(account.kinds))
    draft = Draft(
        currency, priced_on, customer, tuple(lines), manual_percent, tuple(str(row.id) for row in assigned)
    )
    priced = price_order(draft, book)
    cost = _cost(session, tenant_id, draft, book, priced)
    return Quote(
        priced,
        priced_json(priced),
        _below_floor(draft, book, priced),
        cost,
        None if cost is None else percent_of(priced.net - cost, priced.net),
        _expired(session, tenant_id, assigned, wanted, priced_on),
    )


def _products(session: Session, tenant_id: UUID, ids: set[UUID]) -> dict[str, Product]:
    if not ids:
        return {}
    units: dict[UUID, dict[str, Decimal]] = {}
    for row in queries.units_of(session, tenant_id, ids):
        units.setdefault(row.product_id, {})[row.unit] = row.factor
    return {
        str(row.id): Product(
            str(row.id),
            units.get(row.id, {}) | {row.base_unit: ONE},
            frozenset(row.categories),
            row.tax_code,
        )
        for row in queries.products_of(session, tenant_id, ids)
    }


def _recent(assigned: Sequence[Any], day: date) -> list[Any]:
    """Without those that ended so long ago that no phone holds them: no answer may differ for it."""
    return [row for row in assigned if row.valid_to is None or row.valid_to >= day - queries.EXPIRED_KEPT]


def _lists(
    session: Session, tenant_id: UUID, assigned: Sequence[Any], products: set[UUID], day: date
) -> list[PriceList]:
    items: dict[UUID, list[PriceItem]] = {row.id: [] for row in assigned}
    for row in queries.items_of(session, tenant_id, items, products, day):
        items[row.price_list_id].append(
            _FlooredItem(
                str(row.product_id),
                row.unit,
                row.price,
                row.min_quantity,
                row.valid_from,
                row.valid_to,
                row.floor_price,
            )
        )
    return [
        PriceList(str(row.id), ListKind(row.kind), row.currency, items[row.id], row.valid_from, row.valid_to)
        for row in assigned
    ]


def _promotions(
    session: Session,
    tenant_id: UUID,
    account_id: UUID,
    currency: str,
    day: date,
    products: Mapping[str, Product],
) -> list[Promotion]:
    categories = {category for product in products.values() for category in product.categories}
    ids = [UUID(one) for one in products]
    found = queries.promotions_of(session, tenant_id, account_id, currency, day, ids, categories)
    return [promotion_of(row, account_id) for row in found]


def promotion_of(row: PromotionRow, account_id: UUID) -> Promotion:
    """A promotion as the engine knows it, for an account that it is for."""
    return Promotion(
        id=str(row.id),
        code=row.code,
        benefit=Benefit(row.benefit),
        value=row.value,
        priority=row.priority,
        currency=row.currency,
        group=row.stacking_group,
        exclusive=row.exclusive,
        products=frozenset(row.products),
        categories=frozenset(row.categories),
        unit=row.unit,
        min_quantity=row.min_quantity,
        min_amount=row.min_amount,
        repeats=row.repeats,
        free_product=str(row.free_product_id) if row.free_product_id else None,
        free_unit=row.free_unit,
        accounts=frozenset({str(account_id)} if row.for_accounts else ()),
        tiers=frozenset(row.tiers),
        kinds=frozenset(row.kinds),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        budget_left=row.budget_left,
    )


# -- floors


def _below_floor(draft: Draft, book: Book, priced: Priced) -> tuple[str, ...]:
    lines = {line.id: line for line in priced.lines}
    missing = {problem.line_id for problem in priced.problems}
    return tuple(
        line.id
        for line in draft.lines
        if line.id not in missing and _is_below_floor(line, lines[line.id], draft, book)
    )


def _is_below_floor(line: DraftLine, priced: PricedLine, draft: Draft, book: Book) -> bool:
    """Whether what is paid for a unit, in the terms of the list, is below the floor.

    The floor is that of the contract if it has one. The list's does not count against a price that was agreed.
    """
    product = book.products[line.product_id]
    listed, agreed = (
        _priced_by(kind, line, product, draft, book) for kind in (ListKind.LIST, ListKind.CONTRACT)
    )
    floors = [one[1] for one in (agreed, listed) if one and one[1] is not None]
    if not floors:
        return False
    floor = floors[0]
    if agreed and agreed[1] is None:
        floor = min(floor, agreed[0])
    paid = priced.total if book.tax_inclusive else priced.net
    return paid < EXACT.multiply(floor, line.quantity)


def _priced_by(
    kind: ListKind, line: DraftLine, product: Product, draft: Draft, book: Book
) -> tuple[Decimal, Decimal | None] | None:
    """Price and floor of the ordered unit by lists of a kind."""
    found = find_price(kind, line, product, draft, book)
    if found is None:
        return None
    item = found[1]
    floor = item.floor if isinstance(item, _FlooredItem) else None
    price, lowest = (
        None if value is None else unit_price(value, product.units[line.unit], product.units[item.unit])
        for value in (item.price, floor)
    )
    return price or ZERO, lowest


# -- cost


def _cost(session: Session, tenant_id: UUID, draft: Draft, book: Book, priced: Priced) -> Decimal | None:
    """What is delivered costs us, in the order's currency; None where a cost or a rate is missing."""
    missing = {problem.line_id for problem in priced.problems}
    delivered = [
        (line.product_id, line.unit, line.quantity) for line in draft.lines if line.id not in missing
    ]
    delivered += [(one.product_id, one.unit, one.quantity) for one in priced.free_goods]
    known = queries.costs_on(session, tenant_id, {UUID(one[0]) for one in delivered}, draft.priced_on)
    whole = ZERO
    for product_id, unit, quantity in delivered:
        cost = known.get(UUID(product_id))
        if cost is None:
            return None
        times = EXACT.multiply(quantity, book.products[product_id].units[unit])
        try:
            each = _exchanged(session, tenant_id, cost.cost, cost.currency, draft)
        except RateMissing:
            return None
        whole += EXACT.multiply(each, times)
    return book.currency.line(whole)


def _exchanged(session: Session, tenant_id: UUID, amount: Decimal, currency: str, draft: Draft) -> Decimal:
    if currency == draft.currency:
        return amount
    theirs, ours = (
        in_base(session, tenant_id, ONE, one, draft.priced_on).rate for one in (currency, draft.currency)
    )
    return EXACT.divide(EXACT.multiply(amount, theirs), ours)


def _expired(
    session: Session, tenant_id: UUID, assigned: Sequence[Any], products: set[UUID], day: date
) -> tuple[UUID, ...]:
    ended = [row.id for row in assigned if row.valid_to is not None and row.valid_to < day]
    return tuple(queries.lists_that_ended(session, tenant_id, ended, products)) if ended else ()
