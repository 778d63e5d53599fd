"""list → contract → promotions by priority and stacking group → discounts by hand → tax."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.catalog.pricing.book import Book, ListKind, PriceItem, PriceList, Product
from app.catalog.pricing.draft import Draft, DraftLine, Manual, ManualKind
from app.catalog.pricing.promotions import Benefit, Promotion
from app.catalog.pricing.result import FreeGoods, Priced, PricedLine, Problem, Step
from app.catalog.pricing.rounding import EXACT, HUNDRED, ZERO, percent_of, spread, unit_price

ONE = Decimal(1)


@dataclass(slots=True)
class _Line:
    """A line while it is priced."""

    draft: DraftLine
    product: Product
    factor: Decimal
    list_price: Decimal = ZERO
    unit_price: Decimal = ZERO
    list_amount: Decimal = ZERO
    gross: Decimal = ZERO
    amount: Decimal = ZERO
    promotion_off: Decimal = ZERO
    manual_off: Decimal = ZERO
    groups: set[str] = field(default_factory=set)
    promotions: list[str] = field(default_factory=list)
    is_closed: bool = False
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class _Given:
    """What a promotion came to: money by line, or goods."""

    off: list[Decimal] = field(default_factory=list)
    goods: FreeGoods | None = None

    @property
    def spent(self) -> Decimal:
        """Of its budget."""
        return self.goods.quantity if self.goods else sum(self.off, ZERO)


def price_order(draft: Draft, book: Book) -> Priced:
    """Price an order.

    Never raises for what the order says: a line that has no price comes to nothing and is named among the
    problems, and an order with problems cannot be submitted.

    Args:
        draft: The order; its currency is the book's.
        book: Prices, taxes and promotions.

    Returns:
        Lines in the draft's order, and their sums; amounts are multiples of the currency's unit.
    """
    problems: list[Problem] = []
    lines = {line.id: found for line in draft.lines if (found := _begin(line, draft, book, problems))}
    goods, given = _promote(list(lines.values()), draft, book)
    priced = [
        _finish(lines[one.id], draft, book, problems) if one.id in lines else _nothing(one)
        for one in draft.lines
    ]
    return _summed(draft.currency, priced, goods, problems, given)


# -- list and contract


def _begin(line: DraftLine, draft: Draft, book: Book, problems: list[Problem]) -> _Line | None:
    product = book.products.get(line.product_id)
    factor = product.units.get(line.unit) if product else None
    if product is None or factor is None or line.quantity <= 0:
        code = "quantity_invalid" if product and factor else "unit_unknown" if product else "product_unknown"
        problems.append(Problem(line.id, code))
        return None
    found = find_price(ListKind.LIST, line, product, draft, book)
    if found is None:
        problems.append(Problem(line.id, _why_missing(product, draft, book)))
        return None
    started = _Line(line, product, factor)
    started.list_price = _take_price(started, found, book)
    started.list_amount = started.gross
    contract = find_price(ListKind.CONTRACT, line, product, draft, book)
    if contract is not None:
        _take_price(started, contract, book)
    return started


def _take_price(line: _Line, found: tuple[PriceList, PriceItem], book: Book) -> Decimal:
    """Set the price of a unit, and with it the amount; gives the price."""
    price_list, item = found
    line.unit_price = unit_price(item.price, line.factor, line.product.units[item.unit])
    line.gross = line.amount = book.currency.line(EXACT.multiply(line.draft.quantity, line.unit_price))
    line.steps.append(Step(price_list.kind, price_list.id, line.unit_price, amount=line.amount))
    return line.unit_price


def find_price(
    kind: ListKind, line: DraftLine, product: Product, draft: Draft, book: Book
) -> tuple[PriceList, PriceItem] | None:
    """The item that prices a line: of the first list that has one; None where none does."""
    for price_list in _lists(kind, draft, book):
        if not price_list.is_valid(draft.priced_on):
            continue
        fitting = [
            item
            for item in price_list.by_product.get(product.id, ())
            if item.is_valid(draft.priced_on)
            and item.unit in product.units
            and _in_unit(line.quantity, product, line.unit, item.unit) >= item.min_quantity
        ]
        if fitting:
            return price_list, max(fitting, key=lambda item: _rank(item, line, product))
    return None


def _lists(kind: ListKind, draft: Draft, book: Book) -> Iterator[PriceList]:
    for list_id in draft.lists:
        found = book.lists.get(list_id)
        if found is not None and found.kind is kind and found.currency == draft.currency:
            yield found


def _rank(item: PriceItem, line: DraftLine, product: Product) -> tuple[bool, bool, Decimal, str, Decimal]:
    """The ordered unit before the base unit before others; the highest step; the newest; the cheapest."""
    factor = product.units[item.unit]
    since = item.valid_from.isoformat() if item.valid_from else ""
    return (
        item.unit == line.unit,
        factor == ONE,
        EXACT.multiply(item.min_quantity, factor),
        since,
        -item.price,
    )


def _why_missing(product: Product, draft: Draft, book: Book) -> str:
    """Whether there was a price once."""
    for price_list in _lists(ListKind.LIST, draft, book):
        for item in price_list.by_product.get(product.id, ()):
            ends = [day for day in (price_list.valid_to, item.valid_to) if day is not None]
            if ends and min(ends) < draft.priced_on:
                return "price_expired"
    return "price_missing"


def _in_unit(quantity: Decimal, product: Product, unit: str, wanted: str) -> Decimal:
    if unit == wanted:
        return quantity
    return EXACT.divide(EXACT.multiply(quantity, product.units[unit]), product.units[wanted])


# -- promotions


def _promote(lines: Sequence[_Line], draft: Draft, book: Book) -> tuple[list[FreeGoods], dict[str, Decimal]]:
    goods: list[FreeGoods] = []
    given: dict[str, Decimal] = {}
    for promotion, on in _candidates(lines, book):
        if not promotion.is_for(draft):
            continue
        counted = _count(promotion, on, book)
        if counted is not None:
            given[promotion.id] = counted.spent
            if counted.goods:
                goods.append(counted.goods)
    return goods, given


def _candidates(lines: Sequence[_Line], book: Book) -> Iterator[tuple[Promotion, Sequence[_Line]]]:
    """Promotions that are on any of the lines, in their order, with those lines in theirs."""
    if not lines:
        return
    targets = book.targets
    on: dict[int, list[_Line]] = {}
    for line in lines:
        names = [targets.products.get(line.product.id)]
        names += [targets.categories.get(category) for category in line.product.categories]
        for places in names:
            for place in places or ():
                held = on.setdefault(place, [])
                if not held or held[-1] is not line:  # by its product and by its category
                    held.append(line)
    for place in sorted([*on, *targets.everything]):
        yield book.promotions[place], on.get(place, lines)


def _count(promotion: Promotion, on: Sequence[_Line], book: Book) -> _Given | None:
    """Let it count on its lines, or note why it does not."""
    open_lines = _admitted(promotion, on)
    if not open_lines:
        return None
    times = _times(promotion, open_lines)
    if times == 0:
        return _skipped(promotion, open_lines, "minimum")
    given = _benefit(promotion, open_lines, times, book)
    if given is None:
        return _skipped(promotion, open_lines, "unit")
    if given.spent == 0:
        return None
    if promotion.budget_left is not None and given.spent > promotion.budget_left:
        return _skipped(promotion, open_lines, "budget")
    offs = given.off or [ZERO] * len(open_lines)
    for line, off in zip(open_lines, offs, strict=True):
        if off or given.goods:
            _take_off(promotion, line, off)
    return given


def _admitted(promotion: Promotion, on: Sequence[_Line]) -> list[_Line]:
    """The lines that are still open to it; the others tell why they are not."""
    group, is_exclusive = promotion.group, promotion.exclusive
    found: list[_Line] = []
    for line in on:
        if line.is_closed or (is_exclusive and line.promotions):
            line.steps.append(Step("promotion", promotion.id, skipped="exclusive"))
        elif group is not None and group in line.groups:
            line.steps.append(Step("promotion", promotion.id, skipped="group"))
        else:
            found.append(line)
    return found


def _skipped(promotion: Promotion, lines: Sequence[_Line], why: str) -> _Given | None:
    """Nothing is given, and the lines tell why."""
    for line in lines:
        line.steps.append(Step("promotion", promotion.id, skipped=why))
    return None


def _times(promotion: Promotion, lines: Sequence[_Line]) -> Decimal:
    """How often the minimum is reached, once at most where it does not repeat; none where it has to be and is not."""
    if not promotion.min_quantity and not promotion.min_amount:
        return ONE
    reached: list[Decimal] = []
    if promotion.min_quantity:
        quantity = sum((_quantity(promotion, line) or ZERO for line in lines), ZERO)
        reached.append(EXACT.divide(quantity, promotion.min_quantity))
    if promotion.min_amount:
        gross = sum((line.gross for line in lines), ZERO)
        reached.append(EXACT.divide(gross, promotion.min_amount))
    least = min(reached)
    if least < 1:
        return ZERO
    return least // 1 if promotion.repeats else ONE


def _quantity(promotion: Promotion, line: _Line) -> Decimal | None:
    """A line's quantity in the promotion's unit; None where the product has no such unit."""
    if promotion.unit is None:
        return EXACT.multiply(line.draft.quantity, line.factor)
    if promotion.unit not in line.product.units:
        return None
    return _in_unit(line.draft.quantity, line.product, line.draft.unit, promotion.unit)


def _benefit(promotion: Promotion, lines: Sequence[_Line], times: Decimal, book: Book) -> _Given | None:
    rounding = book.currency.line
    match promotion.benefit:
        case Benefit.FREE_GOODS:
            product = book.products.get(promotion.free_product or "")
            unit = promotion.free_unit
            if product is None or unit is None or unit not in product.units:
                return None
            quantity = EXACT.multiply(promotion.value, times)
            return _Given(goods=FreeGoods(promotion.id, product.id, unit, quantity))
        case Benefit.AMOUNT:
            amounts = [line.amount for line in lines]
            off = min(rounding(EXACT.multiply(promotion.value, times)), sum(amounts, ZERO))
            return _Given(spread(off, amounts, rounding.unit) if off > 0 else [])
        case Benefit.PERCENT:
            return _Given(
                [
                    rounding(EXACT.divide(EXACT.multiply(line.amount, promotion.value), HUNDRED))
                    for line in lines
                ]
            )
    quantities = [_quantity(promotion, line) for line in lines]
    if all(quantity is None for quantity in quantities):
        return None
    worth = [rounding(EXACT.multiply(quantity or ZERO, promotion.value)) for quantity in quantities]
    if promotion.benefit is Benefit.PER_UNIT:
        return _Given([min(off, line.amount) for off, line in zip(worth, lines, strict=True)])
    return _Given(
        [
            max(ZERO, line.amount - amount) if quantity is not None else ZERO
            for quantity, amount, line in zip(quantities, worth, lines, strict=True)
        ]
    )


def _take_off(promotion: Promotion, line: _Line, off: Decimal) -> None:
    line.amount -= off
    line.promotion_off += off
    line.promotions.append(promotion.id)
    line.is_closed = line.is_closed or promotion.exclusive
    if promotion.group is not None:
        line.groups.add(promotion.group)
    line.steps.append(Step("promotion", promotion.id, off=off, amount=line.amount))


# -- by hand, and tax


def _grant(line: _Line, draft: Draft, book: Book) -> bool:
    """Take off what is granted by hand; whether that is possible."""
    percent = draft.manual_percent
    if percent is None and line.draft.manual is None:
        return True
    whole = Manual(ManualKind.PERCENT, percent) if percent is not None else None
    for step, manual in (("manual", line.draft.manual), ("order_manual", whole)):
        if manual is None:
            continue
        off = _manual_off(line, manual, book)
        if off is None:
            return False
        line.amount -= off
        line.manual_off += off
        line.steps.append(Step(step, off=off, amount=line.amount))
    return True


def _manual_off(line: _Line, manual: Manual, book: Book) -> Decimal | None:
    """What is granted by hand; None for less than nothing, or more than there is."""
    rounding = book.currency.line
    match manual.kind:
        case ManualKind.PERCENT:
            off = rounding(EXACT.divide(EXACT.multiply(line.amount, manual.value), HUNDRED))
        case ManualKind.AMOUNT:
            off = rounding(manual.value)
        case ManualKind.UNIT_PRICE:
            off = line.amount - rounding(EXACT.multiply(line.draft.quantity, manual.value))
    within = manual.value >= 0 and (manual.kind is not ManualKind.PERCENT or manual.value <= HUNDRED)
    return off if within and 0 <= off <= line.amount else None


def _finish(line: _Line, draft: Draft, book: Book, problems: list[Problem]) -> PricedLine:
    is_granted = _grant(line, draft, book)
    rate = book.taxes.get(line.product.tax)
    if not is_granted or rate is None:
        problems.append(Problem(line.draft.id, "tax_unknown" if is_granted else "manual_invalid"))
        return _nothing(line.draft)
    divisor = HUNDRED + rate if book.tax_inclusive else HUNDRED
    tax = book.currency.tax(EXACT.divide(EXACT.multiply(line.amount, rate), divisor))
    net = line.amount - tax if book.tax_inclusive else line.amount
    return PricedLine(
        id=line.draft.id,
        list_price=line.list_price,
        unit_price=line.unit_price,
        list_amount=line.list_amount,
        gross=line.gross,
        promotion_off=line.promotion_off,
        manual_off=line.manual_off,
        net=net,
        tax=tax,
        total=net + tax,
        tax_rate=rate,
        manual_percent=percent_of(line.manual_off, line.gross - line.promotion_off)
        if line.manual_off
        else ZERO,
        steps=line.steps,
        promotions=tuple(line.promotions),
    )


def _nothing(line: DraftLine) -> PricedLine:
    return PricedLine(line.id)


def _summed(
    currency: str,
    lines: list[PricedLine],
    goods: list[FreeGoods],
    problems: list[Problem],
    given: dict[str, Decimal],
) -> Priced:
    def total(name: str) -> Decimal:
        return sum((getattr(line, name) for line in lines), ZERO)

    return Priced(
        currency,
        lines,
        goods,
        problems,
        list_amount=total("list_amount"),
        gross=total("gross"),
        promotion_off=total("promotion_off"),
        manual_off=total("manual_off"),
        net=total("net"),
        tax=total("tax"),
        total=total("total"),
        given=given,
    )
