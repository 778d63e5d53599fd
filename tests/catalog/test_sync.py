"""Which phones hold which prices."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.scope import Role
from app.identity import service as identity
from app.jobs.windows import move_windows
from tests.catalog.shop import Shop
from tests.world import Person, World

WEEK = timedelta(days=7)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


@pytest.fixture
def oil(shop: Shop) -> UUID:
    return shop.product("OIL")


@pytest.fixture
def today(world: World) -> datetime:
    """Midnight of the company's day, as a moment to count days from."""
    with world.session() as session:
        day = identity.tenant_day(session, world.id, utc_now())
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001  (a day, and no moment)


def holds(person: Person, entity: str, record_id: UUID) -> bool:
    person.sync()
    return person.held(entity, record_id) is not None


class TestLists:
    def test_for_everybody_are_held_by_who_sells(self, world: World, shop: Shop, oil: UUID) -> None:
        price = shop.price(oil, "1000")
        people = {role: world.person(role, world.north) for role in Role if role is not Role.INTEGRATION}

        held = {role for role, person in people.items() if holds(person, "price", price)}
        known = {role for role, person in people.items() if holds(person, "product", oil)}

        assert held == {Role.REP, Role.MANAGER, Role.ADMIN}
        assert known == set(people)

    def test_for_an_account_are_held_by_its_people_alone(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        account = world.account(world.north)
        deal = shop.price_list("DEAL", kind="contract")
        assignment = shop.assign(deal, account_id=account)
        price = shop.price(oil, "900", list_id=deal)
        south, manager = world.person(Role.REP, world.south), world.person(Role.MANAGER, world.region)
        records = (("price_list", deal), ("price_list_assignment", assignment), ("price", price))

        for person in (rep, manager):
            assert all(holds(person, *record) for record in records)
        assert not any(holds(south, *record) for record in records)

    def test_follow_the_account_when_it_moves(self, world: World, shop: Shop, rep: Person, oil: UUID) -> None:
        account = world.account(world.north)
        deal = shop.price_list("DEAL")
        shop.assign(deal, account_id=account)
        price = shop.price(oil, "900", list_id=deal)
        south = world.person(Role.REP, world.south)
        assert (holds(rep, "price", price), holds(south, "price", price)) == (True, False)

        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            south=world.south,
            id=account,
        )

        assert (holds(rep, "price", price), holds(south, "price", price)) == (False, True)

    def test_for_a_territory_are_held_by_who_owns_an_account_there_and_no_longer(
        self, world: World, shop: Shop, oil: UUID
    ) -> None:
        outsider = world.person(Role.REP, world.south)
        account = world.account(world.north, owner_id=outsider.id)
        north = shop.price_list("NORTH")
        shop.assign(north, territory_id=world.north)
        price = shop.price(oil, "900", list_id=north)
        assert holds(outsider, "price", price)

        world.sql("UPDATE accounts SET owner_id = NULL WHERE id = :id", id=account)

        assert not holds(outsider, "price", price)

    def test_for_an_account_are_held_by_its_owner_from_elsewhere(
        self, world: World, shop: Shop, oil: UUID
    ) -> None:
        outsider = world.person(Role.REP, world.south)
        account = world.account(world.north, owner_id=outsider.id)
        deal = shop.price_list("DEAL")
        shop.assign(deal, account_id=account)
        promotion = shop.promotion("OURS", "percent", "10", account)

        assert holds(outsider, "price", shop.price(oil, "900", list_id=deal))
        assert holds(outsider, "promotion", promotion)

    def test_that_were_deleted_leave_with_all_that_hangs_on_them(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        deal = shop.price_list("DEAL")
        assignment = shop.assign(deal, territory_id=world.north)
        price = shop.price(oil, "900", list_id=deal)
        assert holds(rep, "price", price)

        world.sql("UPDATE price_lists SET deleted_at = now() WHERE id = :id", id=deal)

        records = (("price_list", deal), ("price", price), ("price_list_assignment", assignment))
        assert [holds(rep, *record) for record in records] == [False, False, False]

    def test_leave_with_their_prices_when_they_are_taken_away(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        deal = shop.price_list("DEAL")
        assignment = shop.assign(deal, territory_id=world.north)
        price = shop.price(oil, "900", list_id=deal)
        assert holds(rep, "price", price)

        world.sql("UPDATE price_list_assignments SET deleted_at = now() WHERE id = :id", id=assignment)

        assert not holds(rep, "price", price)
        assert rep.held("price_list", deal) is None

    def test_that_changed_are_told_with_their_new_price(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        price = shop.price(oil, "1000")
        assert holds(rep, "price", price)

        world.sql("UPDATE price_items SET price = 1100 WHERE price_id = :id", id=price)
        rep.sync()

        held = rep.held("price", price)
        assert held is not None
        assert [item["price"] for item in held["items"]] == ["1100.0000"]


class TestFloor:
    def test_changes_reach_no_phone_and_no_ledger(
        self, world: World, shop: Shop, rep: Person, oil: UUID
    ) -> None:
        price = shop.price(oil, "1000", floor="987.6543")
        assert holds(rep, "price", price)
        version = rep.records["price", str(price)]["version"]

        world.sql("UPDATE price_items SET floor_price = 912.3456 WHERE price_id = :id", id=price)
        rep.sync()

        assert rep.records["price", str(price)]["version"] == version
        told = world.engine_sql(
            "SELECT (SELECT count(*) FROM changes c WHERE c.tenant_id = :tenant AND to_jsonb(c)::text ~ :secret)"
            " + (SELECT count(*) FROM sync_feed f WHERE f.tenant_id = :tenant AND f.body::text ~ :secret)",
            secret="floor|987[.]6543|912[.]3456",
        )
        assert told == [(0,)]


class TestWindow:
    @pytest.mark.parametrize(
        ("since", "until", "held"),
        [(-400, -8, False), (-400, -7, True), (30, None, True), (31, None, False), (-400, None, True)],
    )
    def test_holds_what_ended_a_week_ago_at_most_or_begins_within_the_month(
        self,
        world: World,
        shop: Shop,
        rep: Person,
        oil: UUID,
        today: datetime,
        since: int,
        until: int | None,
        held: bool,
    ) -> None:
        ends = None if until is None else (today + timedelta(days=until)).date()
        days = {"valid_from": (today + timedelta(days=since)).date(), "valid_to": ends}
        price = shop.price(oil, "1000", since=days["valid_from"], until=ends)
        promotion = shop.promotion("SALE", "percent", "10", **days)
        season = shop.price_list("SEASON", **days)
        shop.assign(season)
        under = shop.price(oil, "900", list_id=season)

        found = [holds(rep, *one) for one in (("price", price), ("promotion", promotion), ("price", under))]

        assert found == [held, held, held]

    def test_moves_with_the_days(
        self, world: World, shop: Shop, rep: Person, oil: UUID, today: datetime
    ) -> None:
        soon, late = (today + timedelta(days=days) for days in (31, -7))
        comes = shop.price(oil, "1000", since=soon.date())
        goes = shop.price(oil, "1000", since=(late - WEEK).date(), until=late.date())
        season = shop.price_list("SEASON", valid_from=soon.date())
        shop.assign(season)
        under = shop.price(oil, "900", list_id=season)
        gift = shop.promotion("GIFT", "percent", "5", valid_to=late.date())
        now = utc_now()
        world.drain(now)
        move_windows(world.db, world.id, now)
        world.drain(now)
        everything = (comes, goes, under, gift)
        assert fed(world, *everything) == {goes, gift}

        move_windows(world.db, world.id, now + timedelta(days=1))
        world.drain(now + timedelta(days=1))

        assert fed(world, *everything) == {comes, under}

    def test_says_that_it_was_the_window(
        self, world: World, shop: Shop, rep: Person, oil: UUID, today: datetime
    ) -> None:
        price = shop.price(oil, "1000")
        assert holds(rep, "price", price)
        world.sql(
            "UPDATE prices SET valid_to = :day WHERE id = :id",
            id=price,
            day=(today - timedelta(days=8)).date(),
        )

        answer = rep.post_sync(mutations=[]).json

        assert answer["removed"] == [{"entity": "price", "id": str(price), "reason": "window"}]


class TestPromotions:
    def test_for_an_account_are_held_by_its_people_and_name_no_other(
        self, world: World, shop: Shop, rep: Person
    ) -> None:
        ours, theirs = world.account(world.north), world.account(world.south)
        both = shop.promotion("BOTH", "percent", "10", ours, theirs)
        foreign = shop.promotion("THEIRS", "percent", "10", theirs)

        assert (holds(rep, "promotion", both), holds(rep, "promotion", foreign)) == (True, False)
        named = {
            body["account_id"] for (entity, _), body in rep.records.items() if entity == "promotion_account"
        }
        assert named == {str(ours)}

    def test_follow_their_account_when_it_moves(self, world: World, shop: Shop, rep: Person) -> None:
        account = world.account(world.north)
        promotion = shop.promotion("OURS", "percent", "10", account)
        south = world.person(Role.REP, world.south)
        assert known(rep, promotion) == (True, 1)
        assert known(south, promotion) == (False, 0)

        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)

        assert known(rep, promotion) == (False, 0)
        assert known(south, promotion) == (True, 1)

    def test_tell_of_an_account_that_moved_where_they_were_known_before(
        self, world: World, shop: Shop, rep: Person
    ) -> None:
        account = world.account(world.north)
        promotion = shop.promotion(
            "OURS", "percent", "10", account, world.account(world.north), world.account(world.south)
        )
        south = world.person(Role.REP, world.south)
        assert (known(rep, promotion), known(south, promotion)) == ((True, 2), (True, 1))

        world.sql("UPDATE accounts SET territory_id = :south WHERE id = :id", south=world.south, id=account)

        assert (known(rep, promotion), known(south, promotion)) == ((True, 1), (True, 2))

    def test_that_end_take_their_accounts_along(
        self, world: World, shop: Shop, rep: Person, today: datetime
    ) -> None:
        promotion = shop.promotion("OURS", "percent", "10", world.account(world.north))
        assert known(rep, promotion) == (True, 1)

        long_ago = (today - timedelta(days=8)).date()
        world.sql("UPDATE promotions SET valid_to = :day WHERE id = :id", day=long_ago, id=promotion)

        assert known(rep, promotion) == (False, 0)


def known(person: Person, promotion: UUID) -> tuple[bool, int]:
    """Whether a phone holds a promotion, and how many accounts that promotions are for."""
    return holds(person, "promotion", promotion), sum(e == "promotion_account" for e, _ in person.records)


def fed(world: World, *ids: UUID) -> set[UUID]:
    """Which records are in any bucket."""
    with world.db.engine.connect() as connection:
        return set(
            connection.scalars(
                text(
                    "SELECT record_id FROM sync_feed WHERE tenant_id = :t AND record_id = ANY(:ids) AND gone IS NULL"
                ),
                {"t": world.id, "ids": list(ids)},
            )
        )
