"""What an account owes: exposure, ageing by the tenant's calendar, holds, and many readers at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from app.core.errors import NotFound
from app.core.ids import new_id
from app.receivables import service
from app.receivables.service.errors import AlreadyOnHold, NotOnHold
from tests.receivables.ledgers import NOW, Books

LIMIT = Decimal(10_000_000)
READERS = 40


class TestFortyAtOnce:
    def test_never_commit_more_than_the_limit(self, books: Books) -> None:
        """Each reads the credit, locked, and commits 400,000 only if the exposure stays within it."""

        def order(_: int) -> bool:
            with books.world.session() as session:
                credit = service.credit_of(session, books.account, now=NOW, lock=True)
                if credit.exposure + 400_000 > LIMIT:
                    return False
                service.set_committed(
                    session, books.account, credit.committed + 400_000, credit.currency, now=NOW
                )
                return True

        with ThreadPoolExecutor(READERS) as pool:
            taken = sum(pool.map(order, range(READERS)))

        assert taken == 25
        assert (books.credit().exposure, books.balance().exposure) == (LIMIT, LIMIT)

    def test_make_one_balance(self, books: Books) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: books.credit(lock=True), range(16)))

        assert books.world.sql("SELECT count(*) FROM account_balances") == [(1,)]


class TestExposure:
    def test_is_what_is_open_and_committed_less_what_is_unapplied(self, books: Books) -> None:
        books.invoice("500000")
        books.commit("250000")
        books.payment("100000", allocations=[])

        credit = books.credit()

        assert (credit.open_receivables, credit.committed, credit.unapplied) == (500_000, 250_000, 100_000)
        assert (credit.exposure, credit.limit, credit.currency) == (650_000, LIMIT, "KRW")

    def test_of_an_account_without_documents_is_nothing(self, books: Books) -> None:
        credit = books.credit()

        assert (credit.exposure, credit.overdue_days, credit.on_hold) == (0, 0, False)
        assert books.world.sql("SELECT count(*) FROM account_balances") == [(0,)]

    def test_of_an_unknown_account_is_not_found(self, books: Books) -> None:
        with pytest.raises(NotFound):
            books.credit(account=new_id())

    def test_stands_in_the_row_that_phones_hold(self, books: Books) -> None:
        books.invoice("500000", due=-45)
        books.invoice("200000", due=-1)
        books.commit("250000")

        row = books.balance()

        assert (row.exposure, row.committed, row.overdue_amount) == (950_000, 250_000, 700_000)
        assert (row.days_1_30, row.days_31_60, row.not_due) == (200_000, 500_000, 0)


class TestAgeing:
    @pytest.mark.parametrize(
        ("due", "bucket"),
        [
            (1, "not_due"),
            (0, "not_due"),
            (-1, "days_1_30"),
            (-30, "days_1_30"),
            (-31, "days_31_60"),
            (-60, "days_31_60"),
            (-61, "days_61_90"),
            (-90, "days_61_90"),
            (-91, "days_over_90"),
        ],
    )
    def test_puts_an_invoice_into_one_bucket(self, books: Books, due: int, bucket: str) -> None:
        books.invoice("1000", due=due)

        row = books.balance()

        names = ("not_due", "days_1_30", "days_31_60", "days_61_90", "days_over_90")
        assert {name: getattr(row, name) for name in names} == dict.fromkeys(names, 0) | {bucket: 1000}

    def test_moves_by_the_calendar_day_of_the_tenant(self, books: Books) -> None:
        """Seoul's midnight is at 15:00 UTC."""
        books.invoice("1000", due=0)

        before = books.credit(now=datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC))
        after = books.credit(now=datetime(2026, 11, 21, 15, 0, tzinfo=UTC))

        assert (before.overdue_amount, before.overdue_days) == (0, 0)
        assert (after.overdue_amount, after.overdue_days) == (1000, 1)

    def test_counts_from_the_oldest_invoice_that_is_open(self, books: Books) -> None:
        books.invoice("1000", due=-50)
        books.invoice("1000", due=-20)
        books.payment("1000")

        assert books.credit().overdue_days == 20
        assert books.balance().oldest_due_on == date(2026, 11, 21) - timedelta(days=20)


class TestAHold:
    def test_stops_the_credit_until_it_is_released(self, books: Books) -> None:
        with books.world.acting(books.office) as (session, actor):
            service.place_hold(session, actor, books.account, "연체 3회", NOW)
        assert books.credit().on_hold
        assert books.balance().hold_reason == "연체 3회"

        with books.world.acting(books.office) as (session, actor):
            service.release_hold(session, actor, books.account, "입금 확인", NOW)
        assert not books.credit().on_hold
        events = books.world.sql("SELECT kind, reason, actor_id FROM credit_events ORDER BY id")
        assert [tuple(event) for event in events] == [
            ("hold", "연체 3회", books.office.id),
            ("release", "입금 확인", books.office.id),
        ]

    def test_is_placed_and_released_once(self, books: Books) -> None:
        with books.world.acting(books.office) as (session, actor):
            with pytest.raises(NotOnHold):
                service.release_hold(session, actor, books.account, "확인", NOW)
            service.place_hold(session, actor, books.account, "연체", NOW)
            with pytest.raises(AlreadyOnHold):
                service.place_hold(session, actor, books.account, "또 연체", NOW)

    def test_stays_through_invoices_and_payments(self, books: Books) -> None:
        with books.world.acting(books.office) as (session, actor):
            service.place_hold(session, actor, books.account, "연체", NOW)
        books.invoice()
        books.payment()

        assert books.credit().on_hold
