"""Holds that are released after an approval."""

from decimal import Decimal
from typing import Any

import pytest

from app.approvals import service as approvals
from app.core.scope import Role
from app.receivables import service
from app.receivables.service.errors import NoPolicyForRelease, NotOnHold, ReleasePending
from tests.receivables.ledgers import NOW, Books
from tests.world import Person


@pytest.fixture
def manager(books: Books) -> Person:
    return books.world.person(Role.MANAGER, books.world.region)


@pytest.fixture
def policy(books: Books, manager: Person) -> None:
    """Whoever owes more than a hundred won on hold is a matter for the manager."""
    with books.world.acting(books.office) as (session, actor):
        values = {
            "document_kind": "credit_hold",
            "name": "여신 보류 해제",
            "metric": "amount",
            "threshold": Decimal(100),
            "levels": [{"approver": "user", "user_id": str(manager.id), "escalate_after_h": 8}],
        }
        approvals.create_policy(session, actor, values, now=NOW)


def hold(books: Books) -> None:
    with books.world.acting(books.office) as (session, actor):
        service.place_hold(session, actor, books.account, "연체", NOW)


def ask(books: Books) -> None:
    with books.world.acting(books.rep) as (session, actor):
        service.request_release(session, actor, books.account, {"reason": "입금 약속"}, now=NOW)


def waiting(books: Books) -> Any:
    (row,) = books.world.sql(
        "SELECT id, document_hash FROM approval_requests ORDER BY requested_at DESC, id DESC LIMIT 1"
    )
    return row


def approve(books: Books, person: Person) -> None:
    asked = waiting(books)
    with books.world.acting(person) as (session, actor):
        args = {"document_hash": asked.document_hash}
        approvals.approve(session, actor, asked.id, args, at=NOW, now=NOW)


@pytest.mark.usefixtures("policy")
class TestARelease:
    def test_that_is_approved_lets_the_credit_go_on_in_the_name_of_who_decided(
        self, books: Books, manager: Person
    ) -> None:
        books.invoice()
        hold(books)
        ask(books)
        assert books.credit().on_hold

        approve(books, manager)

        assert not books.credit().on_hold
        last = books.world.sql("SELECT kind, reason, actor_id FROM credit_events ORDER BY id DESC LIMIT 1")
        assert last == [("release", "입금 약속", manager.id)]

    def test_is_of_one_hold_and_of_no_later_one(self, books: Books, manager: Person) -> None:
        books.invoice()
        hold(books)
        ask(books)
        with books.world.acting(books.office) as (session, actor):
            service.release_hold(session, actor, books.account, "착오", NOW)
        hold(books)

        assert books.world.sql("SELECT status FROM approval_requests") == [("superseded",)]
        assert books.credit().on_hold

    def test_is_asked_for_once(self, books: Books) -> None:
        books.invoice()
        hold(books)
        ask(books)

        with pytest.raises(ReleasePending):
            ask(books)

    def test_needs_a_hold(self, books: Books) -> None:
        with pytest.raises(NotOnHold):
            ask(books)

    def test_that_no_policy_covers_is_refused(self, books: Books) -> None:
        """The account owes nothing."""
        hold(books)

        with pytest.raises(NoPolicyForRelease):
            ask(books)
