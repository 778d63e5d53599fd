"""Diagnosis on phones: trees of their people, runs made without a network."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.windows import move_windows
from app.knowledge import service
from app.knowledge.models import RunOutcome
from tests.knowledge.clinic import ASKED, CLEANED, NOISE, SEALED, Clinic, node
from tests.knowledge.library import Library
from tests.world import Person, wire

Json = dict[str, Any]


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


@pytest.fixture
def technician(clinic: Clinic) -> Person:
    return clinic.technician()


def offline(
    person: Person,
    version_id: UUID,
    place: tuple[UUID, UUID],
    steps: Any = CLEANED,
    run_id: UUID | None = None,
    **values: Any,
) -> Json:
    """What a phone sends of a run that was made in a visit without a network."""
    account, visit = place
    at = wire(utc_now())
    fields = {
        "account_id": str(account),
        "visit_id": str(visit),
        "tree_version_id": str(version_id),
        "path": [{"node": name, "answer": answer, "at": at} for name, answer in steps],
        "outcome": "solved",
    } | values
    return person.mutation("create", "diagnosis_run", run_id or new_id(), fields=fields)


def verdicts(found: list[Json]) -> list[tuple[Any, Any]]:
    return [(verdict["status"], verdict["code"]) for verdict in found]


class TestTrees:
    def test_go_to_the_phones_of_their_audience_alone(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        rep = clinic.world.person(Role.REP, clinic.world.north)
        technician.sync()
        rep.sync()
        held = technician.held("tree_version", version)
        assert held is not None
        assert [one["id"] for one in held["nodes"]] == [one["id"] for one in NOISE]
        assert technician.held("diagnosis_tree", tree) is not None
        assert (rep.held("tree_version", version), rep.held("diagnosis_tree", tree)) == (None, None)

    def test_are_replaced_by_their_next_version_but_for_who_walked_them(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, first = clinic.out(Role.TECHNICIAN)
        colleague = clinic.technician()
        clinic.run(technician, first)
        for person in (technician, colleague):
            person.sync()
        second = clinic.publish(clinic.draft(tree))
        for person in (technician, colleague):
            person.sync()
            assert person.held("tree_version", second) is not None
        kept = technician.held("tree_version", first)
        assert kept is not None
        assert kept["status"] == "superseded"
        assert colleague.held("tree_version", first) is None

    def test_stay_with_who_walked_them_after_they_were_withdrawn_and_leave_by_the_window(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        clinic.run(technician, version)
        clinic.step("withdraw", version)
        technician.sync()
        assert technician.held("diagnosis_tree", tree) is not None
        held = technician.held("tree_version", version)
        assert held is not None
        assert held["status"] == "withdrawn"
        clinic.world.engine_sql(
            "UPDATE tenants SET created_at = now() - interval '200 days' WHERE id = :tenant"
        )
        later = utc_now() + timedelta(days=91)
        move_windows(clinic.world.db, clinic.world.id, later)
        clinic.world.drain(later)
        technician.sync()
        assert technician.held("tree_version", version) is technician.held("diagnosis_tree", tree) is None

    def test_leave_when_the_audience_does(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        clinic.run(technician, version)
        technician.sync()
        assert technician.held("tree_version", version) is not None
        with clinic.world.acting(clinic.library.author) as (session, actor):
            rows = {"audiences": [{"role": Role.REP, "unit_id": None}]}
            service.update_tree(session, actor, tree, rows, now=utc_now())
        technician.sync()
        assert technician.held("tree_version", version) is technician.held("diagnosis_tree", tree) is None

    def test_bring_the_success_of_their_remedies(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        place = clinic.visit(technician)
        technician.sync(*(offline(technician, version, place) for _ in range(5)))
        held = technician.held("tree_version", version)
        assert held is not None
        assert held["rates"] == {"clean": 4}


class TestRuns:
    def test_made_on_version_one_after_version_two_was_published_are_taken(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, first = clinic.out(Role.TECHNICIAN)
        place = clinic.visit(technician)
        technician.sync()
        run = new_id()
        made = offline(technician, first, place, SEALED, run)
        clinic.publish(
            clinic.draft(tree, [node("noise", "symptom", ("go", "clean")), node("clean", "remedy")])
        )
        assert verdicts(technician.sync(made)) == [("applied", None)]
        held = technician.held("diagnosis_run", run)
        assert held is not None
        assert (held["remedy"], held["tree_version_id"], held["author_id"]) == (
            "seal",
            str(first),
            str(technician.id),
        )

    def test_on_a_path_that_is_impossible_are_refused_with_the_step(
        self, clinic: Clinic, technician: Person
    ) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        place = clinic.visit(technician)
        (verdict,) = technician.sync(offline(technician, version, place, (("noise", "stop"),)))
        assert (verdict["status"], verdict["code"]) == ("rejected", "diagnosis.path_impossible")
        assert verdict["detail"] == {"problem": "answer_unknown", "step": 0, "node": "noise"}

    def test_on_a_tree_outside_the_audience_are_refused_like_one_that_is_not_there(
        self, clinic: Clinic, technician: Person
    ) -> None:
        _, foreign = clinic.out(Role.REP)
        place = clinic.visit(technician)
        found = technician.sync(offline(technician, foreign, place), offline(technician, new_id(), place))
        assert verdicts(found) == [("rejected", "reference_not_found")] * 2
        assert found[0]["detail"] == found[1]["detail"]

    def test_in_a_visit_that_was_lost_with_the_territory_are_refused_and_kept_as_they_were_sent(
        self, clinic: Clinic
    ) -> None:
        rep = clinic.world.person(Role.REP, clinic.world.north)
        _, version = clinic.out(Role.REP)
        account, visit = clinic.visit(rep)
        rep.sync()
        made = offline(rep, version, (account, visit))
        clinic.world.sql(
            "UPDATE accounts SET territory_id = :south WHERE id = :id", south=clinic.world.south, id=account
        )
        assert verdicts(rep.sync(made)) == [("rejected", "reference_not_found")]
        kept = rep.call("GET", "/api/v1/rejections").json["items"]
        assert [one["payload"]["fields"]["outcome"] for one in kept if one["entity"] == "diagnosis_run"] == [
            "solved"
        ]

    def test_sent_twice_are_one(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        place = clinic.visit(technician)
        run = new_id()
        technician.sync()
        first = offline(technician, version, place, run_id=run)
        again = first | {"id": str(new_id()), "n": next(technician.n)}
        assert [verdict["status"] for verdict in technician.sync(first, first, again)][-1] == "applied"
        assert clinic.tallies(tree) == {"clean": (1, 0, 0)}

    def test_are_corrected_without_a_network_and_the_rate_follows(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        place = clinic.visit(technician)
        run = new_id()
        technician.sync(offline(technician, version, place, run_id=run))
        edit = technician.edit("diagnosis_run", run, {"outcome": "not_solved", "note": "다시 소음"})
        assert verdicts(technician.sync(edit)) == [("applied", None)]
        assert clinic.tallies(tree) == clinic.counted(tree) == {"clean": (0, 1, 0)}

    def test_keep_their_way(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        run = new_id()
        technician.sync(offline(technician, version, clinic.visit(technician), run_id=run))
        before = technician.records["diagnosis_run", str(run)]
        edit = technician.edit("diagnosis_run", run, {"path": before["path"][:1]})
        assert verdicts(technician.sync(edit)) == [("rejected", "knowledge.invalid")]
        assert technician.records["diagnosis_run", str(run)] == before

    def test_hang_on_the_account(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        run = clinic.run(technician, version, ASKED, RunOutcome.ESCALATED)
        rep = clinic.world.person(Role.REP, clinic.world.north)
        others = [
            clinic.world.person(Role.REP, clinic.world.south),
            clinic.world.person(Role.PARTNER, clinic.world.north),
            clinic.technician(),
        ]
        for person in (technician, rep, *others):
            person.sync()
        assert technician.held("diagnosis_run", run.id) is not None
        assert rep.held("diagnosis_run", run.id) is not None
        assert [person.held("diagnosis_run", run.id) for person in others] == [None] * 3
