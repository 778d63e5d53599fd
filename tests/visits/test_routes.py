"""Visits over REST."""

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.ids import new_id
from app.core.scope import Role
from tests.visits.company import NOW, SEOUL_HALL, Company
from tests.visits.http import Caller, client, manager, rep

__all__ = ["client", "manager", "rep"]

START = "2026-11-21T05:00:00Z"


@pytest.fixture
def account(company: Company) -> UUID:
    return company.account(location=list(SEOUL_HALL))


def planned(rep: Caller, account: UUID, **values: Any) -> TestResponse:
    return rep.post("/visits", {"account_id": str(account), "planned_start": START, **values})


class TestVisits:
    def test_are_planned_checked_in_and_out_and_completed(self, rep: Caller, account: UUID) -> None:
        created = planned(rep, account, tasks=[{"title": "설문", "kind": "survey"}])
        assert (created.status_code, created.json["status"]) == (201, "planned")  # type: ignore[index]
        path = f"/visits/{created.json['id']}"  # type: ignore[index]
        here = {"lat": SEOUL_HALL[0], "lon": SEOUL_HALL[1], "accuracy_m": 8}
        checked_in = rep.post(f"{path}/check-in", {"location": here}, version=1)
        assert (checked_in.json["status"], checked_in.json["geo_verdict"]) == ("checked_in", "inside")  # type: ignore[index]
        assert rep.post(f"{path}/check-out", {}, version=2).json["duration_min"] == 0  # type: ignore[index]
        completed = rep.post(f"{path}/complete", {}, version=3)
        assert (completed.status_code, completed.headers["ETag"]) == (200, '"4"')
        assert rep.get(path).json == completed.json

    def test_are_listed_by_the_time_they_are_planned_for(
        self, company: Company, rep: Caller, account: UUID
    ) -> None:
        later, sooner = (company.visit(account, rep.user_id, NOW.replace(hour=hour)) for hour in (9, 8))
        listed = rep.get("/visits?limit=1").json
        assert [item["id"] for item in listed["items"]] == [str(sooner)]  # type: ignore[index]
        rest = rep.get(f"/visits?limit=1&cursor={listed['next_cursor']}").json  # type: ignore[index]
        assert [item["id"] for item in rest["items"]] == [str(later)]  # type: ignore[index]

    def test_take_changes_of_the_version_that_was_seen(self, rep: Caller, account: UUID) -> None:
        path = f"/visits/{planned(rep, account).json['id']}"  # type: ignore[index]
        assert rep.patch(path, {"outcome": "견적"}, version=1).json["version"] == 2  # type: ignore[index]
        assert rep.patch(path, {"outcome": "주문"}, version=1).json["code"] == "version_stale"  # type: ignore[index]
        assert rep.patch(path, {"outcome": "주문"}).json["code"] == "version_required"  # type: ignore[index]

    def test_are_deleted(self, rep: Caller, account: UUID) -> None:
        path = f"/visits/{planned(rep, account).json['id']}"  # type: ignore[index]
        assert rep.delete(path, version=1).status_code == 204
        assert rep.get(path).status_code == 404

    def test_name_the_steps_that_are_allowed(self, company: Company, rep: Caller, account: UUID) -> None:
        visit = company.visit(account, rep.user_id, status="missed")
        refused = rep.post(f"/visits/{visit}/check-in", {}, version=1)
        assert refused.status_code == 409
        assert refused.json["code"] == "transition_not_allowed"  # type: ignore[index]
        assert refused.json["details"]["allowed"] == ["reschedule"]  # type: ignore[index]

    def test_out_of_scope_are_not_found(self, company: Company, rep: Caller) -> None:
        foreign = company.visit(company.account(company.south), company.user(Role.REP, company.south))
        for answer in (rep.get(f"/visits/{foreign}"), rep.get(f"/visits/{new_id()}")):
            assert (answer.status_code, answer.json["code"]) == (404, "not_found")  # type: ignore[index]

    def test_are_closed_to_partners(self, company: Company, client: FlaskClient) -> None:
        partner = Caller(company, client, company.user(Role.PARTNER, company.north))
        assert partner.get("/visits").status_code == 403

    def test_are_judged_by_managers_alone(
        self, company: Company, rep: Caller, manager: Caller, account: UUID
    ) -> None:
        visit = company.visit(account, rep.user_id, status="completed")
        assert rep.post(f"/visits/{visit}/verify", {}, version=1).status_code == 403
        assert manager.post(f"/visits/{visit}/verify", {}, version=1).json["status"] == "verified"  # type: ignore[index]

    def test_refuse_a_field_of_the_server(self, rep: Caller, account: UUID) -> None:
        refused = planned(rep, account, late=True)
        assert refused.status_code == 422
        assert refused.json["errors"][0]["code"] == "read_only_field"  # type: ignore[index]

    def test_begin_on_the_spot_when_unplanned(self, rep: Caller, account: UUID) -> None:
        here = {"lat": SEOUL_HALL[0], "lon": SEOUL_HALL[1]}
        begun = rep.post(
            "/visits", {"account_id": str(account), "unplanned": True, "checked_in_location": here}
        )
        assert (begun.json["status"], begun.json["geo_verdict"]) == ("checked_in", "inside")  # type: ignore[index]
