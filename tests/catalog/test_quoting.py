"""What an order costs by the company's tables."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from app.catalog import service
from app.catalog.pricing import Manual, ManualKind
from app.core.errors import ReferenceNotFound
from tests.catalog.shop import DAY, Shop, line, nets
from tests.world import Person, World


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def account(world: World) -> UUID:
    return world.account()


@pytest.fixture
def oil(shop: Shop) -> UUID:
    return shop.product("OIL-5W30")


class TestLists:
    def test_of_the_account_come_before_those_of_its_territory_and_of_everybody(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        ours, region = shop.price_list("OURS"), shop.price_list("NORTH")
        shop.assign(region, territory_id=world.north, rank=1)
        shop.price(oil, "900", list_id=region)
        assert nets(shop.quote(rep, account, line(oil))) == [900]

        shop.assign(ours, account_id=account, rank=999)
        shop.price(oil, "950", list_id=ours)

        assert nets(shop.quote(rep, account, line(oil))) == [950]

    def test_of_another_account_or_currency_do_not_count(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        theirs, dollars = shop.price_list("THEIRS"), shop.price_list("USD", currency="USD")
        shop.assign(theirs, account_id=world.account())
        shop.assign(dollars, account_id=account)
        for list_id in (theirs, dollars):
            shop.price(oil, "1", list_id=list_id)

        assert nets(shop.quote(rep, account, line(oil))) == [1000]

    def test_that_were_deleted_or_taken_away_do_not_count(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        gone, taken = shop.price_list("GONE"), shop.price_list("TAKEN")
        shop.assign(gone, account_id=account)
        assignment = shop.assign(taken, account_id=account)
        for list_id in (gone, taken):
            shop.price(oil, "1", list_id=list_id)
        world.sql("UPDATE price_lists SET deleted_at = now() WHERE id = :id", id=gone)
        world.sql("UPDATE price_list_assignments SET deleted_at = now() WHERE id = :id", id=assignment)

        assert nets(shop.quote(rep, account, line(oil))) == [1000]

    def test_that_have_ended_are_told(self, shop: Shop, rep: Person, account: UUID, oil: UUID) -> None:
        shop.price(oil, "1000")
        old = shop.price_list("OLD", valid_to=DAY - timedelta(days=1))
        shop.assign(old, account_id=account)
        shop.price(oil, "900", list_id=old)
        other = shop.price_list("OTHER", valid_to=DAY - timedelta(days=1))
        shop.assign(other, account_id=account)
        shop.price(shop.product("FILTER"), "1", list_id=other)

        found = shop.quote(rep, account, line(oil))

        assert (found.expired_lists, nets(found)) == ((old,), [1000])

    def test_give_the_price_of_the_day_of_the_order(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000", until=DAY - timedelta(days=1))
        shop.price(oil, "1200", since=DAY)
        shop.price(oil, "1500", since=DAY + timedelta(days=1))
        days = (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1))

        found = [nets(shop.quote(rep, account, line(oil), priced_on=day))[0] for day in days]

        assert found == [1000, 1200, 1500]


class TestPromotions:
    def test_for_other_accounts_do_not_count(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        shop.promotion("THEIRS", "percent", "50", world.account())
        shop.promotion("OURS", "percent", "10", account, world.account())

        assert nets(shop.quote(rep, account, line(oil))) == [900]

    def test_count_by_product_and_category_and_not_on_others(
        self, shop: Shop, rep: Person, account: UUID
    ) -> None:
        oil, filters = shop.product("OIL", categories=["lube"]), shop.product("FILTER")
        for product in (oil, filters):
            shop.price(product, "1000")
        shop.promotion("LUBE", "percent", "10", categories=["lube"])
        shop.promotion("FILTER", "amount", "300", products=[str(filters)], currency="KRW")

        found = shop.quote(rep, account, line(oil), line(filters, line_id="2"))

        assert nets(found) == [900, 700]

    def test_give_a_product_that_is_not_among_the_lines(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        gift = shop.product("CAP")
        values = {
            "free_product_id": gift,
            "free_unit": "EA",
            "unit": "BOX",
            "min_quantity": 1,
            "repeats": True,
        }
        shop.promotion("GIFT", "free_goods", "2", products=[str(oil)], **values)

        found = shop.quote(rep, account, line(oil, "25"))

        assert [(one.product_id, one.quantity) for one in found.priced.free_goods] == [(str(gift), 4)]


class TestFloor:
    def test_is_crossed_by_discounts_and_not_by_the_list(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000", floor="900")
        at, below = (Manual(ManualKind.PERCENT, Decimal(p)) for p in ("10", "10.1"))

        found = shop.quote(
            rep, account, line(oil, "10", manual=at), line(oil, "10", line_id="2", manual=below)
        )

        assert found.below_floor == ("2",)

    def test_is_that_of_the_ordered_unit(self, shop: Shop, rep: Person, account: UUID, oil: UUID) -> None:
        shop.price(oil, "1000", floor="900")
        manual = Manual(ManualKind.UNIT_PRICE, Decimal("10799"))
        assert shop.quote(rep, account, line(oil, "3", "BOX", manual=manual)).below_floor == ("1",)

    def test_does_not_forbid_what_was_agreed_but_less_than_that(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000", floor="900")
        contract = shop.price_list("DEAL", kind="contract")
        shop.assign(contract, account_id=account)
        shop.price(oil, "800", list_id=contract)

        assert shop.quote(rep, account, line(oil)).below_floor == ()
        assert shop.quote(rep, account, line(oil), manual_percent=Decimal(1)).below_floor == ("1",)

    def test_is_in_no_word_that_a_phone_may_read(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000", floor="987.6543")
        shop.cost(oil, "345.6789")
        found = shop.quote(rep, account, line(oil))
        assert not any(secret in repr(found.trace) for secret in ("987.6543", "345.6789", "cost", "floor"))


class TestCost:
    def test_counts_packs_and_what_comes_along_free(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1000")
        gift = shop.product("CAP")
        shop.promotion("GIFT", "free_goods", "1", free_product_id=gift, free_unit="EA")
        shop.cost(oil, "600")
        shop.cost(gift, "300")

        found = shop.quote(rep, account, line(oil, "2", "BOX"))

        assert (found.cost, found.margin_percent) == (14_700, Decimal("38.7500"))

    def test_is_unknown_where_that_of_any_line_is(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        other = shop.product("FILTER")
        for product in (oil, other):
            shop.price(product, "1000")
        shop.cost(oil, "600")
        shop.cost(other, "600", since=DAY + timedelta(days=1))

        found = shop.quote(rep, account, line(oil), line(other, line_id="2"))

        assert (found.cost, found.margin_percent) == (None, None)

    def test_is_exchanged_by_the_rates_of_the_day(
        self, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        euros = shop.price_list("EUR", currency="EUR")
        shop.assign(euros)
        shop.price(oil, "10.00", list_id=euros)
        shop.cost(oil, "8", "USD")
        assert shop.quote(rep, account, line(oil), currency="EUR").cost is None

        shop.rate("USD", "1400")
        shop.rate("EUR", "1600")

        assert shop.quote(rep, account, line(oil), currency="EUR").cost == 7


class TestUnknown:
    def test_accounts_of_others_are_as_unknown_as_none(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        codes = []
        for account_id in (world.account(world.south), uuid4()):
            with pytest.raises(ReferenceNotFound) as refused:
                shop.quote(rep, account_id, line(oil))
            codes.append((refused.value.code, refused.value.details))
        assert codes[0] == codes[1] == ("reference_not_found", {"field": "account_id"})

    def test_products_of_another_company_are_as_unknown_as_none(
        self, served: object, world: World, shop: Shop, rep: Person, account: UUID
    ) -> None:
        for product_id in (Shop(World(world.app, world.db), uuid4()).product("OIL"), uuid4()):
            with pytest.raises(ReferenceNotFound) as refused:
                shop.quote(rep, account, line(product_id))
            assert refused.value.details == {"field": "product_id"}

    def test_currencies_are_refused(self, shop: Shop, rep: Person, account: UUID, oil: UUID) -> None:
        with pytest.raises(ReferenceNotFound):
            shop.quote(rep, account, line(oil), currency="ABC")


class TestCurrencies:
    def test_round_by_the_companys_rule_and_else_to_the_minor_unit(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1234.5")
        assert nets(shop.quote(rep, account, line(oil))) == [1235]

        world.insert(
            "currencies", id=uuid4(), code="KRW", line_unit=10, line_mode="down", tax_unit=10, tax_mode="down"
        )

        assert nets(shop.quote(rep, account, line(oil))) == [1230]

    def test_may_contain_the_tax(
        self, world: World, shop: Shop, rep: Person, account: UUID, oil: UUID
    ) -> None:
        shop.price(oil, "1100", floor="1050")
        world.insert("currencies", id=uuid4(), code="KRW", line_unit=1, tax_unit=1, tax_inclusive=True)

        found = shop.quote(rep, account, line(oil))

        assert (found.priced.net, found.priced.total, found.below_floor) == (1000, 1100, ())

    def test_are_worth_what_the_newest_rate_before_the_day_says(self, world: World, shop: Shop) -> None:
        shop.rate("USD", "1400", date(2026, 11, 1))
        shop.rate("USD", "1412.345", date(2026, 11, 20))
        shop.rate("USD", "1", date(2026, 11, 22))
        with world.session() as session:
            found = service.in_base(session, world.id, Decimal("10.50"), "USD", DAY)
            own = service.in_base(session, world.id, Decimal("7"), "KRW", DAY)

        assert (found.amount, found.rate, found.rate_date) == (
            14_830,
            Decimal("1412.345"),
            date(2026, 11, 20),
        )
        assert (own.amount, own.rate, own.rate_date) == (7, 1, DAY)

    def test_without_a_rate_say_so(self, world: World) -> None:
        with world.session() as session, pytest.raises(service.RateMissing) as refused:
            service.in_base(session, world.id, Decimal(1), "USD", DAY)
        assert refused.value.details == {"currency": "USD", "day": "2026-11-21"}


class TestBudgets:
    def test_are_taken_together_or_not_at_all(self, world: World, shop: Shop) -> None:
        rich = shop.promotion("RICH", "amount", "100", budget_left=1000)
        poor = shop.promotion("POOR", "amount", "100", budget_left=50)
        free = shop.promotion("FREE", "amount", "100")
        given = {str(one): Decimal(100) for one in (rich, poor, free)}

        with pytest.raises(service.BudgetSpent) as refused, world.session() as session:
            service.reserve_budgets(session, given)

        assert refused.value.details == {"promotion_id": str(poor)}
        assert left(world) == {"RICH": 1000, "POOR": 50, "FREE": None}

    def test_are_never_overdrawn_by_orders_at_once(self, world: World, shop: Shop) -> None:
        both = [shop.promotion(code, "amount", "100", budget_left=1000) for code in ("A", "B")]

        def reserve(number: int) -> bool:
            wanted = both if number % 2 else both[::-1]
            try:
                with world.session() as session:
                    service.reserve_budgets(session, {str(one): Decimal(150) for one in wanted})
            except service.BudgetSpent:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(reserve, range(12)))

        assert (taken.count(True), left(world)) == (6, {"A": 100, "B": 100})

    def test_come_back_when_an_order_is_given_up(self, world: World, shop: Shop) -> None:
        given = {str(shop.promotion("RICH", "amount", "100", budget_left=1000)): Decimal(100)}
        with world.session() as session:
            service.reserve_budgets(session, given)
        assert left(world) == {"RICH": 900}

        with world.session() as session:
            service.release_budgets(session, given)

        assert left(world) == {"RICH": 1000}


def left(world: World) -> dict[str, Decimal | None]:
    return dict(world.sql("SELECT code, budget_left FROM promotions WHERE tenant_id = :tenant"))
