"""What the field says of articles, and what editors make of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden, NotFound, ReferenceNotFound, TransitionNotAllowed
from app.core.ids import new_id
from app.core.scope import Role
from app.knowledge import service
from app.knowledge.models import ArticleProposal, ArticleVersion, UseKind
from app.knowledge.service.errors import ReviewOwn
from app.knowledge.service.feedback import rating_of
from app.knowledge.service.field_errors import AlreadyPromoted, NothingToPromote, ProposalEmpty
from tests.knowledge.clinic import Clinic
from tests.knowledge.library import Library
from tests.world import Person

HOUR = timedelta(hours=1)


@pytest.fixture
def clinic(library: Library) -> Clinic:
    return Clinic(library)


@pytest.fixture
def technician(clinic: Clinic) -> Person:
    return clinic.technician()


@pytest.fixture
def words(library: Library) -> UUID:
    return library.out(Role.TECHNICIAN)[1]


def say(library: Library, person: Person, version: UUID, helpful: bool, **values: Any) -> UUID:
    with library.world.acting(person) as (session, actor):
        values = {"version_id": version, "helpful": helpful} | values
        return service.give_feedback(session, actor, values, now=utc_now()).id


def rating(library: Library, version: UUID) -> tuple[int | None, int]:
    ((found, written),) = library.world.sql(
        "SELECT rating, version FROM article_versions WHERE id = :id", id=version
    )
    return found, written


def propose(library: Library, person: Person, version: UUID, **values: Any) -> ArticleProposal:
    values = {"version_id": version, "passage": "6개월", "correction": "3개월"} | values
    with library.world.acting(person) as (session, actor):
        return service.propose(session, actor, values, now=utc_now())


def decide(library: Library, editor: Person, proposal: UUID, command: str, **args: Any) -> ArticleProposal:
    with library.world.acting(editor) as (session, actor):
        return service.PROPOSAL_COMMANDS[command](session, actor, proposal, args, now=utc_now())


def version_of(library: Library, version_id: UUID | None) -> ArticleVersion:
    assert version_id is not None
    with library.world.acting(library.author) as (session, actor):
        return service.get_version(session, actor, version_id)


class TestFeedback:
    def test_given_offline_on_two_phones_counts_once_and_as_the_later_word(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        now = utc_now()
        others = [library.world.person(Role.TECHNICIAN) for _ in range(2)]
        for person in others:
            say(library, person, words, helpful=False)
        say(library, technician, words, helpful=True, given_at=now)
        assert rating(library, words)[0] == rating_of(1, 3) == 1
        say(library, technician, words, helpful=False, given_at=now - HOUR)
        assert rating(library, words)[0] == 1
        say(library, technician, words, helpful=False, given_at=now + HOUR)
        assert rating(library, words)[0] == 0

    def test_writes_the_version_only_when_its_step_is_another_one(
        self, library: Library, words: UUID
    ) -> None:
        people = [library.world.person(Role.TECHNICIAN) for _ in range(6)]
        _, unrated = rating(library, words)
        for person in people[:2]:
            say(library, person, words, helpful=True)
        assert rating(library, words) == (None, unrated)
        say(library, people[2], words, helpful=True)
        found, written = rating(library, words)
        assert (found, written) == (4, unrated + 1)
        for person in people[3:]:
            say(library, person, words, helpful=True)
        assert rating(library, words) == (4, written)

    def test_of_two_people_at_once_is_both_counted(self, library: Library, words: UUID) -> None:
        people = [library.world.person(Role.TECHNICIAN) for _ in range(4)]
        say(library, people[0], words, helpful=True)
        together = Barrier(3)

        def speak(person: Person) -> None:
            together.wait()
            say(library, person, words, helpful=False)

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(speak, people[1:]))
        assert rating(library, words)[0] == rating_of(1, 4) == 1

    def test_is_for_readers_of_what_was_ever_out(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        rep = library.world.person(Role.REP, library.world.north)
        for unknown in (words, new_id()):
            with pytest.raises(ReferenceNotFound):
                say(library, rep, unknown, helpful=True)
        draft = library.draft(library.article(Role.TECHNICIAN))
        with pytest.raises(ReferenceNotFound):
            say(library, technician, draft, helpful=True)
        library.step("withdraw", words)
        say(library, technician, words, helpful=True)

    def test_is_read_by_its_author_and_by_editors(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        said = say(library, technician, words, helpful=False, comment="900101-1234567")
        colleague = library.world.person(Role.TECHNICIAN)
        with library.world.acting(colleague) as (session, actor), pytest.raises(NotFound):
            service.get_feedback(session, actor, said)
        with library.world.acting(library.author) as (session, actor):
            assert service.get_feedback(session, actor, said).comment == "900101-*******"


class TestProposals:
    def test_accepted_become_a_draft_with_the_passage_replaced(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        proposal = propose(library, technician, words, reason="고온 현장")
        decided = decide(library, library.author, proposal.id, "accept")
        draft = version_of(library, decided.draft_id)
        assert "3개월" in draft.body
        assert "6개월" not in draft.body
        assert (draft.status, draft.n, draft.changelog) == ("draft", 2, "「6개월」 → 「3개월」 (고온 현장)")

    def test_cannot_be_approved_by_who_proposed_them(self, library: Library, words: UUID) -> None:
        editor = library.reviewer
        decided = decide(library, library.author, propose(library, editor, words).id, "accept")
        assert decided.draft_id is not None
        library.step("submit_for_review", decided.draft_id)
        with pytest.raises(ReviewOwn):
            library.step("approve", decided.draft_id, by=editor)

    def test_leave_the_words_alone_where_the_passage_does_not_stand_once(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        proposal = propose(library, technician, words, passage="없는 구절", correction="새 구절")
        draft = version_of(library, decide(library, library.author, proposal.id, "accept").draft_id)
        assert draft.body == version_of(library, words).body
        assert draft.changelog == "「없는 구절」 → 「새 구절」"

    def test_sent_twice_wait_once(self, library: Library, technician: Person, words: UUID) -> None:
        first = propose(library, technician, words)
        again = propose(library, technician, words, passage=" 6개월 ")
        assert (again.status, again.duplicate_of_id) == ("duplicate", first.id)
        other = propose(library, library.world.person(Role.TECHNICIAN), words)
        assert other.status == "open"
        decide(library, library.author, first.id, "decline", reason="권고와 다름")
        assert propose(library, technician, words).status == "open"

    def test_sent_by_two_phones_at_once_wait_once(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        together = Barrier(2)

        def send(_: int) -> str:
            together.wait()
            return str(propose(library, technician, words).status)

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(send, range(2))) == ["duplicate", "open"]

    def test_accepted_by_two_editors_at_once_make_one_draft(
        self, library: Library, technician: Person, words: UUID
    ) -> None:
        proposal = propose(library, technician, words)
        together = Barrier(2)

        def accept(editor: Person) -> Any:
            together.wait()
            try:
                return decide(library, editor, proposal.id, "accept").draft_id
            except TransitionNotAllowed as refused:
                return refused.details

        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(accept, (library.author, library.reviewer)))
        assert {"status": "accepted", "allowed": []} in found
        ((drafts,),) = library.world.sql("SELECT count(*) FROM article_versions WHERE status = 'draft'")
        assert drafts == 1

    def test_declined_tell_their_author_why(self, library: Library, technician: Person, words: UUID) -> None:
        proposal = propose(library, technician, words)
        decided = decide(library, library.author, proposal.id, "decline", reason="제조사 권고와 다름")
        assert (decided.status, decided.decline_reason) == ("declined", "제조사 권고와 다름")
        rows = library.world.sql("SELECT title_code FROM notifications WHERE user_id = :u", u=technician.id)
        assert [row.title_code for row in rows] == ["knowledge.notice_proposal_declined"]

    def test_are_decided_by_editors(self, library: Library, technician: Person, words: UUID) -> None:
        proposal = propose(library, technician, words)
        with pytest.raises(Forbidden):
            decide(library, technician, proposal.id, "accept")
        with pytest.raises(NotFound):
            decide(library, library.world.person(Role.TECHNICIAN), proposal.id, "accept")

    def test_that_change_nothing_are_refused(self, library: Library, technician: Person, words: UUID) -> None:
        with pytest.raises(ProposalEmpty):
            propose(library, technician, words, correction="6개월 ")


class TestQuestions:
    def test_become_the_draft_of_a_faq(self, library: Library, technician: Person) -> None:
        with library.world.acting(technician) as (session, actor):
            asked = service.ask(session, actor, {"question": "0W-20을 써도 됩니까?"}, now=utc_now()).id
        with library.world.acting(library.author) as (session, actor):
            answer = {"answer": "**승인 규격**을 따르십시오."}
            with pytest.raises(TransitionNotAllowed):
                service.QUESTION_COMMANDS["publish"](session, actor, asked, {}, now=utc_now())
            service.QUESTION_COMMANDS["answer"](session, actor, asked, answer, now=utc_now())
            done = service.QUESTION_COMMANDS["publish"](session, actor, asked, {}, now=utc_now())
            assert done.article_id is not None
            article = service.get_article(session, actor, done.article_id)
            (draft,) = session.scalars(service.list_versions(session, actor, article_id=article.id))
        assert (article.kind, draft.title, draft.body, draft.status) == (
            "faq",
            "0W-20을 써도 됩니까?",
            "**승인 규격**을 따르십시오.",
            "draft",
        )
        with pytest.raises(TransitionNotAllowed), library.world.acting(library.author) as (session, actor):
            service.QUESTION_COMMANDS["publish"](session, actor, asked, {}, now=utc_now())

    def test_are_read_by_who_asked_and_by_editors(self, library: Library, technician: Person) -> None:
        with library.world.acting(technician) as (session, actor):
            asked = service.ask(session, actor, {"question": "?"}, now=utc_now()).id
        colleague = library.world.person(Role.TECHNICIAN)
        with library.world.acting(colleague) as (session, actor), pytest.raises(NotFound):
            service.get_question(session, actor, asked)
        with library.world.acting(technician) as (session, actor), pytest.raises(Forbidden):
            service.QUESTION_COMMANDS["answer"](session, actor, asked, {"answer": "."}, now=utc_now())


class TestPromote:
    def promote(self, clinic: Clinic, person: Person, **values: Any) -> ArticleVersion:
        with clinic.world.acting(person) as (session, actor):
            return service.promote(session, actor, {"title": "고온 그리스"} | values, now=utc_now())

    def test_blanks_what_tells_of_the_customer(self, clinic: Clinic, technician: Person) -> None:
        account = clinic.world.account(name="(주)한빛정밀")
        clinic.world.insert("contacts", id=new_id(), account_id=account, name="이보람")
        report = (
            "한빛정밀 이보람 과장(900101-1234567, 010-1234-5678, boram@hanbit.example, 123-45-67891)\n"
            "# 베어링 130℃, 그리스를 NLGI 2로 교체"
        )
        _, visit = clinic.visit(technician, account, report=report)
        draft = self.promote(clinic, technician, visit_id=visit, title="한빛정밀 고온 그리스")
        for secret in ("한빛정밀", "이보람", "1234567", "900101-1", "1234-5678", "boram", "67891"):
            assert secret not in draft.body + draft.title
        assert "NLGI 2로 교체" in draft.body
        assert "\\# 베어링" in draft.body
        assert (draft.status, draft.title) == ("draft", "(고객사) 고온 그리스")

    def test_makes_an_article_that_only_editors_see(self, clinic: Clinic, technician: Person) -> None:
        _, visit = clinic.visit(technician, report="스트레이너를 먼저 볼 것")
        draft = self.promote(clinic, technician, visit_id=visit)
        with clinic.world.acting(technician) as (session, actor), pytest.raises(NotFound):
            service.get_article(session, actor, draft.article_id)
        with clinic.world.acting(clinic.library.author) as (session, actor):
            assert service.get_article(session, actor, draft.article_id).audiences == []
        clinic.library.permit(technician)
        clinic.library.step("submit_for_review", draft.id)
        with pytest.raises(ReviewOwn):
            clinic.library.step("approve", draft.id, by=technician)

    def test_of_one_note_happens_once(self, clinic: Clinic, technician: Person) -> None:
        _, visit = clinic.visit(technician, report="스트레이너를 먼저 볼 것")
        self.promote(clinic, technician, visit_id=visit)
        with pytest.raises(AlreadyPromoted):
            self.promote(clinic, technician, visit_id=visit)

    def test_knows_no_note_outside_the_scope_and_no_private_one_of_others(
        self, clinic: Clinic, technician: Person
    ) -> None:
        account, visit = clinic.visit(technician, report="비밀")
        south = clinic.world.person(Role.REP, clinic.world.south)
        for unknown in (visit, new_id()):
            with pytest.raises(ReferenceNotFound):
                self.promote(clinic, south, visit_id=unknown)
        private = new_id()
        clinic.world.insert(
            "activities",
            id=private,
            account_id=account,
            author_id=technician.id,
            kind="note",
            body="비밀",
            private=True,
            happened_at=utc_now(),
        )
        north = clinic.world.person(Role.REP, clinic.world.north)
        with pytest.raises(ReferenceNotFound):
            self.promote(clinic, north, activity_id=private)
        assert self.promote(clinic, technician, activity_id=private).body == "비밀"

    def test_wants_words(self, clinic: Clinic, technician: Person) -> None:
        _, visit = clinic.visit(technician)
        with pytest.raises(NothingToPromote):
            self.promote(clinic, technician, visit_id=visit)


class TestUses:
    def test_are_in_a_visit_of_the_scope(self, clinic: Clinic, technician: Person, words: UUID) -> None:
        _, visit = clinic.visit(technician)
        _, foreign = clinic.visit(clinic.technician())
        with clinic.world.acting(technician) as (session, actor):
            values = {"visit_id": visit, "version_id": words, "kind": UseKind.SOLVED}
            used = service.note_use(session, actor, values, now=utc_now())
            assert session.scalars(service.list_uses(session, actor, visit_id=visit)).one().id == used.id
            with pytest.raises(ReferenceNotFound):
                service.note_use(session, actor, values | {"visit_id": foreign}, now=utc_now())


class TestDesk:
    def test_queue_holds_what_waits_and_counts_it(
        self, clinic: Clinic, technician: Person, words: UUID
    ) -> None:
        library = clinic.library
        proposal = propose(library, technician, words)
        propose(library, technician, words)
        with library.world.acting(technician) as (session, actor):
            asked = service.ask(session, actor, {"question": "0W-20?"}, now=utc_now()).id
        draft = library.draft(library.article(Role.REP))
        library.step("submit_for_review", draft)
        tree = clinic.draft(clinic.tree(Role.TECHNICIAN))
        clinic.step("submit_for_review", tree)
        for _ in range(3):
            say(library, clinic.technician(), words, helpful=False)
        with library.world.acting(library.author) as (session, actor):
            queue = service.list_queue(session, actor)
        assert queue.counts == dict.fromkeys(("proposal", "question", "review", "tree_review", "poor"), 1)
        found = {(item.kind, item.id) for item in queue.items}
        assert found == {
            ("proposal", proposal.id),
            ("question", asked),
            ("review", draft),
            ("tree_review", tree),
            ("poor", words),
        }
        assert [item.since for item in queue.items] == sorted(item.since for item in queue.items)

    def test_report_counts_what_was_read_used_and_solved(
        self, clinic: Clinic, technician: Person, words: UUID
    ) -> None:
        _, visit = clinic.visit(technician)
        with clinic.world.acting(technician) as (session, actor):
            for kind in (UseKind.READ, UseKind.READ, UseKind.SOLVED):
                values = {"visit_id": visit, "version_id": words, "kind": kind}
                service.note_use(session, actor, values, now=utc_now())
        say(clinic.library, technician, words, helpful=False, given_at=utc_now() - HOUR)
        say(clinic.library, technician, words, helpful=True)
        now = utc_now()
        with clinic.world.acting(clinic.library.author) as (session, actor):
            (row,) = service.report(session, actor, since=now - HOUR * 24, until=now + HOUR)
            assert (row.read, row.used, row.solved, row.helpful, row.not_helpful) == (2, 0, 1, 1, 0)
            assert service.report(session, actor, since=now + HOUR, until=now + 2 * HOUR) == []

    def test_is_for_editors(self, library: Library, technician: Person) -> None:
        now = utc_now()
        with library.world.acting(technician) as (session, actor):
            with pytest.raises(Forbidden):
                service.list_queue(session, actor)
            with pytest.raises(Forbidden):
                service.report(session, actor, since=now, until=now)
            with pytest.raises(Forbidden):
                service.list_due(session, actor, now=now)
