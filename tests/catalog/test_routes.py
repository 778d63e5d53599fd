"""The catalogue over REST."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.catalog import service
from app.core.errors import Forbidden
from app.core.scope import Role
from tests.catalog.shop import DAY, Shop
from tests.world import Person, World

Json = dict[str, Any]


@pytest.fixture
def admin(world: World) -> Person:
    return world.person(Role.ADMIN)


@pytest.fixture
def rep(world: World) -> Person:
    return world.person(Role.REP, world.north)


@pytest.fixture
def manager(world: World) -> Person:
    return world.person(Role.MANAGER, world.region)


def asked(person: Person, method: str, path: str, body: Any = None, version: int | None = None) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return person.call(method, f"/api/v1/{path}", body, **headers)


def made(person: Person, path: str, **values: Any) -> Json:
    answer = asked(person, "POST", path, values)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json
    return found


def refused(answer: Any) -> tuple[int, str, Json]:
    """Status, code, and the codes of fields or the details."""
    fields = {one["pointer"]: one["code"] for one in answer.json.get("errors", ())}
    return answer.status_code, answer.json["code"], fields or answer.json.get("details", {})


class TestProducts:
    def test_always_have_their_base_unit(self, admin: Person) -> None:
        product = made(
            admin,
            "products",
            sku="OIL",
            name="엔진오일",
            base_unit="EA",
            units=[{"unit": "BOX", "factor": "12"}],
        )
        assert {one["unit"]: one["factor"] for one in product["units"]} == {
            "BOX": "12.000000",
            "EA": "1.000000",
        }

    def test_keep_the_ids_of_the_units_that_stay(self, admin: Person) -> None:
        units = [{"unit": "EA", "factor": "1"}, {"unit": "BOX", "factor": "12"}]
        product = made(admin, "products", sku="OIL", name="엔진오일", base_unit="EA", units=units)
        before = {one["unit"]: one["id"] for one in product["units"]}
        units = [{"unit": "DRUM", "factor": "200"}, {"unit": "BOX", "factor": "10"}]

        answer = asked(admin, "PATCH", f"products/{product['id']}", {"units": units}, product["version"])

        after = {one["unit"]: (one["id"], one["factor"]) for one in answer.json["units"]}
        assert answer.json["version"] == product["version"] + 1
        assert after["BOX"] == (before["BOX"], "10.000000")
        assert after.keys() == {"BOX", "DRUM", "EA"}

    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            (
                {"units": [{"unit": "EA", "factor": "2"}]},
                (422, "catalog.invalid", {"/units": "value_invalid"}),
            ),
            (
                {"units": [{"unit": "BOX", "factor": "2"}] * 2},
                (422, "catalog.invalid", {"/units": "duplicate_item"}),
            ),
            ({"substitutes": ["NONE"]}, (422, "reference_not_found", {"field": "substitutes"})),
            ({"substitutes": ["OIL"]}, (422, "reference_not_found", {"field": "substitutes"})),
        ],
    )
    def test_that_make_no_sense_are_refused(self, admin: Person, values: Json, wanted: Any) -> None:
        body = {"sku": "OIL", "name": "엔진오일", "base_unit": "EA"} | values
        assert refused(asked(admin, "POST", "products", body)) == wanted

    def test_keep_what_they_are_known_by(self, admin: Person) -> None:
        product = made(admin, "products", sku="OIL", name="엔진오일", base_unit="EA")
        answer = asked(admin, "PATCH", f"products/{product['id']}", {"sku": "OTHER"}, product["version"])
        assert refused(answer) == (422, "catalog.invalid", {"/sku": "read_only_field"})

    def test_of_one_sku_are_one(self, admin: Person) -> None:
        made(admin, "products", sku="OIL", name="엔진오일", base_unit="EA")
        answer = asked(admin, "POST", "products", {"sku": "OIL", "name": "또", "base_unit": "EA"})
        assert refused(answer)[:2] == (409, "catalog.code_taken")

    def test_with_a_price_stay(self, admin: Person, shop: Shop) -> None:
        oil = shop.product("OIL")
        shop.price(oil, "1000")
        version = asked(admin, "GET", f"products/{oil}").json["version"]
        answer = asked(admin, "DELETE", f"products/{oil}", version=version)
        assert refused(answer)[:2] == (409, "has_dependants")


class TestTheOffice:
    def test_alone_keeps_the_catalogue(self, rep: Person, manager: Person, shop: Shop) -> None:
        price = shop.price(shop.product("OIL"), "1000")
        for person in (rep, manager):
            assert asked(person, "PATCH", f"prices/{price}", {"valid_to": None}, 1).status_code == 403
            assert asked(person, "POST", "prices/import", {"rows": []}).status_code == 403

    def test_alone_knows_floors_and_costs(
        self, rep: Person, manager: Person, admin: Person, shop: Shop
    ) -> None:
        oil = shop.product("OIL")
        price = shop.price(oil, "1000", floor="987.6543")
        shop.cost(oil, "654.3210")
        secrets = (f"prices/{price}/floors", f"products/{oil}/cost?day=2026-12-01")

        assert [asked(rep, "GET", path).status_code for path in secrets] == [403, 403]
        for person in (manager, admin):
            floors, cost = (asked(person, "GET", path).json for path in secrets)
            assert [one["floor_price"] for one in floors["items"]] == ["987.6543"]
            assert cost["cost"] == "654.3210"
        for person in (rep, manager):
            assert "987.6543" not in asked(person, "GET", f"prices/{price}").text

    def test_alone_is_told_them_by_the_service_too(self, rep: Person, shop: Shop) -> None:
        oil = shop.product("OIL")
        price = shop.price(oil, "1000", floor="900")
        shop.cost(oil, "600")
        with shop.world.acting(rep) as (session, actor):
            for secret in (
                lambda: service.get_cost(session, actor, oil, DAY),
                lambda: service.list_floors(session, actor, price),
                lambda: service.import_prices(session, actor, []),
                lambda: service.set_cost(
                    session, actor, oil, cost=Decimal(1), currency="KRW", valid_from=DAY
                ),
            ):
                with pytest.raises(Forbidden):
                    secret()

    def test_keeps_a_floor_that_it_does_not_name(self, admin: Person, shop: Shop) -> None:
        price = shop.price(shop.product("OIL"), "1000", floor="900")
        version = asked(admin, "GET", f"prices/{price}").json["version"]
        items = [{"unit": "EA", "min_quantity": "0", "price": "1100"}]

        answer = asked(admin, "PATCH", f"prices/{price}", {"items": items}, version)

        (floor,) = asked(admin, "GET", f"prices/{price}/floors").json["items"]
        assert (answer.status_code, floor["price"], floor["floor_price"]) == (200, "1100.0000", "900.0000")

    def test_changes_nothing_that_others_changed_meanwhile(self, admin: Person, shop: Shop) -> None:
        price = shop.price(shop.product("OIL"), "1000")
        assert asked(admin, "PATCH", f"prices/{price}", {"valid_to": None}, 99).status_code == 412
        assert asked(admin, "PATCH", f"prices/{price}", {"valid_to": None}).status_code == 428


class TestPrices:
    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"items": []}, "items"),
            ({"items": [{"unit": "TON", "min_quantity": "0", "price": "1"}]}, "items"),
            ({"items": [{"unit": "EA", "min_quantity": "0", "price": "1"}] * 2}, "items"),
            ({"valid_to": "2025-12-31"}, "valid_to"),
        ],
    )
    def test_that_make_no_sense_are_refused(
        self, admin: Person, shop: Shop, values: Json, field: str
    ) -> None:
        body = {
            "price_list_id": str(shop.list_id),
            "product_id": str(shop.product("OIL")),
            "valid_from": "2026-01-01",
            "items": [{"unit": "EA", "min_quantity": "0", "price": "1000"}],
        }
        status, code, details = refused(asked(admin, "POST", "prices", body | values))
        assert (status, code, list(details)) == (422, "catalog.invalid", [f"/{field}"])

    def test_of_unknown_lists_and_products_are_refused(self, admin: Person, shop: Shop) -> None:
        body = {
            "price_list_id": str(shop.list_id),
            "product_id": str(shop.product("OIL")),
            "valid_from": "2026-01-01",
            "items": [{"unit": "EA", "min_quantity": "0", "price": "1000"}],
        }
        for name in ("price_list_id", "product_id"):
            answer = asked(admin, "POST", "prices", body | {name: str(uuid4())})
            assert refused(answer) == (422, "reference_not_found", {"field": name})


class TestAssignments:
    def test_that_were_taken_back_show_nothing_any_more(self, world: World, rep: Person, shop: Shop) -> None:
        ours = shop.price_list("OURS")
        price = shop.price(shop.product("OIL"), "1000", list_id=ours)
        assignment = shop.assign(ours, territory_id=world.north)
        paths = (f"price-lists/{ours}", f"prices/{price}", f"price-list-assignments/{assignment}")
        assert [asked(rep, "GET", path).status_code for path in paths] == [200, 200, 200]

        world.sql("UPDATE price_list_assignments SET deleted_at = now() WHERE id = :id", id=assignment)

        assert [asked(rep, "GET", path).status_code for path in paths] == [404, 404, 404]

    def test_name_just_one(self, world: World, admin: Person, shop: Shop) -> None:
        whom: tuple[Json, ...] = ({}, {"everybody": True, "territory_id": str(world.north)})
        for one in whom:
            answer = asked(
                admin, "POST", "price-list-assignments", {"price_list_id": str(shop.list_id)} | one
            )
            assert refused(answer)[:2] == (422, "catalog.invalid")


class TestPromotions:
    @pytest.mark.parametrize(
        ("values", "fields"),
        [
            ({"benefit": "percent", "value": "100.1"}, ["value"]),
            ({"benefit": "amount"}, ["currency"]),
            ({"benefit": "percent", "min_amount": "1"}, ["currency"]),
            ({"benefit": "free_goods"}, ["free_product_id", "free_unit"]),
            ({"benefit": "percent", "products": ["oil"]}, ["products"]),
        ],
    )
    def test_that_make_no_sense_are_refused(self, admin: Person, values: Json, fields: list[str]) -> None:
        body = {"code": "X", "name": "행사", "value": "10"} | values
        status, code, details = refused(asked(admin, "POST", "promotions", body))
        assert (status, code, sorted(details)) == (422, "catalog.invalid", [f"/{one}" for one in fields])


class TestPriceChanges:
    def test_tell_old_and_new_by_whatever_way_the_price_changed(
        self, world: World, admin: Person, shop: Shop
    ) -> None:
        oil = shop.product("OIL")
        price = shop.price(oil, "1000", floor="900")
        world.sql("UPDATE price_items SET price = 1100, floor_price = 1 WHERE price_id = :id", id=price)
        world.sql("UPDATE price_items SET floor_price = 2 WHERE price_id = :id", id=price)
        made(
            admin,
            "prices",
            price_list_id=str(shop.list_id),
            product_id=str(oil),
            valid_from="2027-01-01",
            items=[{"unit": "EA", "min_quantity": "0", "price": "1200"}],
        )
        assert (
            asked(
                admin,
                "DELETE",
                f"prices/{price}",
                version=asked(admin, "GET", f"prices/{price}").json["version"],
            ).status_code
            == 204
        )

        assert changes(admin) == [
            (None, "1000.0000"),
            ("1000.0000", "1100.0000"),
            ("1100.0000", "1200.0000"),
            ("1100.0000", None),
        ]

    def test_of_lists_of_others_are_not_told(self, world: World, rep: Person, shop: Shop) -> None:
        oil = shop.product("OIL")
        shop.price(oil, "1000")
        theirs = shop.price_list("THEIRS")
        shop.assign(theirs, territory_id=world.south)
        shop.price(oil, "1", list_id=theirs)
        assert changes(rep) == [(None, "1000.0000")]


def changes(person: Person) -> list[tuple[str | None, str | None]]:
    """Old and new prices, the first change first."""
    found = asked(person, "GET", "price-changes").json["items"]
    return [(one["old_price"], one["new_price"]) for one in reversed(found)]


class TestRates:
    def test_of_a_day_are_replaced(self, admin: Person) -> None:
        first = made(admin, "exchange-rates", currency="USD", day="2026-11-21", rate="1400")
        second = made(admin, "exchange-rates", currency="USD", day="2026-11-21", rate="1399.5")
        assert (first["id"], second["rate"]) == (second["id"], "1399.5000000000")

    @pytest.mark.parametrize("currency", ["KRW", "ABC"])
    def test_of_the_companys_own_or_no_currency_are_refused(self, admin: Person, currency: str) -> None:
        body = {"currency": currency, "day": "2026-11-21", "rate": "1"}
        answer = asked(admin, "POST", "exchange-rates", body)
        assert refused(answer) == (422, "reference_not_found", {"field": "currency"})


class TestImport:
    def rows(self, *changes: Json) -> Json:
        row = {"list_code": "BASE", "sku": "OIL", "unit": "EA", "valid_from": "2026-01-01", "price": "1000"}
        return {"rows": [row | one for one in changes]}

    def results(self, person: Person, *changes: Json) -> list[tuple[str, str | None]]:
        answer = asked(person, "POST", "prices/import", self.rows(*changes))
        assert answer.status_code == 200, answer.text
        return [(one["outcome"], one["code"]) for one in answer.json["results"]]

    def test_says_of_each_row_what_became_of_it(self, admin: Person, shop: Shop) -> None:
        shop.product("OIL")
        assert self.results(
            admin,
            {},
            {"min_quantity": "10", "price": "950"},
            {"min_quantity": "10", "price": "940"},
            {"list_code": "NONE"},
            {"sku": "NONE"},
            {"unit": "TON"},
            {"min_quantity": "5", "valid_to": "2025-01-01"},
        ) == [
            ("created", None),
            ("created", None),
            ("rejected", "duplicate_item"),
            ("rejected", "reference_not_found"),
            ("rejected", "reference_not_found"),
            ("rejected", "choice_unknown"),
            ("rejected", "value_out_of_range"),
        ]

    def test_sent_again_changes_nothing(self, world: World, admin: Person, shop: Shop) -> None:
        shop.product("OIL")
        rows: tuple[Json, ...] = ({"floor_price": "900"}, {"min_quantity": "10", "price": "950"})
        self.results(admin, *rows)
        before = world.sql("SELECT id, version FROM prices WHERE tenant_id = :tenant")

        assert self.results(admin, *rows) == [("unchanged", None)] * 2
        assert world.sql("SELECT id, version FROM prices WHERE tenant_id = :tenant") == before
        assert self.results(admin, {"price": "1001"}, rows[1]) == [("updated", None), ("unchanged", None)]
        floors = world.sql(
            "SELECT floor_price FROM price_items WHERE tenant_id = :tenant AND min_quantity = 0"
        )
        assert floors == [(Decimal(900),)]

    def test_of_a_new_price_ends_the_one_before_it(self, world: World, admin: Person, shop: Shop) -> None:
        shop.product("OIL")
        self.results(admin, {}, {"valid_from": "2026-06-01", "valid_to": "2026-06-30", "price": "1"})

        self.results(admin, {"valid_from": "2026-07-01", "price": "1100"})

        spans = world.sql(
            "SELECT valid_from::text, valid_to::text FROM prices WHERE tenant_id = :tenant ORDER BY valid_from"
        )
        assert spans == [
            ("2026-01-01", "2026-06-30"),
            ("2026-06-01", "2026-06-30"),
            ("2026-07-01", None),
        ]

    def test_takes_nothing_of_another_companys(self, world: World, admin: Person, shop: Shop) -> None:
        other = Shop(World(world.app, world.db), UUID(int=1))
        other.price_list("THEIRS")
        shop.product("OIL")
        assert self.results(admin, {"list_code": "THEIRS"}) == [("rejected", "reference_not_found")]
