"""What the field says, said without a network."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.windows import move_windows
from app.knowledge import service
from tests.knowledge.clinic import Clinic
from tests.knowledge.library import Library
from tests.world import Person, wire

Json = dict[str, Any]
DAY = timedelta(days=1)


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


@pytest.fixture
def technician(clinic: Clinic) -> Person:
    return clinic.technician()


def verdicts(found: list[Json]) -> list[tuple[Any, Any]]:
    return [(verdict["status"], verdict["code"]) for verdict in found]


def made(person: Person, entity: str, record_id: UUID | None = None, **fields: Any) -> Json:
    return person.mutation("create", entity, record_id or new_id(), fields=fields)


class TestFeedback:
    def test_given_on_two_phones_of_one_person_stays_on_both_and_counts_once(
        self, library: Library, technician: Person
    ) -> None:
        _, version = library.out(Role.TECHNICIAN)
        tablet = library.world.second_phone(technician)
        for person in (library.world.person(Role.TECHNICIAN), library.world.person(Role.TECHNICIAN)):
            person.sync(made(person, "article_feedback", version_id=str(version), helpful=True))
        now = utc_now()
        late = wire(now - timedelta(minutes=1))
        early = wire(now - timedelta(minutes=9))
        on_phone = made(technician, "article_feedback", version_id=str(version), helpful=False, given_at=late)
        on_tablet = made(tablet, "article_feedback", version_id=str(version), helpful=True, given_at=early)
        assert verdicts(technician.sync(on_phone)) == verdicts(tablet.sync(on_tablet)) == [("applied", None)]
        technician.sync()
        for phone in (technician, tablet):
            words = [
                record["helpful"] for (name, _), record in phone.records.items() if name == "article_feedback"
            ]
            assert sorted(words) == [False, True]
            held = phone.held("article_version", version)
            assert held is not None
            assert held["rating"] == 3  # two of three: the earlier word does not count, whenever it came

    def test_is_never_edited(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        said = new_id()
        technician.sync(made(technician, "article_feedback", said, version_id=str(version), helpful=False))
        edit = technician.edit("article_feedback", said, {"helpful": True})
        assert verdicts(technician.sync(edit)) == [("rejected", "append_only")]

    def test_on_an_article_for_others_is_refused_like_one_that_is_not_there(
        self, library: Library, technician: Person
    ) -> None:
        _, foreign = library.out(Role.REP)
        found = technician.sync(
            *(
                made(technician, "article_feedback", version_id=str(one), helpful=True)
                for one in (foreign, new_id())
            )
        )
        assert verdicts(found) == [("rejected", "reference_not_found")] * 2
        assert found[0]["detail"] == found[1]["detail"]

    def test_leaves_the_phone_after_ninety_days(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        said = new_id()
        technician.sync(made(technician, "article_feedback", said, version_id=str(version), helpful=True))
        library.world.engine_sql(
            "UPDATE tenants SET created_at = now() - interval '200 days' WHERE id = :tenant"
        )
        later = utc_now() + 91 * DAY
        move_windows(library.world.db, library.world.id, later)
        library.world.drain(later)
        technician.sync()
        assert technician.held("article_feedback", said) is None


class TestProposals:
    def test_made_offline_become_version_two_while_version_one_stays_in_the_visit_that_used_it(
        self, clinic: Clinic, technician: Person
    ) -> None:
        library = clinic.library
        _, first = library.out(Role.TECHNICIAN)
        _, visit = clinic.visit(technician)
        colleague = clinic.technician()
        technician.sync()
        proposal = new_id()
        correction = {"version_id": str(first), "passage": "6개월", "correction": "3개월"}
        used = {"visit_id": str(visit), "version_id": str(first), "kind": "used"}
        found = technician.sync(
            made(technician, "article_proposal", proposal, **correction),
            made(technician, "article_use", **used),
        )
        assert verdicts(found) == [("applied", None)] * 2

        with clinic.world.acting(library.author) as (session, actor):
            accept = service.PROPOSAL_COMMANDS["accept"]
            second = accept(session, actor, proposal, {}, now=utc_now()).draft_id
        assert second is not None
        for command in ("submit_for_review", "approve", "publish"):
            library.step(command, second)
        for person in (technician, colleague):
            person.sync()
        held = technician.held("article_version", second)
        assert held is not None
        assert "3개월" in held["body"]
        kept = technician.held("article_version", first)
        assert kept is not None
        assert kept["status"] == "superseded"
        assert colleague.held("article_version", first) is None
        decided = technician.held("article_proposal", proposal)
        assert decided is not None
        assert decided["status"] == "accepted"

    def test_go_to_nobody_but_their_author(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        proposal = new_id()
        colleague = library.world.person(Role.TECHNICIAN)
        technician.sync(
            made(technician, "article_proposal", proposal, version_id=str(version), correction="3개월")
        )
        colleague.sync()
        assert technician.held("article_proposal", proposal) is not None
        assert colleague.held("article_proposal", proposal) is None

    def test_pressed_twice_are_one_and_its_duplicate(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        one, two = new_id(), new_id()
        words = {"version_id": str(version), "correction": "3개월"}
        sent = [made(technician, "article_proposal", record, **words) for record in (one, two)]
        assert verdicts(technician.sync(*sent)) == [("applied", None)] * 2
        again = technician.held("article_proposal", two)
        assert again is not None
        assert (again["status"], again["duplicate_of_id"]) == ("duplicate", str(one))

    def test_hold_no_national_id_number(self, library: Library, technician: Person) -> None:
        _, version = library.out(Role.TECHNICIAN)
        words = {"version_id": str(version), "correction": "문의 900101-1234567"}
        (verdict,) = technician.sync(made(technician, "article_proposal", **words))
        assert verdict["status"] == "merged"
        (stored,) = library.world.sql("SELECT correction FROM article_proposals")
        assert stored.correction == "문의 900101-*******"


class TestQuestions:
    def test_bring_their_answer(self, library: Library, technician: Person) -> None:
        asked = new_id()
        question = made(technician, "expert_question", asked, question="0W-20을 써도 됩니까?")
        assert verdicts(technician.sync(question)) == [("applied", None)]
        with library.world.acting(library.author) as (session, actor):
            answer = service.QUESTION_COMMANDS["answer"]
            answer(session, actor, asked, {"answer": "승인 규격을 따르십시오."}, now=utc_now())
        technician.sync()
        held = technician.held("expert_question", asked)
        assert held is not None
        assert (held["status"], held["answer"]) == ("answered", "승인 규격을 따르십시오.")


class TestUses:
    def test_in_a_visit_that_was_lost_are_refused(self, clinic: Clinic) -> None:
        rep = clinic.world.person(Role.REP, clinic.world.north)
        _, version = clinic.library.out(Role.REP)
        account, visit = clinic.visit(rep)
        rep.sync()
        used = made(rep, "article_use", visit_id=str(visit), version_id=str(version), kind="read")
        clinic.world.sql(
            "UPDATE accounts SET territory_id = :south WHERE id = :id", south=clinic.world.south, id=account
        )
        assert verdicts(rep.sync(used)) == [("rejected", "reference_not_found")]

    def test_let_go_of_the_version_after_ninety_days(self, clinic: Clinic, technician: Person) -> None:
        library = clinic.library
        _, version = library.out(Role.TECHNICIAN)
        _, visit = clinic.visit(technician)
        technician.sync(
            made(technician, "article_use", visit_id=str(visit), version_id=str(version), kind="read")
        )
        library.step("withdraw", version)
        technician.sync()
        assert technician.held("article_version", version) is not None
        library.world.engine_sql(
            "UPDATE tenants SET created_at = now() - interval '200 days' WHERE id = :tenant"
        )
        later = utc_now() + 91 * DAY
        move_windows(library.world.db, library.world.id, later)
        library.world.drain(later)
        technician.sync()
        assert technician.held("article_version", version) is None
