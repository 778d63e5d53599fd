import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask import Flask, g
from sqlalchemy import Numeric, Select, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Actor, Role, Scope
from app.http.errors import Refused
from app.http.paging import page
from tests.http.things import DEVICE, TENANT, USER

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


class Made(DeclarativeBase):
    """Not the application's base: these tables are of this file alone."""


class Row(Made):
    __tablename__ = "paging_rows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    due: Mapped[datetime | None]
    price: Mapped[Decimal] = mapped_column(Numeric(18, 4))


SORTABLE = {"name": Row.name, "due": Row.due, "price": Row.price, "length": func.length(Row.name)}


@pytest.fixture
def session(pools: Database) -> Iterator[Session]:
    with pools.session(TENANT) as made:
        made.execute(
            text(
                "CREATE TEMP TABLE paging_rows (id uuid PRIMARY KEY, name text NOT NULL,"
                " due timestamptz, price numeric(18,4) NOT NULL) ON COMMIT DROP"
            )
        )
        source = random.Random(7)
        for _ in range(40):
            due = NOW + timedelta(microseconds=source.randrange(4)) if source.random() < 0.7 else None
            name = source.choice(["가", "나", "a", "b", ""])
            made.add(Row(id=new_id(), name=name, due=due, price=Decimal(source.randrange(3)) / 4))
        made.flush()
        yield made


@pytest.fixture(autouse=True)
def asking(app: Flask) -> Iterator[None]:
    with app.test_request_context("/api/v1/things"):
        g.actor = actor_of(USER)
        yield


def actor_of(user_id: UUID) -> Actor:
    return Actor(TENANT, user_id, DEVICE, Scope(user_id, Role.REP, frozenset(), frozenset(), NOW))


def ask(session: Session, statement: Select[Any] | None = None, **args: Any) -> dict[str, Any]:
    asked = select(Row) if statement is None else statement
    return page(session, asked, model=Row, sortable=SORTABLE, default_sort="name", args=args)


def walk(session: Session, **args: Any) -> list[Row]:
    rows: list[Row] = []
    found = ask(session, **args)
    while True:
        rows += found["items"]
        if found["next_cursor"] is None:
            return rows
        found = ask(session, **args, cursor=found["next_cursor"])


class TestPage:
    @pytest.mark.parametrize("sort", ["name", "-name", "due", "-due", "price", "-price", "-id", "length"])
    @pytest.mark.parametrize("limit", [1, 7, 40])
    def test_a_walk_gives_every_row_once_in_order(self, session: Session, sort: str, limit: int) -> None:
        walked = walk(session, sort=sort, limit=limit)

        whole = ask(session, sort=sort, limit=200)["items"]
        assert [row.id for row in walked] == [row.id for row in whole]
        assert len(walked) == 40

    def test_nulls_come_last_both_ways(self, session: Session) -> None:
        for sort in ("due", "-due"):
            empty = [row.due is None for row in walk(session, sort=sort, limit=9)]

            assert empty == sorted(empty)

    def test_the_last_page_has_no_cursor(self, session: Session) -> None:
        assert ask(session, limit=40)["next_cursor"] is None
        assert ask(session, limit=39)["next_cursor"]

    def test_without_a_limit_fifty_rows_are_shown(self, session: Session) -> None:
        session.add_all(Row(id=new_id(), name="c", price=Decimal(1)) for _ in range(20))

        assert len(ask(session)["items"]) == 50

    def test_a_row_that_comes_in_behind_is_not_missed_and_none_is_doubled(self, session: Session) -> None:
        first = ask(session, sort="id", limit=10)
        session.add(Row(id=new_id(), name="new", price=Decimal(1)))
        session.delete(first["items"][-1])

        rest = ask(session, sort="id", limit=200, cursor=first["next_cursor"])["items"]

        assert len(rest) == 31
        assert not {row.id for row in first["items"]} & {row.id for row in rest}

    def test_rows_are_rendered_for_the_viewer(self, session: Session) -> None:
        found = page(
            session, select(Row), model=Row, sortable=SORTABLE, args={"limit": 2}, render=lambda row: row.name
        )

        assert all(isinstance(item, str) for item in found["items"])

    @pytest.mark.parametrize("sort", ["margin", "name;DROP", "--name", "-", "stamps", "Name"])
    def test_other_fields_are_no_order(self, session: Session, sort: str) -> None:
        with pytest.raises(Refused) as refused:
            ask(session, sort=sort)

        assert (refused.value.code, refused.value.status) == ("sort_not_allowed", 422)


class TestCursor:
    @pytest.fixture
    def cursor(self, session: Session) -> str:
        return str(ask(session, sort="name", limit=5, tag="a")["next_cursor"])

    def is_refused(self, session: Session, **args: Any) -> bool:
        with pytest.raises(Refused) as refused:
            ask(session, **args)
        return refused.value.code == "cursor_invalid" and refused.value.status == 400

    def test_is_opaque_text_for_addresses(self, cursor: str) -> None:
        assert cursor.replace("-", "").replace("_", "").isalnum()

    def test_serves_its_owner(self, session: Session, cursor: str) -> None:
        assert ask(session, sort="name", limit=5, tag="a", cursor=cursor)["items"]

    def test_serves_with_another_limit(self, session: Session, cursor: str) -> None:
        assert len(ask(session, sort="name", limit=9, tag="a", cursor=cursor)["items"]) == 9

    @pytest.mark.parametrize("forged", ["", "x", "AAAA", "-1", "0", "é", "A" * 1999, "e30", "=", "null"])
    def test_a_made_up_one_is_refused(self, session: Session, forged: str) -> None:
        assert not forged or self.is_refused(session, cursor=forged)

    def test_no_byte_of_it_can_be_changed(self, session: Session, cursor: str) -> None:
        for place in range(len(cursor)):
            other = "A" if cursor[place] != "A" else "B"
            forged = cursor[:place] + other + cursor[place + 1 :]

            assert self.is_refused(session, sort="name", tag="a", cursor=forged) or place == len(cursor) - 1

    def test_a_truncated_one_is_refused(self, session: Session, cursor: str) -> None:
        assert all(
            self.is_refused(session, sort="name", tag="a", cursor=cursor[:length])
            for length in range(1, len(cursor), 3)
        )

    def test_serves_no_other_order(self, session: Session, cursor: str) -> None:
        assert self.is_refused(session, sort="-name", tag="a", cursor=cursor)

    def test_serves_no_other_filter(self, session: Session, cursor: str) -> None:
        assert self.is_refused(session, sort="name", tag="b", cursor=cursor)

    def test_serves_nobody_else(self, session: Session, cursor: str) -> None:
        g.actor = actor_of(DEVICE)

        assert self.is_refused(session, sort="name", tag="a", cursor=cursor)

    def test_serves_no_other_list(self, app: Flask, session: Session, cursor: str) -> None:
        with app.test_request_context("/api/v1/accounts"):
            g.actor = actor_of(USER)

            assert self.is_refused(session, sort="name", tag="a", cursor=cursor)
