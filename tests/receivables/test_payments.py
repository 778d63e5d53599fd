"""Payments, what they settle, and how that is undone."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import Forbidden, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.receivables import service
from app.receivables.service.errors import (
    AllocatedTwice,
    InvoiceOverpaid,
    PaymentNotGood,
    PaymentSpent,
    ReceiptTaken,
    ReceivableInvalid,
)
from tests.receivables.ledgers import NOW, Books


def rows(*pairs: tuple[Any, str]) -> list[dict[str, Any]]:
    return [{"invoice_id": invoice.id, "amount": Decimal(amount)} for invoice, amount in pairs]


class TestABouncedPayment:
    def test_lets_its_invoices_be_owed_again(self, books: Books) -> None:
        first, second = books.invoice("300000", due=-5), books.invoice("200000", due=5)
        payment = books.payment("400000")
        assert (books.open_amount(first.id), books.open_amount(second.id)) == (0, 100_000)

        bounced = books.do(service.bounce_payment, payment.id, reason="부도")

        assert (bounced.status, bounced.unapplied_amount, bounced.allocations) == ("bounced", 0, [])
        assert (books.open_amount(first.id), books.open_amount(second.id)) == (300_000, 200_000)
        credit = books.credit()
        assert (credit.exposure, credit.unapplied, credit.overdue_amount) == (500_000, 0, 300_000)

    def test_keeps_in_the_ledger_what_it_had_settled(self, books: Books) -> None:
        invoice = books.invoice("300000")
        payment = books.payment("300000")
        books.do(service.bounce_payment, payment.id, reason="부도")

        found = books.world.sql(
            "SELECT old ->> 'invoice_id', old ->> 'amount' FROM changes"
            " WHERE entity = 'payment' AND record_id = :id AND part = 'allocations' AND op = 'delete'",
            id=payment.id,
        )

        assert found == [(str(invoice.id), "300000.0000")]

    def test_may_bounce_after_the_bank_had_confirmed_it(self, books: Books) -> None:
        invoice = books.invoice("300000")
        payment = books.payment("300000", method="note", confirmed=True)

        books.do(service.bounce_payment, payment.id, reason="어음 부도")

        assert books.open_amount(invoice.id) == 300_000

    def test_bounces_once(self, books: Books) -> None:
        payment = books.payment()
        books.do(service.bounce_payment, payment.id, reason="부도")

        with pytest.raises(TransitionNotAllowed) as refused:
            books.do(service.bounce_payment, payment.id, reason="부도")

        assert refused.value.details == {"status": "bounced", "allowed": []}

    def test_settles_nothing_any_more(self, books: Books) -> None:
        payment = books.payment()
        books.do(service.bounce_payment, payment.id, reason="부도")
        invoice = books.invoice()

        with pytest.raises(PaymentNotGood):
            books.do(service.allocate, payment.id, allocations=rows((invoice, "1000")))

        assert books.open_amount(invoice.id) == 100_000


class TestAPayment:
    def test_settles_the_oldest_invoices_first(self, books: Books) -> None:
        late, soon, old = books.invoice(due=10), books.invoice(due=5), books.invoice(due=-40)

        books.payment("250000")

        assert [books.open_amount(one.id) for one in (old, soon, late)] == [0, 0, 50_000]

    def test_that_is_larger_than_all_invoices_stays_unapplied_with_its_rest(self, books: Books) -> None:
        books.invoice("100000")

        payment = books.payment("250000")

        assert payment.unapplied_amount == 150_000
        assert (books.credit().exposure, books.credit().unapplied) == (-150_000, 150_000)

    def test_of_an_invoice_that_is_paid_already_is_refused(self, books: Books) -> None:
        invoice = books.invoice("100000")
        books.payment("100000", allocations=rows((invoice, "100000")))

        with pytest.raises(InvoiceOverpaid) as refused:
            books.payment("100000", allocations=rows((invoice, "100000")))

        assert refused.value.details["open_amount"] == "0.0000"
        assert books.world.sql("SELECT count(*) FROM payments") == [(1,)]

    def test_is_not_spent_twice(self, books: Books) -> None:
        first, second = books.invoice("100000"), books.invoice("100000")

        with pytest.raises(PaymentSpent):
            books.payment("150000", allocations=rows((first, "100000"), (second, "100000")))

        assert books.world.sql("SELECT count(*) FROM payment_allocations") == [(0,)]

    def test_names_an_invoice_once(self, books: Books) -> None:
        invoice = books.invoice("100000")

        with pytest.raises(AllocatedTwice):
            books.payment("100000", allocations=rows((invoice, "1000"), (invoice, "1000")))

    def test_does_not_settle_another_accounts_invoice(self, books: Books) -> None:
        foreign = books.invoice(account_id=books.world.account(name="남의 회사"))

        for one in (foreign.id, new_id()):
            with pytest.raises(ReferenceNotFound):
                books.payment(allocations=[{"invoice_id": one, "amount": Decimal(1000)}])

        assert books.open_amount(foreign.id) == 100_000

    def test_is_allocated_later(self, books: Books) -> None:
        payment = books.payment("100000")
        invoice = books.invoice("70000")
        books.do(service.allocate, payment.id, allocations=rows((invoice, "20000")))

        done = books.do(service.allocate, payment.id)

        assert [(one.invoice_id, one.amount) for one in done.allocations] == [(invoice.id, 70_000)]
        assert (done.unapplied_amount, books.open_amount(invoice.id)) == (30_000, 0)

    def test_has_a_receipt_number_of_its_own(self, books: Books) -> None:
        books.payment(receipt_number="R-1")

        with pytest.raises(ReceiptTaken):
            books.payment(receipt_number="R-1")

    @pytest.mark.parametrize("amount", ["0", "-1", "0.5"])
    def test_is_an_amount_of_its_currency(self, books: Books, amount: str) -> None:
        with pytest.raises(ReceivableInvalid):
            books.payment(amount)

    def test_was_not_received_tomorrow(self, books: Books) -> None:
        with pytest.raises(ReceivableInvalid):
            books.payment(received_at=NOW + timedelta(days=1))

    def test_is_cancelled_before_the_bank_confirms_it(self, books: Books) -> None:
        invoice, payment = books.invoice(), books.payment()
        books.do(service.cancel_payment, payment.id, reason="오기입")
        assert books.open_amount(invoice.id) == 100_000

        confirmed = books.payment(confirmed=True)
        with pytest.raises(TransitionNotAllowed) as refused:
            books.do(service.cancel_payment, confirmed.id, reason="오기입")
        assert refused.value.details == {"status": "confirmed", "allowed": ["bounce"]}

    def test_is_the_offices_to_write(self, books: Books) -> None:
        payment = books.payment()

        with pytest.raises(Forbidden):
            books.do(service.confirm_payment, payment.id, books.rep)

    def test_of_another_territory_is_not_found(self, books: Books) -> None:
        payment = books.payment()
        stranger = books.world.person("manager", books.world.south)

        for one in (payment.id, new_id()):
            with pytest.raises(NotFound):
                books.do(service.confirm_payment, one, stranger)


class TestAVoidInvoice:
    def test_gives_back_what_had_settled_it(self, books: Books) -> None:
        invoice, payment = books.invoice("100000"), books.payment("80000")

        with books.world.acting(books.office) as (session, actor):
            void = service.void_invoice(session, actor, invoice.id, now=NOW)

        assert (void.status, void.open_amount) == ("void", 0)
        assert books.world.sql("SELECT unapplied_amount FROM payments WHERE id = :id", id=payment.id) == [
            (80_000,)
        ]
        assert books.credit().exposure == -80_000


class TestAnInvoice:
    def test_may_be_corrected_down_to_what_is_settled(self, books: Books) -> None:
        invoice = books.invoice("100000")
        books.payment("60000")

        with books.world.acting(books.office) as (session, actor), pytest.raises(ReceivableInvalid):
            service.update_invoice(session, actor, invoice.id, {"amount": Decimal(50_000)}, now=NOW)
        with books.world.acting(books.office) as (session, actor):
            paid = service.update_invoice(session, actor, invoice.id, {"amount": Decimal(60_000)}, now=NOW)

        assert (paid.status, paid.open_amount) == ("paid", 0)
