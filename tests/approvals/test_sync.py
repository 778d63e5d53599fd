"""Requests on phones: who holds them, in which shape, and decisions taken offline."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.approvals import service
from app.approvals.models import ApprovalRequest
from app.core.clock import utc_now
from app.jobs.approvals import move_approvals
from app.jobs.memberships import turn_days
from app.jobs.windows import move_windows
from tests.approvals.office import HASH, Office
from tests.approvals.planted import plant_approval
from tests.world import Person

DAY = timedelta(days=1)


@pytest.fixture
def boss(office: Office) -> Person:
    office.policy("manager")
    return office.world.person("manager", office.world.north)


@pytest.fixture
def rep(office: Office, boss: Person) -> Person:
    return office.world.person("rep", office.world.north, manager=boss)


def ask(office: Office, rep: Person, **values: Any) -> ApprovalRequest:
    metrics = {"discount_percent": Decimal(15), "margin_percent": Decimal("7.7777")}
    return office.ask(rep.id, now=utc_now(), **{"metrics": metrics} | values)


def decide(person: Person, command: str, request: ApprovalRequest, **args: Any) -> dict[str, Any]:
    """What the phone says and the server answers."""
    whole = {"document_hash": HASH} | args
    (verdict,) = person.sync(said(person, command, "approval", request.id, fields=whole))
    return verdict


def said(person: Person, op: str, entity: str, record_id: UUID | str, **parts: Any) -> dict[str, Any]:
    """A mutation on the version that the phone holds, if it does."""
    held = person.held(entity, record_id) or {"version": 1}
    return person.mutation(op, entity, record_id, base_version=held["version"], **parts)


def today(office: Office) -> date:
    day: date = office.world.sql(
        "SELECT (now() AT TIME ZONE time_zone)::date AS d FROM tenants WHERE id = :tenant"
    )[0].d
    return day


class TestWhoHoldsIt:
    def test_who_asked_and_who_is_asked(self, office: Office, rep: Person, boss: Person) -> None:
        colleague = office.world.person("rep", office.world.north)
        request = ask(office, rep)
        for person in (rep, boss, colleague):
            person.sync()
        assert rep.held("approval", request.id)
        assert boss.held("approval", request.id)
        assert colleague.held("approval", request.id) is None

    def test_the_office_reads_costs_and_the_rep_does_not(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        office.policy("manager", metric="margin_percent", threshold="20")
        request = ask(office, rep)
        for person in (rep, boss):
            person.sync()
        mine, theirs = rep.held("approval", request.id), boss.held("approval", request.id)
        assert mine is not None
        assert theirs is not None
        assert mine["snapshot"] == theirs["snapshot"]
        assert mine["reasons"] == ["discount_percent"]
        assert theirs["metrics"]["margin_percent"] == "7.7777"
        assert "margin" not in str(mine)
        assert "7.7777" not in str(mine)

    def test_a_technician_reads_no_document(self, office: Office, boss: Person) -> None:
        technician = office.world.person("technician", manager=boss)
        request = ask(office, technician)
        technician.sync()
        held = technician.held("approval", request.id)
        assert held is not None
        assert held.keys().isdisjoint({"snapshot", "metrics", "triggered"})

    def test_who_comes_next_holds_it_when_asked(self, office: Office) -> None:
        top = office.world.person("manager", office.world.region)
        boss = office.world.person("manager", office.world.north, manager=top)
        office.policy("manager", "manager")
        request = ask(office, office.world.person("rep", office.world.north, manager=boss))
        top.sync()
        assert top.held("approval", request.id) is None
        boss.sync()
        assert decide(boss, "approve", request)["status"] == "applied"
        top.sync()
        held = top.held("approval", request.id)
        assert held is not None
        assert [step["status"] for step in held["steps"]] == ["approved", "active"]

    def test_the_requester_loses_it_with_the_customer(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        account = office.world.account()
        request = ask(office, rep, account_id=account)
        rep.sync()
        assert rep.held("approval", request.id)
        office.world.sql(
            "UPDATE accounts SET territory_id = :t WHERE id = :a", t=office.world.south, a=account
        )
        for person in (rep, boss):
            person.sync()
        assert rep.held("approval", request.id) is None
        assert boss.held("approval", request.id)

    def test_for_thirty_days_after_the_decision(self, office: Office, rep: Person, boss: Person) -> None:
        decided = utc_now() - 30 * DAY + timedelta(minutes=2)
        request_id = plant_approval(
            office.world,
            rep.id,
            boss.id,
            status="approved",
            decided_at=decided,
            step={"status": "approved"},
        )
        rep.sync()
        assert rep.held("approval", request_id)
        move_windows(office.world.db, office.world.id, utc_now())
        later = utc_now() + timedelta(minutes=5)
        move_windows(office.world.db, office.world.id, later)
        office.world.drain(later)
        rep.sync()
        assert rep.held("approval", request_id) is None


class TestStandingIn:
    def test_gives_it_at_once_and_takes_it_at_once(self, office: Office, rep: Person, boss: Person) -> None:
        delegate = office.world.person("manager", office.world.south)
        request = ask(office, rep)
        delegate.sync()
        delegation = office.stand_in(delegate.id, boss.id, today(office))
        delegate.sync()
        assert delegate.held("approval", request.id)
        office.world.sql("UPDATE delegations SET deleted_at = now() WHERE id = :d", d=delegation)
        delegate.sync()
        assert delegate.held("approval", request.id) is None

    def test_begins_and_ends_with_its_days(self, office: Office, rep: Person, boss: Person) -> None:
        delegate = office.world.person("manager", office.world.south)
        first = today(office) + DAY
        office.stand_in(delegate.id, boss.id, first, first)
        request = ask(office, rep)
        held = []
        turn_days(office.world.db, office.world.id, utc_now())
        for days in (0, 1, 2):
            moment = utc_now() + days * DAY
            turn_days(office.world.db, office.world.id, moment)
            office.world.drain(moment)
            delegate.sync()
            held.append(delegate.held("approval", request.id) is not None)
        assert held == [False, True, False]

    def test_of_the_requester_gives_nothing_but_their_own(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        office.stand_in(rep.id, boss.id, today(office))
        request = ask(office, rep)
        rep.sync()
        verdict = decide(rep, "approve", request)
        assert (verdict["status"], verdict["code"]) == ("rejected", "approval.own")

    def test_a_technician_who_stands_in_holds_nothing(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        technician = office.world.person("technician")
        office.stand_in(technician.id, boss.id, today(office))
        request = ask(office, rep)
        technician.sync()
        assert technician.held("approval", request.id) is None


class TestOfflineDecisions:
    def test_of_the_delegate_count_in_the_name_of_who_is_away(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        delegate = office.world.person("manager", office.world.south)
        office.away(boss.id, today(office), today(office))
        office.stand_in(delegate.id, boss.id, today(office))
        request = ask(office, rep)
        for person in (rep, delegate):
            person.sync()
        assert decide(delegate, "approve", request)["status"] == "applied"
        rep.sync()
        held = rep.held("approval", request.id)
        assert held is not None
        assert held["status"] == "approved"
        (step,) = held["steps"]
        assert (step["assignee_id"], step["acted_by"]) == (str(boss.id), str(delegate.id))

    def test_on_an_older_document_are_refused_with_what_changed(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        document = office.document(rep.id)
        old = office.ask(rep.id, document, now=utc_now())
        boss.sync()
        changed = office.document(
            rep.id, id=document.id, hash="sha256:second", snapshot={"total": Decimal("900.0000"), "lines": []}
        )
        newer = office.ask(rep.id, changed, now=utc_now())
        verdict = decide(boss, "approve", old)
        assert (verdict["status"], verdict["code"]) == ("rejected", "approval.document_changed")
        assert verdict["detail"]["request_id"] == str(newer.id)
        assert verdict["detail"]["changed"][0] == {"path": "/total", "old": "1200.0000", "new": "900.0000"}
        assert decide(boss, "approve", newer, document_hash="sha256:second")["status"] == "applied"

    def test_of_two_phones_the_first_counts(self, office: Office, rep: Person, boss: Person) -> None:
        tablet = office.world.second_phone(boss)
        request = ask(office, rep)
        for phone in (boss, tablet):
            phone.sync()
        assert decide(boss, "approve", request)["status"] == "applied"
        verdict = decide(tablet, "reject", request, comment="안 됩니다")
        assert (verdict["status"], verdict["code"]) == ("rejected", "transition_not_allowed")
        assert verdict["detail"] == {"status": "approved", "allowed": []}

    def test_that_come_after_the_time_ran_out_say_where_it_went(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        admin = office.world.person("admin")
        request = ask(office, rep)
        boss.sync()
        due = office.look(request).steps[0].due_at
        assert due is not None
        move_approvals(office.world.db, office.world.id, due)
        verdict = decide(boss, "approve", request)
        assert (verdict["status"], verdict["code"]) == ("rejected", "approval.moved_on")
        assert verdict["detail"] == {"assignee_id": str(admin.id)}

    def test_of_strangers_are_as_of_nothing(self, office: Office, rep: Person, boss: Person) -> None:
        stranger = office.world.person("manager", office.world.south)
        request = ask(office, rep)
        stranger.sync()
        of_this = decide(stranger, "approve", request)
        request.id = office.world.unit_id
        of_none = decide(stranger, "approve", request)
        told = ("status", "code", "detail")
        assert [of_this.get(n) for n in told] == [of_none.get(n) for n in told]

    @pytest.mark.parametrize("command", ["reject", "return"])
    def test_without_a_reason_are_no_refusals(
        self, office: Office, rep: Person, boss: Person, command: str
    ) -> None:
        request = ask(office, rep)
        boss.sync()
        assert decide(boss, command, request)["code"] == "required"
        assert office.look(request).status == "pending"

    def test_withdrawing_is_the_requesters(self, office: Office, rep: Person, boss: Person) -> None:
        request = ask(office, rep)
        rep.sync()
        (verdict,) = rep.sync(said(rep, "withdraw", "approval", request.id, fields={}))
        assert verdict["status"] == "applied"
        assert office.told == [(request.document_id, "withdrawn")]


class TestBodies:
    @pytest.mark.parametrize("role", ["rep", "manager", "technician"])
    def test_are_those_of_rest(self, office: Office, boss: Person, role: str) -> None:
        person = office.world.person(role, office.world.north, manager=boss)
        odd = {"메모": 'a"b\\c\n🍵', "n": 1.5, "lines": [{"id": "x", "none": None}]}
        request = ask(office, person, snapshot=odd)
        with office.acting(boss.id, utc_now()) as (session, actor):
            args = {"document_hash": HASH, "comment": '"확인"\n'}
            service.approve(session, actor, request.id, args, at=utc_now(), now=utc_now())
        person.sync()
        answer = person.call("GET", f"/api/v1/approvals/{request.id}")
        assert person.held("approval", request.id) == answer.json


class TestNotifications:
    def test_reach_the_phone_and_are_read_there(self, office: Office, rep: Person, boss: Person) -> None:
        request = ask(office, rep)
        boss.sync()
        (key,) = [key for key in boss.records if key[0] == "notification"]
        told = boss.records[key]
        assert told["record_id"] == str(request.id)
        assert told["title_ko"] == "주문 2026-0001 결재를 처리해 주십시오."
        (verdict,) = boss.sync(said(boss, "mark_read", "notification", key[1], fields={}))
        assert verdict["status"] == "applied"
        assert boss.records[key]["read_at"] is not None
        assert boss.records[key] == boss.call("GET", f"/api/v1/notifications/{key[1]}").json

    def test_are_nobody_elses(self, office: Office, rep: Person, boss: Person) -> None:
        ask(office, rep)
        boss.sync()
        (key,) = [key for key in boss.records if key[0] == "notification"]
        admin = office.world.person("admin")
        for person in (rep, admin):
            person.sync()
            assert [k for k in person.records if k[0] == "notification"] == []
            assert person.call("GET", f"/api/v1/notifications/{key[1]}").status_code == 404


class TestHistory:
    def test_of_the_customer_tells_the_office_and_who_asked(
        self, office: Office, rep: Person, boss: Person
    ) -> None:
        account = office.world.account()
        colleague = office.world.person("rep", office.world.north)
        request = ask(office, rep, account_id=account)
        office.do(boss.id, "approve", request, now=utc_now())
        heard = {}
        for name, person in {"rep": rep, "boss": boss, "colleague": colleague}.items():
            answer = person.call("GET", f"/api/v1/accounts/{account}/history?limit=200")
            heard[name] = [e for e in answer.json["items"] if e["entity"] == "approval"]
        assert heard["colleague"] == []
        assert "7.7777" in str(heard["boss"])
        assert "7.7777" not in str(heard["rep"])
        assert "approved" in str(heard["rep"])
