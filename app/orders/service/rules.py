"""What the rules say of an order: allow, warn, route to an approver, or hold. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from app.orders.models import OrderSettings, Verdict

BLOCKED_STAGE: Final = "blocked"
STRICTNESS: Final = {verdict: place for place, verdict in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Credit:
    """How the account would stand with the order. Amounts in the credit's currency, but ``over_in_base``."""

    currency: str
    limit: Decimal | None
    exposure: Decimal
    addition: Decimal
    over_in_base: Decimal
    overdue_amount: Decimal
    overdue_days: int
    on_hold: bool
    is_covered_by_payments: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an order when it is judged.

    Attributes:
        base_total: Of the whole order, in the company's currency.
        discount_percent: The highest that was given by hand on a line.
        discount_limit: What the order's owner may give.
        below_floor: Whether a line is below its floor.
        margin_percent: None where a cost is unknown.
        expired_lists: Lists that gave prices and have ended since.
        discontinued: Products that are sold no more.
        short: By product what is wanted and what is there, where that is less.
        is_blocked: The customer gets nothing.
        credit: How its account stands.
    """

    base_total: Decimal
    discount_percent: Decimal
    discount_limit: Decimal
    below_floor: bool
    margin_percent: Decimal | None
    expired_lists: tuple[str, ...]
    discontinued: tuple[str, ...]
    short: Mapping[str, tuple[Decimal, Decimal]]
    is_blocked: bool
    credit: Credit


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says.

    Attributes:
        code: Stable slug.
        verdict: From ``allow`` (never kept) to ``hold``.
        reason: What an order is held for.
        values: Told to everybody who sees the order: no cost, margin or floor.
        metric: Measure that an approval has to reach, with the order's value; None where any approval of the
            document will do.
    """

    code: str
    verdict: Verdict
    reason: str = "approval"
    values: Mapping[str, Any] = field(default_factory=dict)
    metric: tuple[str, Decimal] | None = None

    def as_json(self) -> dict[str, Any]:
        """As phones keep it."""
        return {"code": self.code, "verdict": self.verdict.value, "values": dict(self.values)}


def findings_of(facts: Facts, settings: OrderSettings) -> list[Finding]:
    """Everything that the rules have to say, in the order of the rules."""
    found = [
        *_of_the_price(facts, settings),
        *_of_the_goods(facts, settings),
        *credit_findings(facts, settings),
    ]
    return [one for one in found if one.verdict is not Verdict.ALLOW]


def _of_the_price(facts: Facts, settings: OrderSettings) -> Iterable[Finding]:
    if facts.discount_percent > facts.discount_limit:
        yield Finding(
            "discount_over_limit",
            Verdict.ROUTE,
            values={"percent": _text(facts.discount_percent), "limit": _text(facts.discount_limit)},
            metric=("discount_percent", facts.discount_percent),
        )
    # How far below is for nobody to find out who may not know the floor, nor on which line.
    if facts.below_floor:
        yield Finding("price_below_floor", settings.floor_rule, "price")
    if (
        settings.minimum_margin is not None
        and facts.margin_percent is not None
        and facts.margin_percent < settings.minimum_margin
    ):
        yield Finding("margin_too_low", settings.margin_rule, "price")
    if facts.expired_lists:
        yield Finding(
            "price_list_expired", settings.expired_rule, "price", {"price_lists": list(facts.expired_lists)}
        )
    if settings.minimum_order is not None and facts.base_total < settings.minimum_order:
        yield Finding(
            "below_minimum_order",
            settings.minimum_rule,
            "price",
            {"total": _text(facts.base_total), "minimum": _text(settings.minimum_order)},
        )


def _of_the_goods(facts: Facts, settings: OrderSettings) -> Iterable[Finding]:
    if facts.discontinued:
        yield Finding(
            "product_discontinued",
            settings.discontinued_rule,
            "stock",
            {"products": list(facts.discontinued)},
        )
    if facts.short:
        missing = [
            {"product_id": one, "wanted": f"{wanted:.6f}", "there": f"{there:.6f}"}
            for one, (wanted, there) in sorted(facts.short.items())
        ]
        yield Finding("stock_short", settings.stock_rule, "stock", {"products": missing})


def credit_findings(facts: Facts, settings: OrderSettings) -> Iterable[Finding]:
    """What the rules about credit say: the only ones that are asked again when goods leave."""
    credit = facts.credit
    if facts.is_blocked:
        yield Finding("customer_blocked", Verdict.HOLD, "credit")
    if credit.on_hold:
        yield Finding("credit_on_hold", Verdict.HOLD, "credit")
    if credit.is_covered_by_payments:
        return
    after = credit.exposure + credit.addition
    if credit.limit is not None and after > credit.limit:
        yield Finding(
            "credit_limit",
            Verdict.HOLD,
            "credit",
            {
                "limit": _text(credit.limit),
                "exposure": _text(credit.exposure),
                "order": _text(credit.addition),
                "over": _text(after - credit.limit),
                "currency": credit.currency,
            },
            ("credit_over", credit.over_in_base),
        )
    if credit.overdue_amount > 0 and credit.overdue_days > settings.overdue_days:
        yield Finding(
            "overdue",
            Verdict.HOLD,
            "credit",
            {
                "amount": _text(credit.overdue_amount),
                "days": credit.overdue_days,
                "allowed_days": settings.overdue_days,
                "currency": credit.currency,
            },
            ("overdue_days", Decimal(credit.overdue_days)),
        )


def open_findings(found: Iterable[Finding], granted: Mapping[str, Decimal] | None) -> list[Finding]:
    """The findings that stop an order, less those which an approval of exactly this document covers.

    An approval covers as much as it was given for. Holds that measure nothing (a block, missing goods) are
    lifted where they were made, never by an approval.
    """
    stops = [one for one in found if one.verdict in (Verdict.ROUTE, Verdict.HOLD)]
    return stops if granted is None else [one for one in stops if not _covers(granted, one)]


def _covers(granted: Mapping[str, Decimal], finding: Finding) -> bool:
    if finding.metric is None:
        return finding.verdict is Verdict.ROUTE
    name, value = finding.metric
    return Decimal(granted.get(name, 0)) >= value


def _text(amount: Decimal) -> str:
    return f"{amount:.4f}"
