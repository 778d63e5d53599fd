"""Invoices, payments and credit over REST."""

from typing import Any
from uuid import UUID

import pytest

from app.core.ids import new_id
from app.core.scope import Role
from tests.receivables.ledgers import Books
from tests.receivables.test_collecting import payments, visit_of
from tests.world import Person

API = "/api/v1"


def post(person: Person, path: str, body: dict[str, Any], version: int | None = None) -> Any:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return person.call("POST", API + path, body, **headers)


def invoice(account: UUID, **values: Any) -> dict[str, Any]:
    return {
        "account_id": str(account),
        "number": "세금-1",
        "issued_on": "2026-11-01",
        "due_on": "2026-11-30",
        "currency": "KRW",
        "amount": "500000",
    } | values


class TestCredit:
    def test_is_held_once_and_by_the_version_that_was_seen(self, books: Books) -> None:
        path = f"/accounts/{books.account}/credit"
        seen = books.office.call("GET", API + path)
        assert (seen.status_code, seen.headers["ETag"], seen.json["on_hold"]) == (200, '"0"', False)

        held = post(books.office, f"{path}/hold", {"reason": "연체"}, 0)
        stale = post(books.office, f"{path}/release", {"reason": "입금"}, 0)
        again = post(books.office, f"{path}/hold", {"reason": "연체"}, 1)

        assert (held.status_code, held.json["on_hold"]) == (200, True)
        assert (stale.status_code, stale.json["code"]) == (412, "version_stale")
        assert (again.status_code, again.json["code"]) == (409, "credit.already_on_hold")
        events = books.rep.call("GET", f"{API}/accounts/{books.account}/credit-events").json["items"]
        assert [(one["kind"], one["reason"]) for one in events] == [("hold", "연체")]

    def test_of_a_foreign_account_is_not_found_like_a_missing_one(self, books: Books) -> None:
        foreign = books.world.account(books.world.south)

        for account in (foreign, new_id()):
            answer = books.rep.call("GET", f"{API}/accounts/{account}/credit")
            assert (answer.status_code, answer.json["code"]) == (404, "not_found")

    def test_tells_what_may_still_be_ordered(self, books: Books) -> None:
        books.invoice("4000000")
        books.commit("1000000")

        shown = books.rep.call("GET", f"{API}/accounts/{books.account}/credit").json

        assert (shown["exposure"], shown["available"]) == ("5000000.0000", "5000000.0000")

    def test_is_not_the_technicians_business(self, books: Books) -> None:
        technician = books.world.person(Role.TECHNICIAN, books.world.north)

        for path in (f"/accounts/{books.account}/credit", "/invoices", "/payments", "/account-balances"):
            assert technician.call("GET", API + path).status_code == 403


class TestInvoices:
    def test_are_recorded_listed_corrected_and_voided(self, books: Books) -> None:
        made = post(books.office, "/invoices", invoice(books.account))
        assert (made.status_code, made.json["open_amount"]) == (201, "500000.0000"), made.json
        path = f"/invoices/{made.json['id']}"

        listed = books.rep.call("GET", f"{API}/invoices?status=open&account_id={books.account}").json["items"]
        assert listed == [made.json]
        changed = books.office.call("PATCH", API + path, {"due_on": "2026-12-31"}, **{"If-Match": '"1"'})
        assert changed.json["due_on"] == "2026-12-31"
        void = post(books.office, f"{path}/void", {}, 2)
        assert (void.status_code, void.json["status"]) == (200, "void"), void.json
        again = post(books.office, f"{path}/void", {}, 3)
        assert again.json["details"] == {"status": "void", "allowed": []}

    def test_have_a_number_of_their_own(self, books: Books) -> None:
        post(books.office, "/invoices", invoice(books.account))

        again = post(books.office, "/invoices", invoice(books.account))

        assert (again.status_code, again.json["code"]) == (409, "invoice.number_taken")

    def test_in_a_currency_without_a_rate_are_refused(self, books: Books) -> None:
        refused = post(books.office, "/invoices", invoice(books.account, currency="CHF", amount="12.50"))

        assert (refused.status_code, refused.json["code"]) == (422, "rate_missing")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("amount", "0"),
            ("amount", "0.5"),
            ("due_on", "2026-10-31"),
            ("currency", "ZZZ"),
            ("amount", "NaN"),
        ],
    )
    def test_refuse_what_is_none(self, books: Books, field: str, value: str) -> None:
        refused = post(books.office, "/invoices", invoice(books.account, **{field: value}))

        assert refused.status_code == 422

    def test_are_the_offices_to_record(self, books: Books) -> None:
        assert post(books.rep, "/invoices", invoice(books.account)).status_code == 403

    def test_of_a_foreign_account_are_refused_as_of_a_missing_one(self, books: Books) -> None:
        manager = books.world.person(Role.MANAGER, books.world.south)

        for account in (books.account, new_id()):
            refused = post(manager, "/invoices", invoice(account))
            assert (refused.status_code, refused.json["code"]) == (422, "reference_not_found")


