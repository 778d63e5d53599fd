"""Writers of one account's receivables at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

from app.core.errors import DomainError
from app.receivables import service
from tests.receivables.ledgers import Books
from tests.receivables.test_collecting import collection, payments, visit_of


def at_once(*works: Callable[[], Any]) -> list[str]:
    """What became of each: ``ok``, or the code of its refusal."""

    def tried(work: Callable[[], Any]) -> str:
        try:
            work()
        except DomainError as error:
            return error.code
        return "ok"

    with ThreadPoolExecutor(len(works)) as pool:
        return sorted(pool.map(tried, works))


class TestTwoPaymentsOfOneInvoice:
    def test_settle_it_once(self, books: Books) -> None:
        invoice = books.invoice("100000")
        rows = [{"invoice_id": invoice.id, "amount": Decimal(100_000)}]

        done = at_once(*(lambda: books.payment("100000", allocations=rows) for _ in range(6)))

        assert done == ["invoice.overpaid"] * 5 + ["ok"]
        assert books.world.sql("SELECT sum(amount) FROM payment_allocations") == [(100_000,)]

    def test_without_names_leave_the_second_unapplied(self, books: Books) -> None:
        books.invoice("100000")

        done = at_once(*(lambda: books.payment("100000") for _ in range(4)))

        assert done == ["ok"] * 4
        assert books.credit().exposure == -300_000
        assert books.world.sql("SELECT sum(amount) FROM payment_allocations") == [(100_000,)]


class TestABounceAndAnAllocation:
    def test_leave_no_part_of_a_bounced_payment_on_an_invoice(self, books: Books) -> None:
        payment = books.payment("100000", allocations=[])
        invoice = books.invoice("100000")

        at_once(
            lambda: books.do(service.bounce_payment, payment.id, reason="부도"),
            lambda: books.do(service.allocate, payment.id),
        )

        assert books.open_amount(invoice.id) == 100_000
        assert books.credit().exposure == 100_000


class TestOneReceipt:
    def test_of_two_phones_at_once_is_one_payment(self, books: Books) -> None:
        others = [books.world.person("rep", books.world.north) for _ in range(4)]
        for person in others:
            person.sync()
        sent = [(person, collection(person, visit_of(books, person))) for person in others]

        with ThreadPoolExecutor(len(sent)) as pool:
            told = list(pool.map(lambda one: one[0].sync(one[1])[0], sent))

        assert sorted(str(verdict["code"]) for verdict in told) == ["None"] + ["payment.receipt_taken"] * 3
        assert len(payments(books)) == 1

    def test_for_two_accounts_at_once_is_one_payment(self, books: Books) -> None:
        others = [books.world.account(name=f"나래 {n}") for n in range(4)]

        done = at_once(
            *(lambda account=one: books.payment(account_id=account, receipt_number="R-1") for one in others)
        )

        assert done == ["ok"] + ["payment.receipt_taken"] * 3


class TestEveryCommittedState:
    def test_has_balances_that_are_the_sums_of_their_documents(self, books: Books) -> None:
        """Invoices, payments, bounces and voids in a row of sixty, six at a time."""
        made = [books.invoice("50000") for _ in range(10)]
        paid = [books.payment("70000") for _ in range(4)]

        def void(invoice: Any) -> None:
            with books.world.acting(books.office) as (session, actor):
                service.void_invoice(session, actor, invoice.id, now=invoice.created_at)

        works: list[Callable[[], Any]] = [
            *(lambda: books.invoice("30000") for _ in range(6)),
            *(lambda: books.payment("20000") for _ in range(6)),
            *(lambda one=one: books.do(service.bounce_payment, one.id, reason="부도") for one in paid),
            *(lambda one=one: void(one) for one in made[:5]),
        ]
        assert set(at_once(*works)) == {"ok"}

        credit, row = books.credit(), books.balance()
        assert (row.open_receivables, row.unapplied) == (credit.open_receivables, credit.unapplied)
        assert row.exposure == credit.exposure == 5 * 50_000 + 6 * 30_000 - 6 * 20_000
        ((wrong,),) = books.world.sql(
            "SELECT count(*) FROM invoices i WHERE status <> 'void' AND amount - open_amount <>"
            " (SELECT coalesce(sum(a.amount), 0) FROM payment_allocations a WHERE a.invoice_id = i.id)"
        )
        assert wrong == 0
