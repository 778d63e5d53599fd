"""Approvals over REST."""

from decimal import Decimal
from typing import Any

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from tests.approvals.office import HASH, Office
from tests.world import Person

PATH = "/api/v1/approvals"
POLICY = {
    "name": "할인 10% 초과",
    "document_kind": "order",
    "metric": "discount_percent",
    "threshold": "10.0000",
    "levels": [{"approver": "manager", "escalate_after_h": 9}],
}


@pytest.fixture
def boss(office: Office) -> Person:
    return office.world.person("manager", office.world.north)


@pytest.fixture
def rep(office: Office, boss: Person) -> Person:
    return office.world.person("rep", office.world.north, manager=boss)


def ask(office: Office, rep: Person, **values: Any) -> str:
    office.policy("manager")
    metrics = {"discount_percent": Decimal(15), "margin_percent": Decimal("7.7777")}
    return str(office.ask(rep.id, now=utc_now(), metrics=metrics, **values).id)


def version(person: Person, path: str) -> dict[str, str]:
    return {"If-Match": person.call("GET", path).headers["ETag"]}


class TestDecisions:
    def test_an_agreement_approves(self, office: Office, rep: Person, boss: Person) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        answer = boss.call("POST", f"{path}/approve", {"document_hash": HASH}, **version(boss, path))
        assert (answer.status_code, answer.json["status"]) == (200, "approved")
        assert rep.call("GET", path).json["steps"][0]["acted_by"] == str(boss.id)

    def test_need_the_version_that_was_read(self, office: Office, rep: Person, boss: Person) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        assert boss.call("POST", f"{path}/approve", {"document_hash": HASH}).status_code == 428
        read = version(boss, path)
        other = office.world.person("manager").id
        office.do(boss.id, "forward", boss.call("GET", path).json["id"], to_user_id=other, now=utc_now())
        answer = boss.call("POST", f"{path}/approve", {"document_hash": HASH}, **read)
        assert (answer.status_code, answer.json["code"]) == (412, "version_stale")

    @pytest.mark.parametrize("command", ["approve", "reject", "return"])
    def test_need_the_hash_of_what_was_seen(
        self, office: Office, rep: Person, boss: Person, command: str
    ) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        answer = boss.call("POST", f"{path}/{command}", {"comment": "확인"}, **version(boss, path))
        assert answer.status_code == 422
        assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("/document_hash", "required")]

    def test_on_another_state_say_what_changed(self, office: Office, rep: Person, boss: Person) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        answer = boss.call("POST", f"{path}/approve", {"document_hash": "sha256:old"}, **version(boss, path))
        assert (answer.status_code, answer.json["code"]) == (409, "approval.document_changed")
        assert answer.json["details"]["document_hash"] == HASH

    def test_of_ones_own_are_refused(self, office: Office, rep: Person) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        answer = rep.call("POST", f"{path}/approve", {"document_hash": HASH}, **version(rep, path))
        assert (answer.status_code, answer.json["code"]) == (403, "approval.own")

    def test_withdrawing_and_then_nothing_more(self, office: Office, rep: Person, boss: Person) -> None:
        path = f"{PATH}/{ask(office, rep)}"
        assert rep.call("POST", f"{path}/withdraw", {}, **version(rep, path)).json["status"] == "withdrawn"
        answer = boss.call("POST", f"{path}/approve", {"document_hash": HASH}, **version(boss, path))
        assert (answer.status_code, answer.json["code"]) == (409, "transition_not_allowed")
        assert answer.json["details"] == {"status": "withdrawn", "allowed": []}


