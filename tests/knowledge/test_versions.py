"""How words reach readers: two people, one version out at a time, and times that come."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.errors import Forbidden, HasDependants, NotFound, TransitionNotAllowed
from app.core.scope import Role
from app.jobs.knowledge import move_knowledge
from app.knowledge import service
from app.knowledge.models import Language
from app.knowledge.service.errors import KnowledgeInvalid, NewerPublished, ReviewOwn
from tests.knowledge.library import Library
from tests.world import Person, World

HOUR = timedelta(hours=1)


@pytest.fixture
def article(library: Library) -> UUID:
    return library.article(Role.REP)


def edit(library: Library, version_id: UUID, by: Person, **changes: Any) -> None:
    with library.world.acting(by) as (session, actor):
        service.update_version(session, actor, version_id, changes, now=utc_now())


class TestReview:
    def test_is_refused_to_the_author(self, library: Library, article: UUID) -> None:
        version = library.draft(article)
        library.step("submit_for_review", version)

        with pytest.raises(ReviewOwn):
            library.step("approve", version, by=library.author)
        assert library.status(version) == "in_review"

    def test_is_refused_to_who_changed_the_draft_of_another(self, library: Library, article: UUID) -> None:
        version = library.draft(article)
        edit(library, version, library.reviewer, title="다른 제목")
        library.step("submit_for_review", version)

        with pytest.raises(ReviewOwn):
            library.step("approve", version, by=library.reviewer)

    def test_is_refused_to_the_author_of_what_another_only_copied(
        self, library: Library, article: UUID
    ) -> None:
        library.draft(article)
        copy = library.draft(article, by=library.reviewer)
        library.step("submit_for_review", copy, by=library.reviewer)

        with pytest.raises(ReviewOwn):
            library.step("approve", copy, by=library.author)
        library.step("approve", copy, by=library.editor())

    def test_is_open_to_the_author_of_an_earlier_version_that_was_reviewed(
        self, library: Library, article: UUID
    ) -> None:
        library.published(article)
        copy = library.draft(article, by=library.reviewer, title="새 제목")
        library.step("submit_for_review", copy, by=library.reviewer)

        assert library.step("approve", copy, by=library.author).reviewer_id == library.author.id

    def test_is_not_for_readers(self, library: Library, article: UUID) -> None:
        version = library.published(article)

        with pytest.raises(Forbidden):
            library.step("withdraw", version, by=library.world.person(Role.REP))

    def test_names_the_allowed_steps(self, library: Library, article: UUID) -> None:
        version = library.draft(article)

        with pytest.raises(TransitionNotAllowed) as refused:
            library.step("publish", version)
        assert refused.value.details == {"status": "draft", "allowed": ["submit_for_review"]}

    def test_is_begun_anew_after_a_rejection(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("reject", version)
        edit(library, version, library.reviewer, title="고친 제목")
        library.step("submit_for_review", version)

        with pytest.raises(ReviewOwn):
            library.step("approve", version)

    def test_refuses_links_to_articles_that_are_not_there(self, library: Library, article: UUID) -> None:
        version = library.draft(article, body="[점검](article:no-such-article)")

        with pytest.raises(KnowledgeInvalid) as refused:
            library.step("submit_for_review", version)
        assert refused.value.details["what"] == "article:no-such-article"


class TestVersions:
    def test_are_copies_of_the_newest_of_their_language(self, library: Library, article: UUID) -> None:
        library.published(article, body="첫째")
        library.published(article, language=Language.EN, title="Oil", body="first")
        with library.world.acting(library.author) as (session, actor):
            copy = service.create_version(session, actor, article, {"language": Language.KO}, now=utc_now())

        assert (copy.n, copy.body, copy.status) == (2, "첫째", "draft")

    def test_that_left_the_draft_are_not_edited(self, library: Library, article: UUID) -> None:
        version = library.published(article)

        with pytest.raises(TransitionNotAllowed):
            edit(library, version, library.author, title="몰래 고침")

    def test_have_numbers_that_are_never_given_twice(self, library: Library, article: UUID) -> None:
        thrown = library.draft(article)
        with library.world.acting(library.author) as (session, actor):
            service.delete_version(session, actor, thrown, now=utc_now())
            again = service.create_version(
                session, actor, article, {"language": Language.KO, "title": "새"}, now=utc_now()
            )
        assert again.n == 2

    def test_show_what_changed(self, library: Library, article: UUID) -> None:
        first = library.published(article, body="6개월마다\n교체")
        second = library.published(article, body="3개월마다\n교체")
        with library.world.acting(library.world.person(Role.REP)) as (session, actor):
            diff = service.diff_versions(session, actor, first, second)

        assert "-6개월마다" in diff
        assert "+3개월마다" in diff
        assert " 교체" in diff

    def test_are_not_shown_to_readers_before_they_are_out(self, library: Library, article: UUID) -> None:
        version = library.approved(article)

        with library.world.acting(library.world.person(Role.REP)) as (session, actor):
            with pytest.raises(NotFound):
                service.get_version(session, actor, version)
            with pytest.raises(NotFound):
                service.get_article(session, actor, article)

    def test_keep_their_article_while_they_are_out(self, library: Library, article: UUID) -> None:
        library.published(article)

        with library.world.acting(library.author) as (session, actor), pytest.raises(HasDependants):
            service.delete_article(session, actor, article, now=utc_now())


class TestPublication:
    def test_supersedes_what_was_out(self, library: Library, article: UUID) -> None:
        first, second = library.published(article), library.published(article)

        assert (library.status(first), library.status(second)) == ("superseded", "published")

    def test_of_two_versions_at_once_leaves_one_out(self, library: Library, article: UUID) -> None:
        versions = [library.approved(article), library.approved(article)]
        start = Barrier(2)

        def publish(version_id: UUID) -> str:
            start.wait()
            try:
                library.step("publish", version_id)
            except NewerPublished:
                return "refused"
            return "done"

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(publish, versions))

        assert outcomes[1] == "done"
        assert library.status(versions[1]) == "published"
        assert library.status(versions[0]) == ("superseded" if outcomes[0] == "done" else "approved")

    def test_of_an_older_version_than_what_is_out_is_refused(self, library: Library, article: UUID) -> None:
        old, new = library.approved(article), library.approved(article)
        library.step("publish", new)

        with pytest.raises(NewerPublished):
            library.step("publish", old)

    def test_in_one_language_leaves_the_other_alone(self, library: Library, article: UUID) -> None:
        korean = library.published(article)
        library.published(article, language=Language.EN, title="Oil")

        assert library.status(korean) == "published"

    def test_past_the_last_day_is_refused(self, library: Library, article: UUID) -> None:
        version = library.approved(article, effective_to=date(2020, 1, 1))

        with pytest.raises(KnowledgeInvalid):
            library.step("publish", version)

    def test_sets_the_day_of_the_next_review(self, library: Library) -> None:
        article = library.article(Role.REP, review_every_days=30)
        library.published(article)

        ((due,),) = library.world.sql("SELECT next_review_on FROM articles WHERE id = :id", id=article)
        assert timedelta(28) < due - utc_now().date() <= timedelta(31)


class TestSchedule:
    def test_gives_words_out_when_their_time_has_come(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("publish", version, publish_at=utc_now() + HOUR)
        assert library.status(version) == "approved"

        assert move_knowledge(library.world.db, library.world.id, utc_now()) == 0
        assert move_knowledge(library.world.db, library.world.id, utc_now() + HOUR) == 1
        assert library.status(version) == "published"

    def test_leaves_alone_what_was_withdrawn_meanwhile(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("publish", version, publish_at=utc_now() + HOUR)
        library.step("withdraw", version)

        move_knowledge(library.world.db, library.world.id, utc_now() + 2 * HOUR)
        assert library.status(version) == "withdrawn"

    def test_leaves_alone_what_was_rejected_meanwhile(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("publish", version, publish_at=utc_now() + HOUR)
        library.step("reject", version)

        move_knowledge(library.world.db, library.world.id, utc_now() + 2 * HOUR)
        assert library.status(version) == "draft"

    def test_never_puts_an_older_text_over_a_newer(self, library: Library, article: UUID) -> None:
        old = library.approved(article)
        library.step("publish", old, publish_at=utc_now() + HOUR)
        new = library.published(article)

        move_knowledge(library.world.db, library.world.id, utc_now() + 2 * HOUR)
        assert (library.status(old), library.status(new)) == ("withdrawn", "published")

    def test_withdraws_at_the_time_that_was_said(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("publish", version, withdraw_at=utc_now() + HOUR)

        move_knowledge(library.world.db, library.world.id, utc_now() + 2 * HOUR)
        assert library.status(version) == "withdrawn"

    def test_withdraws_what_is_past_its_last_day(self, library: Library, article: UUID) -> None:
        version = library.published(article, effective_to=utc_now().date() + timedelta(3))

        move_knowledge(library.world.db, library.world.id, utc_now() + timedelta(2))
        assert library.status(version) == "published"
        move_knowledge(library.world.db, library.world.id, utc_now() + timedelta(5))
        assert library.status(version) == "withdrawn"

    def test_waits_for_the_day_on_which_words_take_effect(self, library: Library, article: UUID) -> None:
        version = library.approved(article, effective_from=utc_now().date() + timedelta(3))
        library.step("publish", version)
        assert library.status(version) == "approved"

        move_knowledge(library.world.db, library.world.id, utc_now() + timedelta(4))
        assert library.status(version) == "published"

    def test_that_stood_still_over_both_times_gives_nothing_out(
        self, library: Library, article: UUID
    ) -> None:
        version = library.approved(article)
        library.step("publish", version, publish_at=utc_now() + HOUR, withdraw_at=utc_now() + 2 * HOUR)

        move_knowledge(library.world.db, library.world.id, utc_now() + 3 * HOUR)
        assert library.status(version) == "withdrawn"

    def test_refuses_to_withdraw_before_it_publishes(self, library: Library, article: UUID) -> None:
        version = library.approved(article)

        with pytest.raises(KnowledgeInvalid):
            library.step("publish", version, publish_at=utc_now() + 2 * HOUR, withdraw_at=utc_now() + HOUR)

    def test_and_an_editor_at_once_agree(self, library: Library, article: UUID) -> None:
        version = library.approved(article)
        library.step("publish", version, publish_at=utc_now() + HOUR)
        start = Barrier(2)

        def run(work: Callable[[], Any]) -> None:
            start.wait()
            work()

        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    run,
                    (
                        lambda: move_knowledge(library.world.db, library.world.id, utc_now() + 2 * HOUR),
                        lambda: library.step("withdraw", version),
                    ),
                )
            )
        assert library.status(version) == "withdrawn"


class TestLanguage:
    def test_falls_back_to_the_companys(self, library: Library, article: UUID, world: World) -> None:
        library.published(article)
        reader = world.person(Role.REP)
        with world.acting(reader) as (session, actor):
            assert service.published(session, actor, article, Language.EN).language is Language.KO

        library.published(article, language=Language.EN, title="Oil")
        with world.acting(reader) as (session, actor):
            assert service.published(session, actor, article, Language.EN).language is Language.EN
            assert service.published(session, actor, article).language is Language.KO

    def test_of_the_company_comes_before_korean(self, library: Library, article: UUID, world: World) -> None:
        library.published(article)
        library.published(article, language=Language.EN, title="Oil")
        world.sql("UPDATE tenants SET locale = 'en' WHERE id = :tenant")
        reader = world.person(Role.REP)
        world.sql("UPDATE users SET locale = 'vi' WHERE id = :id", id=reader.id)

        with world.acting(reader) as (session, actor):
            assert service.published(session, actor, article).language is Language.EN
