"""What somebody of the office can do with orders in psql: look, and nothing that the rules would have to know of."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from app.config import Config
from app.demo.world import admit_sql_person, dismiss_sql_person
from tests.orders.trade import Trade


@pytest.fixture
def office(migrated: Config, trade: Trade) -> Iterator[psycopg.Connection[Any]]:
    name, url = admit_sql_person(migrated, trade.world.id)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection
    dismiss_sql_person(migrated, name)


class TestInPsql:
    def test_orders_of_the_company_are_seen(self, trade: Trade, office: psycopg.Connection[Any]) -> None:
        order = trade.submitted(trade.line(2))

        found = office.execute("SELECT id, status, total FROM orders").fetchall()

        assert found == [(order.id, "approved", 2200)]

    @pytest.mark.parametrize("secret", ["cost", "margin_percent", "facts"])
    def test_what_the_rules_know_is_not(
        self, trade: Trade, office: psycopg.Connection[Any], secret: str
    ) -> None:
        with pytest.raises(InsufficientPrivilege):
            office.execute(f"SELECT {secret} FROM orders")

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE orders SET status = 'approved'",
            "UPDATE order_lines SET quantity = 100",
            "DELETE FROM order_lines",
            "UPDATE discount_limits SET percent = 100",
            "UPDATE order_settings SET overdue_days = 999",
            "UPDATE shipments SET status = 'shipped'",
            "UPDATE order_numbers SET last = 0",
            "UPDATE approval_requests SET status = 'approved'",
        ],
    )
    def test_nobody_gets_around_the_rules(
        self, trade: Trade, office: psycopg.Connection[Any], statement: str
    ) -> None:
        trade.submitted()

        with pytest.raises(InsufficientPrivilege):
            office.execute(statement)
