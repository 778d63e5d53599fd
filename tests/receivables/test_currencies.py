"""Documents of different currencies: each keeps its rate, and none is added to another."""

from datetime import date
from decimal import Decimal

import pytest

from app.catalog.service import RateMissing
from app.core.ids import new_id
from app.receivables import service
from app.receivables.service.errors import CurrencyDiffers
from tests.receivables.ledgers import NOW, Books


def rate(books: Books, currency: str, value: str, day: date = date(2026, 11, 1)) -> None:
    books.world.insert("exchange_rates", id=new_id(), currency=currency, day=day, rate=value)


def credit_in(books: Books, currency: str) -> None:
    books.world.sql(
        "UPDATE accounts SET credit_currency = :currency WHERE id = :id", currency=currency, id=books.account
    )


class TestAnInvoice:
    def test_keeps_the_rate_of_its_day(self, books: Books) -> None:
        rate(books, "USD", "1400")
        invoice = books.invoice("100.50", currency="USD")
        rate(books, "USD", "2000", date(2026, 11, 21))

        assert (invoice.base_amount, invoice.rate, invoice.rate_date) == (140_700, 1400, date(2026, 11, 1))
        assert books.credit().exposure == 140_700

    def test_that_is_paid_in_part_is_owed_in_part_of_its_base_amount(self, books: Books) -> None:
        rate(books, "USD", "1400")
        books.invoice("100", currency="USD")
        books.payment("25", currency="USD")

        assert books.credit().exposure == 105_000

    def test_is_not_settled_by_another_currency(self, books: Books) -> None:
        rate(books, "USD", "1400")
        invoice = books.invoice("100", currency="USD")

        with pytest.raises(CurrencyDiffers):
            books.payment(allocations=[{"invoice_id": invoice.id, "amount": Decimal(1)}])
        left = books.payment("1000000")

        assert (left.unapplied_amount, books.open_amount(invoice.id)) == (1_000_000, 100)

    def test_without_a_rate_is_refused_and_leaves_nothing(self, books: Books) -> None:
        with pytest.raises(RateMissing):
            books.invoice("100", currency="USD")

        assert books.world.sql("SELECT count(*) FROM invoices") == [(0,)]


class TestCreditInAForeignCurrency:
    def test_takes_documents_of_a_third_one_by_the_rates_of_their_day(self, books: Books) -> None:
        rate(books, "USD", "1400")
        rate(books, "EUR", "1500")
        credit_in(books, "USD")
        books.invoice("140", currency="EUR")
        books.invoice("280000")
        books.invoice("10", currency="USD")

        credit = books.credit()

        assert (credit.currency, credit.exposure) == ("USD", 150 + 200 + 10)
        assert (books.balance().currency, books.balance().exposure) == ("USD", 360)

    def test_takes_commitments_of_another_one_at_todays_rate(self, books: Books) -> None:
        rate(books, "USD", "1400")
        credit_in(books, "USD")

        books.commit("700000")

        assert (books.credit().committed, books.balance().committed) == (500, 500)

    def test_has_its_commitments_converted_when_it_changes(self, books: Books) -> None:
        rate(books, "USD", "1400")
        books.commit("700000")
        credit_in(books, "USD")
        assert (books.credit().committed, books.balance().committed) == (500, 700_000)

        with books.world.session() as session:
            service.refresh_balances(session, books.world.id, [books.account], NOW.date())

        assert (books.balance().currency, books.balance().committed) == ("USD", 500)

    def test_without_a_rate_cannot_be_counted(self, books: Books) -> None:
        books.invoice("1000")
        credit_in(books, "CHF")

        with pytest.raises(RateMissing):
            books.credit()
