"""Activities, tasks and the timeline over REST."""

from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from app.activity.schemas import ActivitySchema, TaskSchema
from app.activity.sync import ACTIVITY, TASK
from app.core.ids import new_id
from app.core.scope import Role
from tests.visits.company import DAY, HOUR, NOW, Company
from tests.visits.http import Caller, client, manager, rep

__all__ = ["client", "manager", "rep"]


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account()


class TestSchemas:
    def test_of_activities_follow_the_feed(self) -> None:
        assert list(ActivitySchema().dump_fields) == ["id", "version", *ACTIVITY.fields]

    def test_of_tasks_follow_the_feed(self) -> None:
        assert list(TaskSchema().dump_fields) == ["id", "version", *TASK.fields]


class TestActivities:
    def test_are_written_down_and_listed(self, rep: Caller, account: UUID) -> None:
        body = {"account_id": str(account), "kind": "call", "direction": "in", "subject": "문의"}
        created = rep.post("/activities", body)
        assert created.status_code == 201
        assert rep.get(f"/activities?account_id={account}").json["items"] == [created.json]  # type: ignore[index]
        assert rep.get(f"/activities/{created.json['id']}").json == created.json  # type: ignore[index]

    def test_cannot_be_changed(self, rep: Caller, account: UUID) -> None:
        created = rep.post("/activities", {"account_id": str(account), "kind": "note"}).json
        path = f"/activities/{created['id']}"  # type: ignore[index]
        assert rep.patch(path, {"body": "x"}, version=1).status_code == 405
        assert rep.delete(path, version=1).status_code == 405

    def test_that_are_private_stay_with_their_author(
        self, rep: Caller, manager: Caller, account: UUID
    ) -> None:
        body = {"account_id": str(account), "kind": "note", "private": True}
        created = rep.post("/activities", body).json
        assert manager.get(f"/activities/{created['id']}").status_code == 404  # type: ignore[index]
        assert manager.get("/activities").json["items"] == []  # type: ignore[index]


class TestTasks:
    def test_are_noted_changed_ticked_off_and_deleted(self, rep: Caller) -> None:
        created = rep.post("/tasks", {"title": "견적서 송부", "due_on": "2026-11-25"})
        assert created.status_code == 201
        path = f"/tasks/{created.json['id']}"  # type: ignore[index]
        assert rep.patch(path, {"priority": "high"}, version=1).json["priority"] == "high"  # type: ignore[index]
        assert rep.post(f"{path}/complete", {}, version=2).json["status"] == "done"  # type: ignore[index]
        assert rep.post(f"{path}/complete", {}, version=3).status_code == 409
        assert rep.delete(path, version=3).status_code == 204
        assert rep.get("/tasks").json["items"] == []  # type: ignore[index]


class TestTimeline:
    @pytest.fixture
    def busy(self, company: Company, account: UUID, rep: Caller) -> dict[str, UUID]:
        company.forget_marks()
        activity = {"account_id": account, "author_id": rep.user_id, "kind": "call"}
        return {
            "visit": company.visit(account, rep.user_id, NOW - 3 * HOUR, status="missed"),
            "call": company.insert("activities", happened_at=NOW - 2 * HOUR, subject="문의", **activity),
            "secret": company.insert("activities", happened_at=NOW - HOUR, private=True, **activity),
            "task": company.insert("tasks", account_id=account, assignee_id=rep.user_id, title="견적"),
        }

    def entries(self, caller: Caller, account: UUID, **query: object) -> list[dict[str, object]]:
        path = f"/accounts/{account}/timeline?" + "&".join(f"{k}={v}" for k, v in query.items())
        found: list[dict[str, object]] = caller.get(path).json["items"]  # type: ignore[index]
        return found

    def test_tells_visits_activities_tasks_and_changes(
        self, rep: Caller, account: UUID, busy: dict[str, UUID]
    ) -> None:
        kinds = {entry["kind"] for entry in self.entries(rep, account)}
        assert kinds == {"visit", "activity", "task", "change"}

    def test_is_newest_first(self, rep: Caller, account: UUID, busy: dict[str, UUID]) -> None:
        times = [str(entry["at"]) for entry in self.entries(rep, account)]
        assert times == sorted(times, reverse=True)

    def test_says_who(self, company: Company, rep: Caller, account: UUID, busy: dict[str, UUID]) -> None:
        (call,) = (e for e in self.entries(rep, account) if e["record_id"] == str(busy["call"]))
        assert call["by_id"] == str(rep.user_id)
        assert call["by_name"] == company.value("users", rep.user_id, "name")

    def test_is_paged_without_gaps(self, rep: Caller, account: UUID, busy: dict[str, UUID]) -> None:
        whole = [entry["id"] for entry in self.entries(rep, account)]
        paged, cursor = [], ""
        while cursor is not None:
            answer = rep.get(
                f"/accounts/{account}/timeline?limit=2" + (f"&cursor={cursor}" if cursor else "")
            )
            paged += [entry["id"] for entry in answer.json["items"]]  # type: ignore[index]
            cursor = answer.json["next_cursor"]  # type: ignore[index]
        assert paged == whole

    def test_keeps_others_private_activities_back(
        self, rep: Caller, manager: Caller, account: UUID, busy: dict[str, UUID]
    ) -> None:
        def ids(caller: Caller) -> set[object]:
            return {entry["id"] for entry in self.entries(caller, account)}

        assert str(busy["secret"]) in ids(rep)
        assert str(busy["secret"]) not in ids(manager)

    def test_tells_a_technician_nothing_of_sales_terms(
        self, company: Company, client: FlaskClient, account: UUID
    ) -> None:
        technician = Caller(company, client, company.user(Role.TECHNICIAN, company.north))
        before = len(self.entries(technician, account))
        with company.database.session(company.id, actor="cli:test") as session:
            session.execute(
                text("UPDATE accounts SET credit_limit = 5, credit_currency = 'KRW' WHERE id = :id"),
                {"id": account},
            )
        entries = self.entries(technician, account)
        assert len(entries) == before
        assert not {"credit_limit"} & {f for e in entries for f in e["fields_changed"] or ()}  # type: ignore[attr-defined]

    def test_of_a_foreign_account_is_not_found(self, company: Company, rep: Caller) -> None:
        for unknown in (company.account(company.south), new_id()):
            assert rep.get(f"/accounts/{unknown}/timeline").status_code == 404

    def test_leaves_out_what_lies_in_other_accounts(
        self, company: Company, rep: Caller, account: UUID
    ) -> None:
        company.visit(company.account(), rep.user_id, NOW - DAY)
        assert {entry["kind"] for entry in self.entries(rep, account)} == {"change"}
