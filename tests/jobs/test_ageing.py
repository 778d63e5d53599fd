"""Balances when the day turns at the tenant's place."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import utc_now
from app.core.scope import Role
from app.jobs.ageing import age_balances
from app.jobs.windows import move_windows
from tests.receivables.ledgers import TODAY, Books
from tests.world import World

EVENING = datetime(2026, 11, 21, 14, 59, tzinfo=UTC)  # a minute before Seoul's midnight
MIDNIGHT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)


@pytest.fixture
def books(world: World) -> Books:
    return Books(world)


class TestAgeBalances:
    def test_moves_an_invoice_at_the_midnight_of_the_tenant(self, books: Books) -> None:
        books.invoice("1000", due=0)
        age_balances(books.world.db, books.world.id, EVENING)
        assert (books.balance().not_due, books.balance().overdue_amount) == (1000, 0)

        assert age_balances(books.world.db, books.world.id, MIDNIGHT) == 1

        row = books.balance()
        assert (row.not_due, row.days_1_30, row.overdue_amount, row.oldest_due_on) == (0, 1000, 1000, TODAY)

    def test_writes_nothing_that_the_day_does_not_change(self, books: Books) -> None:
        books.invoice("1000", due=-5)
        age_balances(books.world.db, books.world.id, EVENING)
        version = books.balance().version

        assert age_balances(books.world.db, books.world.id, MIDNIGHT) == 0
        assert books.balance().version == version

    def test_counts_what_hand_written_sql_has_left_behind(self, books: Books) -> None:
        invoice = books.invoice("1000", due=-5)
        books.world.sql("UPDATE invoices SET open_amount = 400 WHERE id = :id", id=invoice.id)

        age_balances(books.world.db, books.world.id, MIDNIGHT)

        assert books.balance().open_receivables == 400

    def test_names_itself_in_the_ledger(self, books: Books) -> None:
        books.invoice("1000", due=0)
        age_balances(books.world.db, books.world.id, MIDNIGHT)

        who = books.world.sql(
            "SELECT actor_kind, actor_name FROM changes WHERE entity = 'account_balance' ORDER BY id DESC LIMIT 1"
        )

        assert who == [("job", "ageing")]

    def test_leaves_an_account_alone_whose_currency_has_no_rate(self, books: Books) -> None:
        books.invoice("1000", due=0)
        books.world.sql("UPDATE accounts SET credit_currency = 'CHF' WHERE id = :id", id=books.account)
        other = books.world.account(name="나래")
        books.invoice("1000", due=0, account_id=other)

        assert age_balances(books.world.db, books.world.id, MIDNIGHT) == 1


class TestWhatBecomesOld:
    def test_leaves_the_phones_after_ninety_days(self, books: Books) -> None:
        now = utc_now()
        long_ago = now - timedelta(days=90, minutes=3)
        rep = books.world.person(Role.REP, books.world.north)
        paid, unpaid = books.invoice("1000", due=1), books.invoice("1000", due=2)
        payment = books.payment("1000")
        books.world.engine_sql("UPDATE tenants SET created_at = :then WHERE id = :tenant", then=long_ago)
        move_windows(books.world.db, books.world.id, now - timedelta(minutes=6))
        books.world.sql("UPDATE payments SET received_at = :then", then=long_ago)
        books.world.sql("UPDATE invoices SET settled_at = :then WHERE status = 'paid'", then=long_ago)
        books.world.drain(now - timedelta(minutes=6))
        rep.sync()
        assert rep.held("payment", payment.id) is not None

        move_windows(books.world.db, books.world.id, now)
        rep.sync()

        assert [rep.held("invoice", one.id) is None for one in (paid, unpaid)] == [True, False]
        assert rep.held("payment", payment.id) is None
