"""Ways through a tree, judged by the version that was walked, and how often a remedy helped."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Role
from app.knowledge import service
from app.knowledge.models import RunOutcome
from app.knowledge.service.errors import KnowledgeInvalid, NewerPublished
from app.knowledge.service.field_errors import OutcomeImpossible, PathImpossible, RunNotYours
from tests.knowledge.clinic import ASKED, CLEANED, NOISE, SEALED, Clinic, node, path
from tests.knowledge.library import Library
from tests.world import Person

SOLVED, NOT_SOLVED, ESCALATED = RunOutcome.SOLVED, RunOutcome.NOT_SOLVED, RunOutcome.ESCALATED


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


@pytest.fixture
def technician(clinic: Clinic) -> Person:
    return clinic.technician()


class TestCreateRun:
    def test_is_judged_by_version_one_after_version_two_was_published(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, first = clinic.out(Role.TECHNICIAN)
        shorter = [node("noise", "symptom", ("go", "clean")), node("clean", "remedy")]
        second = clinic.publish(clinic.draft(tree, shorter))

        run = clinic.run(technician, first, SEALED)
        assert (run.tree_version_id, run.remedy) == (first, "seal")
        with pytest.raises(PathImpossible):
            clinic.run(technician, second, SEALED)

    def test_takes_what_was_walked_before_the_version_was_withdrawn(
        self, clinic: Clinic, technician: Person
    ) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        clinic.step("withdraw", version)
        assert clinic.run(technician, version).remedy == "clean"

    def test_knows_no_draft(self, clinic: Clinic, technician: Person) -> None:
        draft = clinic.draft(clinic.tree(Role.TECHNICIAN))
        for unknown in (draft, new_id()):
            with pytest.raises(ReferenceNotFound) as refused:
                clinic.run(technician, unknown)
            assert refused.value.details == {"field": "tree_version_id"}

    def test_knows_no_tree_outside_the_audience(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.REP)
        with pytest.raises(ReferenceNotFound) as refused:
            clinic.run(technician, version)
        assert refused.value.details == {"field": "tree_version_id"}

    def test_refuses_a_visit_that_was_lost_with_the_territory(self, clinic: Clinic) -> None:
        rep = clinic.world.person(Role.REP, clinic.world.north)
        _, version = clinic.out(Role.REP)
        account, visit = clinic.visit(rep)
        clinic.world.sql(
            "UPDATE accounts SET territory_id = :t WHERE id = :id", t=clinic.world.south, id=account
        )
        with pytest.raises(ReferenceNotFound):
            clinic.run(rep, version, account_id=account, visit_id=visit)

    def test_refuses_another_accounts_visit(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        account, _ = clinic.visit(technician)
        _, visit = clinic.visit(technician)
        with pytest.raises(ReferenceNotFound):
            clinic.run(technician, version, account_id=account, visit_id=visit)

    def test_names_the_step_that_is_impossible(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        with pytest.raises(PathImpossible) as refused:
            clinic.run(technician, version, (("noise", "go"), ("suction", "perhaps")))
        assert refused.value.details == {"problem": "answer_unknown", "step": 1, "node": "suction"}

    def test_solves_nothing_without_a_remedy(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        with pytest.raises(OutcomeImpossible):
            clinic.run(technician, version, ASKED)
        assert clinic.run(technician, version, ASKED, ESCALATED).remedy is None
        assert clinic.run(technician, version, ASKED[:1], NOT_SOLVED).remedy is None
        assert clinic.tallies(tree) == {}

    def test_refuses_an_id_in_use(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        run = clinic.run(technician, version)
        with pytest.raises(IdTaken):
            clinic.run(technician, version, id=run.id)
        assert clinic.tallies(tree) == {"clean": (1, 0, 0)}

    def test_masks_national_id_numbers(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        assert clinic.run(technician, version, note="900101-1234567").note == "900101-*******"

    def test_is_not_for_partners(self, clinic: Clinic) -> None:
        _, version = clinic.out(Role.PARTNER)
        partner = clinic.world.person(Role.PARTNER, clinic.world.north)
        with pytest.raises(Forbidden):
            clinic.run(partner, version)


class TestUpdateRun:
    def test_moves_the_success_rate_with_the_outcome(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        runs = [clinic.run(technician, version) for _ in range(5)]
        assert (clinic.tallies(tree), clinic.rates(version)) == ({"clean": (5, 0, 0)}, {"clean": 4})

        clinic.correct(technician, runs[0], outcome=NOT_SOLVED, note="다음 날 다시 소음")
        clinic.correct(technician, runs[1], outcome=ESCALATED)
        clinic.correct(technician, runs[1], outcome=ESCALATED)
        assert (clinic.tallies(tree), clinic.rates(version)) == ({"clean": (3, 1, 1)}, {"clean": 2})
        assert clinic.tallies(tree) == clinic.counted(tree)

    def test_leaves_the_way_as_it_was_taken(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        run = clinic.run(technician, version)
        assert clinic.correct(technician, run, path=path(CLEANED)).version == 1
        with pytest.raises(KnowledgeInvalid) as refused:
            clinic.correct(technician, run, path=path(SEALED))
        assert refused.value.details == {"fields": {"path": "read_only_field"}}

    def test_solves_nothing_without_a_remedy(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        run = clinic.run(technician, version, ASKED, ESCALATED)
        with pytest.raises(OutcomeImpossible):
            clinic.correct(technician, run, outcome=SOLVED)

    def test_is_for_who_walked_and_for_the_office(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        account, visit = clinic.visit(technician)
        run = clinic.run(technician, version, account_id=account, visit_id=visit)
        rep = clinic.world.person(Role.REP, clinic.world.north)
        with pytest.raises(RunNotYours):
            clinic.correct(rep, run, outcome=NOT_SOLVED)
        with pytest.raises(NotFound):
            clinic.correct(clinic.world.person(Role.REP, clinic.world.south), run, outcome=NOT_SOLVED)
        manager = clinic.world.person(Role.MANAGER, clinic.world.region)
        assert clinic.correct(manager, run, outcome=NOT_SOLVED).outcome is NOT_SOLVED


class TestRates:
    def test_say_nothing_of_a_few_runs(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        for _ in range(4):
            clinic.run(technician, version)
        assert clinic.rates(version) == {}

    def test_write_the_version_only_when_a_step_is_another_one(
        self, clinic: Clinic, technician: Person
    ) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        for _ in range(9):
            clinic.run(technician, version)
        ((written,),) = clinic.world.sql("SELECT version FROM tree_versions WHERE id = :id", id=version)
        before = written
        for _ in range(3):
            clinic.run(technician, version)
        ((written,),) = clinic.world.sql("SELECT version FROM tree_versions WHERE id = :id", id=version)
        assert (written, clinic.rates(version)) == (before, {"clean": 4})

    def test_of_late_runs_on_an_old_version_count_for_the_new_one(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, first = clinic.out(Role.TECHNICIAN)
        for _ in range(5):
            clinic.run(technician, first, outcome=NOT_SOLVED)
        second = clinic.publish(clinic.draft(tree))
        assert clinic.rates(second) == {"clean": 0}
        for _ in range(5):
            clinic.run(technician, first)
        assert (clinic.rates(first), clinic.rates(second)) == ({"clean": 0}, {"clean": 2})

    def test_forget_a_remedy_that_the_new_version_has_no_more(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, first = clinic.out(Role.TECHNICIAN)
        for _ in range(5):
            clinic.run(technician, first)
        fewer = [node("noise", "symptom", ("go", "seal")), node("seal", "remedy")]
        second = clinic.publish(clinic.draft(tree, fewer))
        clinic.run(technician, first)
        assert clinic.rates(second) == {}

    def test_of_two_remedies_moved_at_once_are_both_kept(self, clinic: Clinic) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        people = [clinic.technician() for _ in range(2)]
        visits = [clinic.visit(person) for person in people]
        for person, (account, visit), steps in zip(people, visits, (CLEANED, SEALED), strict=True):
            for _ in range(4):
                clinic.run(person, version, steps, account_id=account, visit_id=visit)
        together = Barrier(2)

        def walk(place: int) -> None:
            account, visit = visits[place]
            together.wait()
            clinic.run(people[place], version, (CLEANED, SEALED)[place], account_id=account, visit_id=visit)

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(walk, range(2)))
        assert clinic.rates(version) == {"clean": 4, "seal": 4}
        assert clinic.tallies(tree) == clinic.counted(tree)

    def test_are_told_in_numbers_to_editors_only(self, clinic: Clinic, technician: Person) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        clinic.run(technician, version)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            (tally,) = service.list_remedies(session, actor, tree)
            assert (tally.node, tally.runs, tally.solved) == ("clean", 1, 1)
        with clinic.world.acting(technician) as (session, actor), pytest.raises(Forbidden):
            service.list_remedies(session, actor, tree)


class TestScope:
    def test_of_runs_is_that_of_their_accounts(self, clinic: Clinic, technician: Person) -> None:
        _, version = clinic.out(Role.TECHNICIAN)
        run = clinic.run(technician, version)

        def sees(person: Person) -> bool:
            with clinic.world.acting(person) as (session, actor):
                return run.id in {one.id for one in session.scalars(service.list_runs(session, actor))}

        assert sees(technician)
        assert sees(clinic.world.person(Role.REP, clinic.world.north))
        assert not sees(clinic.world.person(Role.REP, clinic.world.south))
        assert not sees(clinic.technician())
        assert not sees(clinic.world.person(Role.PARTNER, clinic.world.north))

    def test_of_a_version_holds_what_was_walked_until_the_audience_is_gone(
        self, clinic: Clinic, technician: Person
    ) -> None:
        tree, version = clinic.out(Role.TECHNICIAN)
        clinic.run(technician, version)
        colleague = clinic.technician()
        clinic.step("withdraw", version)
        with clinic.world.acting(technician) as (session, actor):
            assert service.get_tree_version(session, actor, version).nodes[0]["id"] == NOISE[0]["id"]
            assert service.get_tree(session, actor, tree).id == tree
        with clinic.world.acting(clinic.library.author) as (session, actor):
            service.update_tree(session, actor, tree, {"audiences": []}, now=utc_now())
        for person in (technician, colleague):
            for unknown in (version, new_id()):
                with clinic.world.acting(person) as (session, actor), pytest.raises(NotFound):
                    service.get_tree_version(session, actor, unknown)


def test_two_editors_who_publish_at_once_leave_one_version_out(clinic: Clinic) -> None:
    tree = clinic.tree(Role.TECHNICIAN)
    versions = [clinic.draft(tree) for _ in range(2)]
    for version in versions:
        for command in ("submit_for_review", "approve"):
            by = clinic.library.author if command == "submit_for_review" else clinic.library.editor()
            clinic.step(command, version, by=by)
    together = Barrier(2)

    def publish(version: UUID) -> bool:
        together.wait()
        try:
            clinic.step("publish", version)
        except NewerPublished:
            return False
        return True

    with ThreadPoolExecutor(2) as threads:
        went = list(threads.map(publish, versions))
    rows = clinic.world.sql("SELECT n FROM tree_versions WHERE tree_id = :t AND status = 'published'", t=tree)
    assert went[1]
    assert [row.n for row in rows] == [2]
