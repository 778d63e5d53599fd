"""Statements that are sent in one message: their rows, their errors, and what the connection is like afterwards."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from app.core.at_once import AtOnce, Said
from app.core.db import WRITER, Database, writer_values

TENANT = text("SELECT current_setting('app.tenant', true) AS tenant, :word AS word, '100%' AS all_of_it")
WORDS = ("가람", "O'Brien; DROP TABLE users", "\\' OR 1=1 --", '"$1" %s %(word)s', "")


def asked(tenant: UUID, word: str) -> list[Said]:
    return [(WRITER, writer_values(tenant)), (TENANT, {"word": word})]


@pytest.mark.parametrize("prepares", [True, False])
def test_later_statements_see_what_earlier_ones_did(pools: Database, prepares: bool) -> None:
    at_once, pooled = AtOnce(prepares=prepares), pools.app.raw_connection()
    try:
        for word in WORDS * 2:
            tenant = uuid4()
            _, rows = at_once.ask(pooled, asked(tenant, word), begin="BEGIN", end="COMMIT")
            assert tuple(rows[0]) == (str(tenant), word, "100%")
    finally:
        pooled.close()


def test_nothing_of_it_is_left_to_the_next_user_of_the_connection(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    pools.at_once.ask(pooled, asked(uuid4(), "x"), begin="BEGIN", end="COMMIT")
    driver = pooled.driver_connection
    assert driver is not None
    assert (driver.autocommit, driver.info.transaction_status.name) == (False, "IDLE")
    assert driver.execute("SELECT current_setting('app.tenant', true)").fetchone()[0] in (None, "")
    driver.rollback()
    pooled.close()


def test_an_error_undoes_all_of_it_and_is_one_of_the_engine(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    fails: list[Said] = [*asked(uuid4(), "x"), (text("SELECT 1 / :zero AS n"), {"zero": 0})]
    with pytest.raises(DBAPIError) as caught:
        pools.at_once.ask(pooled, fails, begin="BEGIN", end="COMMIT")
    assert getattr(caught.value.orig, "sqlstate", None) == "22012"
    driver = pooled.driver_connection
    assert driver is not None
    assert driver.info.transaction_status.name == "IDLE"
    assert pools.at_once.ask(pooled, asked(uuid4(), "y"), begin="BEGIN", end="COMMIT")[1][0].word == "y"
    pooled.close()


def test_a_connection_whose_statements_were_let_go_prepares_them_anew(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    for _ in range(2):
        pools.at_once.ask(pooled, asked(uuid4(), "x"), begin="BEGIN", end="COMMIT")
        with pooled.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        pooled.driver_connection.commit()  # type: ignore[union-attr]
        # Some of the next message's statements are new, some were let go.
        mixed: list[Said] = [*asked(uuid4(), "x"), (text("SELECT :n + 1 AS n"), {"n": 1})]
        assert pools.at_once.ask(pooled, mixed, begin="BEGIN", end="COMMIT")[2][0].n == 2
    assert pools.at_once.ask(pooled, asked(uuid4(), "z"))[1][0].word == "z"
    pooled.close()


def test_a_lost_connection_is_told_as_one(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    with pooled.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]  # type: ignore[index]
    pooled.driver_connection.rollback()  # type: ignore[union-attr]
    url = pools.app.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])

    with pytest.raises(OperationalError):
        pools.at_once.ask(pooled, asked(uuid4(), "x"), begin="BEGIN", end="COMMIT")
    pooled.invalidate()
    pooled.close()


def test_values_keep_their_kinds(pools: Database) -> None:
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    ids = [uuid4(), uuid4()]
    kinds = text(
        "SELECT CAST(:at AS timestamptz) AS at, CAST(:ids AS uuid[]) AS ids, CAST(:nobody AS uuid) AS nobody,"
        " CAST(:more AS boolean) AS more, CAST(:n AS bigint) AS n, CAST(:none AS text[]) AS none,"
        " CAST(:one AS uuid[]) AS one, CAST(:id AS uuid) AS id, CAST(:then AS timestamptz) AS then"
    )
    values = {"at": at, "ids": ids, "nobody": None, "more": True, "n": 1 << 40, "none": []}
    values |= {
        "one": ids[:1],
        "id": UUID(int=7),
        "then": at.astimezone(ZoneInfo("Asia/Seoul")).replace(microsecond=5),
    }
    pooled = pools.app.raw_connection()
    row = pools.at_once.ask(pooled, [(kinds, values)], begin="BEGIN", end="COMMIT")[0][0]
    pooled.close()
    assert row._asdict() == values


def test_threads_that_meet_new_statements_at_once_do_not_mix_them_up(pools: Database) -> None:
    at_once, start = AtOnce(prepares=True), Barrier(8)

    def ask(n: int) -> int:
        pooled = pools.app.raw_connection()
        try:
            start.wait(20)
            said: list[Said] = [(text(f"SELECT :n + {k} AS n{k}"), {"n": n}) for k in range(n, n + 20)]
            rows = at_once.ask(pooled, said, begin="BEGIN", end="COMMIT")
            return sum(row[0][0] for row in rows)
        finally:
            pooled.close()

    with ThreadPoolExecutor(8) as threads:
        sums = list(threads.map(ask, range(8), timeout=60))
    assert sums == [sum(n + k for k in range(n, n + 20)) for n in range(8)]


def test_a_message_begins_its_own_transaction_also_when_its_statements_are_new(pools: Database) -> None:
    pools.app.dispose()
    pooled = pools.app.raw_connection()
    said: list[Said] = [
        (text("SELECT current_setting('transaction_isolation') AS level, now() AS begun"), {})
    ]
    begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

    (first,), (second,) = (pools.at_once.ask(pooled, said, begin=begin, end="COMMIT")[0] for _ in range(2))

    assert first.level == second.level == "repeatable read"
    assert first.begun < second.begun
    pooled.close()


def test_a_message_without_a_beginning_goes_on_in_the_transaction_of_the_connection(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    said: list[Said] = [(text("SELECT now() AS begun"), {})]

    (first,), (second,) = (pools.at_once.ask(pooled, said)[0] for _ in range(2))

    assert first.begun == second.begun
    pooled.rollback()
    pooled.close()


@pytest.mark.parametrize("word", ["", "it's", "a\\b", "%s %", "가람", '"', "a;b", "00:00", "$1", "--"])
def test_a_word_arrives_as_it_was_said(pools: Database, word: str) -> None:
    pooled = pools.app.raw_connection()
    said: list[Said] = [(text("SELECT CAST(:word AS text) AS word"), {"word": word})]
    assert pools.at_once.ask(pooled, said, begin="BEGIN", end="COMMIT")[0][0].word == word
    pooled.close()


@pytest.mark.parametrize("prepares", [True, False])
def test_a_transaction_goes_on_and_ends_in_one_message_each(pools: Database, prepares: bool) -> None:
    at_once, pooled = AtOnce(prepares=prepares), pools.app.raw_connection()
    driver = pooled.driver_connection
    assert driver is not None
    driver.autocommit = True
    try:
        at_once.ask(pooled, [(WRITER, writer_values(uuid4()))], begin="BEGIN")
        first = at_once.go_on(pooled, [(TENANT, {"word": word}) for word in WORDS])
        last = at_once.close(pooled, [(TENANT, {"word": "x"})], end="COMMIT", as_prepared=True)
        assert [rows[0].word for rows in (*first, *last)] == [*WORDS, "x"]
        assert driver.info.transaction_status.name == "IDLE"
    finally:
        driver.autocommit = False
        pooled.close()


def test_a_transaction_whose_statements_were_let_go_does_not_begin_anew_by_itself(pools: Database) -> None:
    pooled = pools.app.raw_connection()
    driver = pooled.driver_connection
    assert driver is not None
    driver.autocommit = True
    try:
        pools.at_once.ask(pooled, asked(uuid4(), "x"), begin="BEGIN")
        driver.execute("DEALLOCATE ALL")
        with pytest.raises(DBAPIError):
            pools.at_once.go_on(pooled, [(TENANT, {"word": "x"})])
        assert driver.info.transaction_status.name == "INERROR"
    finally:
        driver.rollback()
        driver.autocommit = False
        pooled.close()
