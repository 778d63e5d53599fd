"""Decisions: by who is asked, once, on what they saw."""

import threading
from decimal import Decimal
from uuid import UUID

import pytest

from app.approvals import service
from app.approvals.models import ApprovalRequest
from app.approvals.service.errors import ApprovalNotYours, ApprovalOwn, ApproverUnfit, DocumentChanged
from app.core.errors import NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Role
from tests.approvals.office import DAY, HASH, HOUR, NOW, TODAY, Office

DECISIONS = ("approve", "reject", "return")


@pytest.fixture
def boss(office: Office) -> UUID:
    office.policy("manager")
    return office.hire()


@pytest.fixture
def rep(office: Office, boss: UUID) -> UUID:
    return office.hire(Role.REP, boss)


class TestWhoDecides:
    @pytest.mark.parametrize("command", DECISIONS)
    def test_nobody_decides_on_their_own(self, office: Office, rep: UUID, command: str) -> None:
        with pytest.raises(ApprovalOwn):
            office.do(rep, command, office.ask(rep))

    @pytest.mark.parametrize("command", [*DECISIONS, "forward"])
    def test_nor_in_the_name_of_who_is_asked(
        self, office: Office, rep: UUID, boss: UUID, command: str
    ) -> None:
        office.stand_in(rep, boss)
        request = office.ask(rep)
        assert office.asked(request) == boss
        with pytest.raises(ApprovalOwn):
            office.do(rep, command, request, to_user_id=office.hire())

    def test_an_administrator_who_asks_does_not_decide(self, office: Office, boss: UUID) -> None:
        admin = office.hire(Role.ADMIN, boss)
        with pytest.raises(ApprovalOwn):
            office.do(admin, "approve", office.ask(admin))

    def test_a_delegate_decides_in_the_name_of_who_is_asked(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        delegate = office.hire()
        office.stand_in(delegate, boss)
        (step,) = office.do(delegate, "approve", office.ask(rep)).steps
        assert (step.assignee_id, step.acted_by, step.delegated_from) == (boss, delegate, boss)

    @pytest.mark.parametrize(
        ("first", "last"), [(TODAY - 3 * DAY, TODAY - DAY), (TODAY + DAY, None)], ids=["ended", "to come"]
    )
    def test_a_delegate_of_other_days_knows_nothing_of_it(
        self, office: Office, rep: UUID, boss: UUID, first: object, last: object
    ) -> None:
        delegate = office.hire()
        office.stand_in(delegate, boss, first, last)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            office.do(delegate, "approve", office.ask(rep))

    def test_a_technician_does_not_stand_in(self, office: Office, rep: UUID, boss: UUID) -> None:
        technician = office.hire(Role.TECHNICIAN)
        office.stand_in(technician, boss)
        with pytest.raises(NotFound):
            office.do(technician, "approve", office.ask(rep))

    def test_who_is_not_asked_knows_nothing_of_it(self, office: Office, rep: UUID) -> None:
        with pytest.raises(NotFound):
            office.do(office.hire(), "approve", office.ask(rep))

    def test_an_administrator_sees_it_and_does_not_decide(self, office: Office, rep: UUID) -> None:
        with pytest.raises(ApprovalNotYours):
            office.do(office.hire(Role.ADMIN), "approve", office.ask(rep))

    def test_who_is_to_be_asked_later_does_not_decide_yet(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager", "manager")
        request = office.ask(office.hire(Role.REP, boss))
        with pytest.raises(NotFound):
            office.do(top, "approve", request)


class TestExcluded:
    def test_who_submitted_it_for_another_is_passed_over(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        rep = office.hire(Role.REP, boss)
        assert office.asked(office.ask(rep, excluded=frozenset({boss}))) == top

    def test_nor_do_they_decide_in_anothers_name(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        office.stand_in(boss, top)
        request = office.ask(office.hire(Role.REP, boss), excluded=frozenset({boss}))
        with pytest.raises(ApprovalOwn):
            office.do(boss, "approve", request)
        with office.acting(boss) as (session, actor):
            assert session.scalars(service.list_requests(session, actor, to_decide=True)).all() == []

    def test_nor_are_they_forwarded_to(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager")
        request = office.ask(office.hire(Role.REP, boss), excluded=frozenset({boss}))
        with pytest.raises(ApproverUnfit):
            office.do(top, "forward", request, to_user_id=boss)


class TestOutcomes:
    def test_the_last_agreement_approves(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.do(boss, "approve", office.ask(rep))
        assert (request.status, request.decided_at) == ("approved", NOW)
        assert office.told == [(request.document_id, "approved")]
        assert office.notices(rep) == ["approved"]

    def test_an_agreement_before_the_last_decides_nothing(self, office: Office) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        office.policy("manager", "manager")
        request = office.do(boss, "approve", office.ask(office.hire(Role.REP, boss)))
        assert (request.status, office.told) == ("pending", [])

    @pytest.mark.parametrize(("command", "status"), [("reject", "rejected"), ("return", "returned")])
    def test_one_refusal_ends_it(self, office: Office, command: str, status: str) -> None:
        top = office.hire()
        boss = office.hire(manager=top)
        rep = office.hire(Role.REP, boss)
        office.policy("manager", "manager")
        request = office.do(boss, command, office.ask(rep))
        assert [step.status for step in request.steps] == [status, "skipped"]
        assert office.told == [(request.document_id, status)]
        assert office.notices(rep) == [status]
        assert office.notices(top) == []

    def test_nobody_is_asked_twice(self, office: Office) -> None:
        boss = office.hire()
        office.policy("manager", {"approver": "user", "user_id": str(boss)})
        request = office.do(boss, "approve", office.ask(office.hire(Role.REP, boss)))
        assert [step.status for step in request.steps] == ["approved", "skipped"]
        assert request.status == "approved"

    def test_what_its_room_refuses_is_not_decided(self, office: Office, rep: UUID, boss: UUID) -> None:
        def refuse(*_: object) -> None:
            raise TransitionNotAllowed(status="cancelled", allowed=[])

        request = office.ask(rep)
        service.register("order", refuse)
        with pytest.raises(TransitionNotAllowed):
            office.do(boss, "approve", request)
        assert office.look(request).status == "pending"
        assert office.notices(rep) == []

    def test_a_comment_is_kept_without_national_ids(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.do(boss, "reject", office.ask(rep), comment="대표 900101-1234568 확인")
        assert "1234568" not in str(request.steps[0].comment)

    def test_the_time_of_a_decision_is_the_phones_within_reason(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        request = office.ask(rep)
        with office.acting(boss, NOW + 3 * HOUR) as (session, actor):
            args = {"document_hash": HASH}
            found = service.approve(session, actor, request.id, args, at=NOW - DAY, now=NOW + 3 * HOUR)
            assert found.steps[0].decided_at == NOW


class TestWithdrawing:
    def test_is_the_requesters(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.do(rep, "withdraw", office.ask(rep))
        assert (request.status, office.told) == ("withdrawn", [(request.document_id, "withdrawn")])
        assert office.notices(rep) == []

    def test_is_not_the_approvers(self, office: Office, rep: UUID, boss: UUID) -> None:
        with pytest.raises(ApprovalNotYours):
            office.do(boss, "withdraw", office.ask(rep))


class TestDecidedAlready:
    @pytest.mark.parametrize("end", [*DECISIONS, "withdraw"])
    @pytest.mark.parametrize("command", [*DECISIONS, "forward"])
    def test_nothing_is_decided_twice(
        self, office: Office, rep: UUID, boss: UUID, end: str, command: str
    ) -> None:
        request = office.do(rep if end == "withdraw" else boss, end, office.ask(rep))
        with pytest.raises(TransitionNotAllowed) as refused:
            office.do(boss, command, request, to_user_id=office.hire())
        assert refused.value.details == {"status": str(request.status), "allowed": []}

    def test_the_delegate_comes_second(self, office: Office, rep: UUID, boss: UUID) -> None:
        delegate = office.hire()
        office.stand_in(delegate, boss)
        request = office.do(boss, "approve", office.ask(rep))
        with pytest.raises(TransitionNotAllowed):
            office.do(delegate, "reject", request)
        assert office.look(request).status == "approved"

    def test_the_delegate_comes_second_on_a_level_that_was_passed(self, office: Office) -> None:
        top = office.hire()
        boss, delegate = office.hire(manager=top), office.hire()
        office.policy("manager", "manager")
        office.stand_in(delegate, boss)
        request = office.do(boss, "approve", office.ask(office.hire(Role.REP, boss)))
        with pytest.raises(TransitionNotAllowed):
            office.do(delegate, "approve", request)
        assert office.asked(request) == top

    def test_a_decision_on_one_step_is_not_taken_for_the_next(self, office: Office) -> None:
        top = office.hire()
        boss, delegate = office.hire(manager=top), office.hire()
        office.policy("manager", "manager")
        for one in (boss, top):
            office.stand_in(delegate, one)
        request = office.ask(office.hire(Role.REP, boss))
        step_id = request.steps[0].id
        office.do(boss, "approve", request)
        with pytest.raises(TransitionNotAllowed):
            office.do(delegate, "approve", request, step_id=step_id)
        assert office.asked(request) == top

    def test_of_two_at_the_same_moment_one_counts(self, office: Office, rep: UUID, boss: UUID) -> None:
        delegate = office.hire()
        office.stand_in(delegate, boss)
        request = office.ask(rep)
        start = threading.Barrier(2)
        found: list[str] = []

        def decide(user_id: UUID, command: str) -> None:
            start.wait()
            try:
                found.append(office.do(user_id, command, request).status)
            except TransitionNotAllowed:
                found.append("second")

        pair = [
            threading.Thread(target=decide, args=one) for one in ((boss, "approve"), (delegate, "reject"))
        ]
        for thread in pair:
            thread.start()
        for thread in pair:
            thread.join()
        assert sorted(found)[1:] == ["second"]
        assert [outcome for _, outcome in office.told] == sorted(found)[:1]


class TestStaleDocuments:
    def test_a_decision_on_an_older_state_says_what_changed(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        old, newer = asked_again(office, rep)
        with pytest.raises(DocumentChanged) as refused:
            office.do(boss, "approve", old)
        assert refused.value.details == {
            "document_hash": "sha256:second",
            "request_id": str(newer.id),
            "changed": [
                {"path": "/lines/a/quantity", "old": "3", "new": "30"},
                {"path": "/lines/b", "old": None, "new": {"id": "b", "quantity": "1"}},
            ],
        }
        assert office.look(newer).status == "pending"

    def test_an_older_hash_on_the_new_request_as_well(self, office: Office, rep: UUID, boss: UUID) -> None:
        _, newer = asked_again(office, rep)
        with pytest.raises(DocumentChanged) as refused:
            office.do(boss, "approve", newer)
        assert [one["path"] for one in refused.value.details["changed"]] == ["/lines/a/quantity", "/lines/b"]

    def test_a_document_that_asks_no_more_has_no_hash(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.ask(rep)
        with office.acting(rep) as (session, _):
            service.supersede(session, "order", request.document_id, now=NOW)
        with pytest.raises(DocumentChanged) as refused:
            office.do(boss, "approve", request)
        assert refused.value.details == {"document_hash": None, "request_id": None, "changed": []}
        assert office.notices(boss) == ["asked", "superseded"]

    def test_an_approval_is_of_one_state_only(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.do(boss, "approve", office.ask(rep))
        with office.acting(rep) as (session, _):
            grant = service.granted(session, "order", request.document_id, HASH)
            assert grant is not None
            assert (grant.request_id, grant.metrics) == (request.id, {"discount_percent": Decimal(15)})
            assert service.granted(session, "order", request.document_id, "sha256:other") is None
            assert service.granted(session, "order", new_id(), HASH) is None

    def test_an_approval_does_not_outlive_a_change_that_was_undone(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        request = office.do(boss, "approve", office.ask(rep))
        with office.acting(rep) as (session, _):
            service.supersede(session, "order", request.document_id, now=NOW)
            assert service.granted(session, "order", request.document_id, HASH) is None


class TestForwarding:
    def test_somebody_else_of_the_office_is_asked(self, office: Office, rep: UUID, boss: UUID) -> None:
        other = office.hire()
        request = office.do(boss, "forward", office.ask(rep), to_user_id=other)
        assert [(s.status, s.assignee_id, s.delegated_from) for s in request.steps] == [
            ("delegated", boss, None),
            ("active", other, boss),
        ]
        assert office.notices(other) == ["asked"]
        assert office.do(other, "approve", request).status == "approved"

    def test_the_time_begins_anew(self, office: Office, rep: UUID, boss: UUID) -> None:
        request = office.ask(rep)
        later = office.do(boss, "forward", request, to_user_id=office.hire(), now=NOW + 2 * HOUR)
        assert later.steps[1].due_at == NOW + DAY + 2 * HOUR

    def test_not_to_the_requester_nor_a_rep_nor_one_away_nor_oneself(
        self, office: Office, rep: UUID, boss: UUID
    ) -> None:
        request, away = office.ask(rep), office.hire()
        office.away(away)
        for to in (rep, office.hire(Role.REP), away, boss):
            with pytest.raises(ApproverUnfit):
                office.do(boss, "forward", request, to_user_id=to)
        assert office.asked(request) == boss

    def test_not_to_one_who_left_or_never_was(self, office: Office, rep: UUID, boss: UUID) -> None:
        gone = office.hire()
        office.dismiss(gone)
        request = office.ask(rep)
        for to in (gone, new_id()):
            with pytest.raises(ReferenceNotFound):
                office.do(boss, "forward", request, to_user_id=to)

    def test_an_administrator_names_somebody_where_nobody_is_asked(self, office: Office) -> None:
        office.policy("manager")
        rep = office.hire(Role.REP)
        request = office.ask(rep)
        admin, other = office.hire(Role.ADMIN), office.hire()
        found = office.do(admin, "forward", request, to_user_id=other)
        assert [(s.status, s.assignee_id) for s in found.steps] == [("active", other)]
        assert office.do(other, "approve", request).status == "approved"


def asked_again(office: Office, rep: UUID) -> tuple[ApprovalRequest, ApprovalRequest]:
    """The same document asked for in two states."""
    document = office.document(rep)
    old = office.ask(rep, document)
    changed = office.document(
        rep,
        id=document.id,
        hash="sha256:second",
        snapshot={
            "total": Decimal("1200.0000"),
            "lines": [{"id": "b", "quantity": "1"}, {"id": "a", "quantity": "30"}],
        },
    )
    return old, office.ask(rep, changed, now=NOW + HOUR)