class TestAnAccount:
    def test_with_receivables_is_not_deleted(self, books: Books) -> None:
        books.invoice()
        books.payment()
        seen = books.office.call("GET", f"{API}/accounts/{books.account}").headers["ETag"]

        refused = books.office.call("DELETE", f"{API}/accounts/{books.account}", **{"If-Match": seen})

        assert (refused.status_code, refused.json["code"]) == (409, "has_dependants")
        assert refused.json["details"] == {"dependants": ["invoice", "payment"]}


class TestPayments:
    def test_bounce_with_a_reason(self, books: Books) -> None:
        books.invoice("100000")
        made = post(
            books.office,
            "/payments",
            {"account_id": str(books.account), "method": "note", "currency": "KRW", "amount": "100000"},
        )
        assert (made.status_code, len(made.json["allocations"])) == (201, 1), made.json
        path = f"/payments/{made.json['id']}"

        bounced = post(books.office, f"{path}/bounce", {"reason": "부도"}, made.json["version"])

        assert (bounced.json["status"], bounced.json["allocations"]) == ("bounced", [])
        assert books.rep.call("GET", API + path).json == bounced.json

    def test_collected_twice_with_one_receipt_are_one(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        body = {"amount": "100000", "currency": "KRW", "method": "cash", "receipt_number": "R-9"}

        first = post(books.rep, f"/visits/{visit}/collect-payment", body, 1)
        second = post(books.rep, f"/visits/{visit}/collect-payment", body, 1)

        assert (first.status_code, second.json) == (200, first.json)
        assert len(payments(books)) == 1

    def test_are_told_to_webhooks(self, books: Books) -> None:
        payment = books.payment("100000")

        events = books.world.sql("SELECT event, data ->> 'payment_id', data ->> 'amount' FROM webhook_events")

        assert events == [("payment.recorded", str(payment.id), "100000.0000")]


class TestTotals:
    def test_never_add_different_currencies(self, books: Books) -> None:
        """Dollars as an ERP would write them, at 1,400 won."""
        books.invoice("300000", due=-1)
        books.world.insert(
            "invoices",
            id=new_id(),
            account_id=books.account,
            number="US-1",
            issued_on="2026-11-01",
            due_on="2099-12-31",
            currency="USD",
            amount="100.00",
            base_amount="140000",
            rate="1400",
            rate_date="2026-11-01",
            open_amount="50.00",
        )

        found = books.rep.call("GET", f"{API}/receivables/totals").json

        assert [
            (one["currency"], one["open_amount"], one["overdue_amount"]) for one in found["by_currency"]
        ] == [
            ("KRW", "300000.0000", "300000.0000"),
            ("USD", "50.0000", "0.0000"),
        ]
        assert (found["base_currency"], found["base_open_amount"]) == ("KRW", "370000.0000")

    def test_of_an_account_convert_to_the_currency_of_its_credit(self, books: Books) -> None:
        books.invoice("300000")
        books.world.insert(
            "invoices",
            id=new_id(),
            account_id=books.account,
            number="US-1",
            issued_on="2026-11-01",
            due_on="2099-12-31",
            currency="USD",
            amount="100.00",
            base_amount="140000",
            rate="1400",
            rate_date="2026-11-01",
            open_amount="50.00",
        )

        shown = books.rep.call("GET", f"{API}/accounts/{books.account}/credit").json

        assert shown["exposure"] == "370000.0000"
        assert [one["currency"] for one in shown["by_currency"]] == ["KRW", "USD"]