class TestLists:
    def test_tell_what_waits_for_oneself(self, office: Office, rep: Person, boss: Person) -> None:
        request_id = ask(office, rep)
        for person, to_decide, found in (
            (boss, "true", [request_id]),
            (boss, "false", []),
            (rep, "true", []),
            (rep, "false", [request_id]),
        ):
            answer = person.call("GET", f"{PATH}?to_decide={to_decide}")
            assert [item["id"] for item in answer.json["items"]] == found

    def test_of_a_rep_hold_no_margin(self, office: Office, rep: Person, boss: Person) -> None:
        ask(office, rep)
        assert "7.7777" not in rep.call("GET", PATH).text
        assert "7.7777" in boss.call("GET", PATH).text

    def test_filter(self, office: Office, rep: Person) -> None:
        request_id = ask(office, rep)
        for query, found in (
            ("status=pending&document_kind=order", 1),
            ("status=approved", 0),
            ("document_kind=claim", 0),
            (f"document_id={new_id()}", 0),
            (f"requester_id={rep.id}", 1),
        ):
            assert len(rep.call("GET", f"{PATH}?{query}").json["items"]) == found, query
        assert rep.call("GET", f"{PATH}/{request_id}").status_code == 200


class TestPolicies:
    def test_are_made_changed_and_deleted(self, office: Office) -> None:
        admin = office.world.person("admin")
        made = admin.call("POST", "/api/v1/approval-policies", POLICY)
        assert made.status_code == 201, made.text
        path = f"/api/v1/approval-policies/{made.json['id']}"
        changed = admin.call("PATCH", path, {"threshold": "12.5000"}, **{"If-Match": made.headers["ETag"]})
        assert changed.json["threshold"] == "12.5000"
        assert changed.json["levels"][0]["approver"] == "manager"
        assert admin.call("DELETE", path, **{"If-Match": changed.headers["ETag"]}).status_code == 204
        assert admin.call("GET", path).status_code == 404

    @pytest.mark.parametrize(
        "levels",
        [
            [{"approver": "role", "escalate_after_h": 9}],
            [{"approver": "manager", "escalate_after_h": 0}],
            [{"approver": "manager"}],
            [{"approver": "role", "role": "rep", "escalate_after_h": 9}],
            [{"approver": "manager", "escalate_after_h": 9}] * 11,
            [],
        ],
        ids=["of nobody", "no time", "time left out", "of reps", "too many", "none"],
    )
    def test_whose_levels_say_nothing_are_refused(self, office: Office, levels: Any) -> None:
        admin = office.world.person("admin")
        answer = admin.call("POST", "/api/v1/approval-policies", POLICY | {"levels": levels})
        assert answer.status_code == 422


class TestDaysOff:
    def test_are_entered_moved_and_taken_back(self, office: Office, rep: Person, boss: Person) -> None:
        values = {"first_day": "2031-01-02", "last_day": "2031-01-03", "user_id": str(rep.id)}
        made = boss.call("POST", "/api/v1/absences", values)
        assert made.status_code == 201, made.text
        path = f"/api/v1/absences/{made.json['id']}"
        changed = rep.call("PATCH", path, {"last_day": "2031-01-05"}, **{"If-Match": made.headers["ETag"]})
        assert changed.json["last_day"] == "2031-01-05"
        assert rep.call("DELETE", path, **{"If-Match": changed.headers["ETag"]}).status_code == 204

    def test_of_the_company_are_read_by_all(self, office: Office, rep: Person) -> None:
        admin = office.world.person("admin")
        values = {"day": "2031-12-31", "name": "창립기념일"}
        made = admin.call("POST", "/api/v1/company-holidays", values)
        assert made.status_code == 201
        assert [i["day"] for i in rep.call("GET", "/api/v1/company-holidays").json["items"]] == ["2031-12-31"]
        path = f"/api/v1/company-holidays/{made.json['id']}"
        assert admin.call("DELETE", path, **{"If-Match": made.headers["ETag"]}).status_code == 204


class TestNotifications:
    def test_are_read_once(self, office: Office, rep: Person, boss: Person) -> None:
        ask(office, rep)
        (told,) = boss.call("GET", "/api/v1/notifications?unread=true").json["items"]
        path = f"/api/v1/notifications/{told['id']}"
        read = boss.call("POST", f"{path}/mark-read", {}, **version(boss, path))
        assert read.json["read_at"] is not None
        assert boss.call("POST", f"{path}/mark-read", {}, **version(boss, path)).json == read.json
        assert boss.call("GET", "/api/v1/notifications?unread=true").json["items"] == []
        assert len(boss.call("GET", "/api/v1/notifications?unread=false").json["items"]) == 1
