"""A phone without a network comes to the server's price, from what was synced to it."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from flask import Flask

from app.catalog import service
from app.catalog.pricing.wire import draft_of
from app.core import money
from app.core.clock import utc_now
from app.core.db import Database
from app.core.scope import Role
from app.identity import service as identity
from examples.phone.price_book import PriceBook, minor_unit
from tests.catalog.drawn_shop import Drawing
from tests.catalog.shop import open_shop
from tests.world import Person, World

Json = dict[str, Any]
SHOPS = 4
ORDERS = 75


def book_of(person: Person) -> PriceBook:
    """What the person's phone holds."""

    def records(entity: str) -> Mapping[str, Json]:
        return {record_id: body for (name, record_id), body in person.records.items() if name == entity}

    return PriceBook(records)


def test_the_phone_prices_to_the_last_digit_as_the_server_does(served: Flask, pools: Database) -> None:
    met: Counter[str] = Counter()
    for seed in range(SHOPS):
        compare_in_one_shop(World(served, pools), seed, met)

    steps = ("list", "contract", "promotion", "manual", "order_manual", "minimum", "group", "exclusive")
    problems = ("price_missing", "price_expired", "unit_unknown", "tax_unknown")
    assert min(met[name] for name in (*steps, *problems)) >= 5, met


def compare_in_one_shop(world: World, seed: int, met: Counter[str]) -> None:
    rep = world.person(Role.REP, world.north)
    accounts = [
        world.account(world.north, tier="A", kinds=["customer"]),
        world.account(world.north, tier="C"),
        world.account(world.south, tier="B", kinds=["customer"], owner_id=rep.id),
    ]
    with world.session() as session:
        today = identity.tenant_day(session, world.id, utc_now())
    drawing = Drawing(seed, open_shop(world), accounts, today)
    drawing.fill()
    rep.sync()
    book = book_of(rep)
    with world.acting(rep) as (session, actor):
        for number in range(ORDERS):
            account, order = drawing.one(accounts), drawing.order()
            ours = book.price(
                str(account), order["currency"], order["priced_on"], order["lines"], order["manual_percent"]
            )

            draft = draft_of(order | {"customer": {"id": str(account)}, "lists": []})
            theirs = service.quote(
                session,
                actor,
                account_id=account,
                currency=draft.currency,
                priced_on=draft.priced_on,
                lines=draft.lines,
                manual_percent=draft.manual_percent,
            )

            assert ours == theirs.trace, f"shop {seed}, order {number}"
            met.update(problem["code"] for problem in ours["problems"])
            met.update(step.get("skipped", step["step"]) for line in ours["lines"] for step in line["steps"])


def test_currencies_have_the_decimals_that_the_server_knows() -> None:
    codes = money._known_currencies()
    assert {c: Decimal(minor_unit(c)) for c in codes} == {
        c: Decimal(1).scaleb(-money.currency_precision(c)) for c in codes
    }
