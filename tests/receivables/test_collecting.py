"""Money taken on a visit, offline, with a receipt of the phone."""

from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from tests.receivables.ledgers import Books
from tests.world import Person


def visit_of(books: Books, person: Person, status: str = "checked_in", account: UUID | None = None) -> UUID:
    visit_id = new_id()
    books.world.insert(
        "visits",
        id=visit_id,
        account_id=account or books.account,
        assignee_id=person.id,
        planned_start=utc_now(),
        status=status,
    )
    return visit_id


def collection(person: Person, visit_id: UUID, receipt: str = "R-1", **fields: Any) -> dict[str, Any]:
    """A mutation that takes 100,000 won."""
    given = {"amount": "100000", "currency": "KRW", "method": "cash", "receipt_number": receipt} | fields
    return person.mutation("collect_payment", "visit", visit_id, base_version=1, fields=given)


def verdicts(answers: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(answer["status"], answer["code"]) for answer in answers]


def payments(books: Books) -> list[Any]:
    return list(
        books.world.sql(
            "SELECT receipt_number, amount, unapplied_amount, collected_by FROM payments ORDER BY id"
        )
    )


class TestOnAPhone:
    def test_a_lost_answer_takes_the_money_once(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        invoice = books.invoice("100000")
        sent = collection(books.rep, visit)
        books.rep.sync()
        books.rep.post_sync(mutations=[sent])

        again = books.rep.sync(sent)

        assert verdicts(again) == [("applied", None)]
        assert payments(books) == [("R-1", 100_000, 0, books.rep.id)]
        assert books.open_amount(invoice.id) == 0

    def test_the_same_receipt_of_a_phone_set_up_anew_is_the_same_payment(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        books.rep.sync(collection(books.rep, visit))
        tablet = books.world.second_phone(books.rep)

        told = tablet.sync(collection(tablet, visit))

        assert verdicts(told) == [("applied", None)]
        assert len(payments(books)) == 1

    def test_a_receipt_number_of_two_phones_is_refused_to_the_second(self, books: Books) -> None:
        colleague = books.world.person(Role.REP, books.world.north)
        mine, theirs = visit_of(books, books.rep), visit_of(books, colleague)
        books.rep.sync(collection(books.rep, mine))

        told = colleague.sync(collection(colleague, theirs))

        assert verdicts(told) == [("rejected", "payment.receipt_taken")]
        assert [row.collected_by for row in payments(books)] == [books.rep.id]

    def test_another_amount_under_the_same_receipt_is_refused(self, books: Books) -> None:
        visit = visit_of(books, books.rep)

        told = books.rep.sync(collection(books.rep, visit), collection(books.rep, visit, amount="200000"))

        assert verdicts(told) == [("applied", None), ("rejected", "payment.receipt_taken")]

    def test_money_for_an_invoice_that_was_paid_meanwhile_is_kept_unapplied(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        invoice = books.invoice("100000")
        books.rep.sync()
        books.payment("70000")

        wanted = [{"invoice_id": str(invoice.id), "amount": "100000"}]
        told = books.rep.sync(collection(books.rep, visit, allocations=wanted))

        assert verdicts(told) == [("applied", None)]
        assert [row.unapplied_amount for row in payments(books)] == [0, 70_000]
        assert books.open_amount(invoice.id) == 0

    def test_brings_payment_invoice_and_balance_to_the_phone(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        invoice = books.invoice("250000", due=-10)
        books.rep.sync()
        held = books.rep.held("invoice", invoice.id)
        assert held is not None
        assert held["open_amount"] == "250000.0000"
        payment_id = new_id()

        books.rep.sync(collection(books.rep, visit, payment_id=str(payment_id)))

        payment = books.rep.held("payment", payment_id)
        assert payment is not None
        assert [(one["invoice_id"], one["amount"]) for one in payment["allocations"]] == [
            (str(invoice.id), "100000.0000")
        ]
        (balance,) = [
            record for (entity, _), record in books.rep.records.items() if entity == "account_balance"
        ]
        assert (balance["exposure"], balance["days_1_30"]) == ("150000.0000", "150000.0000")

    @pytest.mark.parametrize("status", ["planned", "completed", "cancelled"])
    def test_needs_somebody_who_is_or_was_there(self, books: Books, status: str) -> None:
        visit = visit_of(books, books.rep, status)

        (told,) = books.rep.sync(collection(books.rep, visit))

        assert (told["status"], told["code"]) == ("rejected", "transition_not_allowed")
        assert payments(books) == []

    def test_is_refused_on_a_colleagues_visit(self, books: Books) -> None:
        colleague = books.world.person(Role.REP, books.world.north)

        told = books.rep.sync(collection(books.rep, visit_of(books, colleague)))

        assert verdicts(told) == [("rejected", "visit.not_yours")]

    def test_is_refused_to_technicians(self, books: Books) -> None:
        technician = books.world.person(Role.TECHNICIAN, books.world.north)

        told = technician.sync(collection(technician, visit_of(books, technician)))

        assert verdicts(told) == [("rejected", "forbidden")]

    def test_an_invoice_of_another_account_is_refused_as_an_unknown_one(self, books: Books) -> None:
        visit = visit_of(books, books.rep)
        foreign = books.invoice(account_id=books.world.account(books.world.south, name="남의 회사"))

        told = [
            books.rep.sync(
                collection(books.rep, visit, allocations=[{"invoice_id": str(one), "amount": "1000"}])
            )[0]
            for one in (foreign.id, new_id())
        ]

        assert verdicts(told) == [("rejected", "reference_not_found")] * 2
        assert payments(books) == []


class TestWhatPhonesHold:
    def test_technicians_hold_no_sales_terms(self, books: Books) -> None:
        technician = books.world.person(Role.TECHNICIAN, books.world.north)
        books.invoice()
        books.payment("1000")

        technician.sync()

        assert {entity for entity, _ in technician.records} & {
            "invoice",
            "payment",
            "account_balance",
        } == set()

    def test_another_territory_holds_nothing(self, books: Books) -> None:
        stranger = books.world.person(Role.REP, books.world.south)
        books.invoice()

        stranger.sync()

        assert [entity for entity, _ in stranger.records if entity == "invoice"] == []

    def test_receivables_go_with_their_account(self, books: Books) -> None:
        invoice = books.invoice()
        other = books.world.person(Role.REP, books.world.south)
        books.rep.sync()

        books.world.sql(
            "UPDATE accounts SET territory_id = :south WHERE id = :id",
            south=books.world.south,
            id=books.account,
        )
        books.rep.sync()
        other.sync()

        assert books.rep.held("invoice", invoice.id) is None
        assert other.held("invoice", invoice.id) is not None
