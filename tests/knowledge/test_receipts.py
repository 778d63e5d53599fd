"""Notices that must be read before the next visit."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.knowledge.models import ArticleKind
from tests.knowledge.library import Library
from tests.world import Person, World, wire


@pytest.fixture
def manager(world: World) -> Person:
    return world.person(Role.MANAGER, world.region)


@pytest.fixture
def rep(world: World, manager: Person) -> Person:
    return world.person(Role.REP, world.north, manager=manager, name="김한빛")


@pytest.fixture
def notice(library: Library) -> tuple[UUID, UUID]:
    """A safety notice for reps and its words."""
    return library.out(Role.REP, kind=ArticleKind.SAFETY_NOTICE, must_read=True)


def visit(world: World, person: Person) -> dict[str, Any]:
    """An unplanned visit that began just now: the verdict."""
    account = world.account(world.north)
    person.sync()
    (verdict,) = person.sync(
        person.mutation("create", "visit", new_id(), fields={"account_id": str(account), "unplanned": True})
    )
    assert verdict["status"] == "applied", verdict
    return verdict


def acknowledgement(person: Person, version_id: UUID) -> dict[str, Any]:
    """What the phone sends when its owner has read it."""
    held = person.held("article_version", version_id)
    assert held is not None
    return person.mutation(
        "acknowledge", "article_version", version_id, base_version=held["version"], fields={}
    )


def told(person: Person) -> list[str]:
    person.sync()
    return [
        record["title_ko"]
        for (entity, _), record in person.records.items()
        if entity == "notification" and record["kind"] == "knowledge"
    ]


def unread(person: Person) -> list[tuple[str, str | None]]:
    response = person.call("GET", "/api/v1/knowledge/unread")
    assert response.status_code == 200, response.get_data(as_text=True)
    return [(one["user_name"], one["article_id"]) for one in response.json["items"]]


class TestReceipts:
    def test_are_made_offline_and_come_back_to_the_phone(
        self, notice: tuple[UUID, UUID], rep: Person
    ) -> None:
        rep.sync()
        (verdict,) = rep.sync(acknowledgement(rep, notice[1]))

        assert verdict["status"] == "applied"
        assert [r["version_id"] for (e, _), r in rep.records.items() if e == "article_receipt"] == [
            str(notice[1])
        ]

    def test_count_once_however_often_they_come(
        self, world: World, notice: tuple[UUID, UUID], rep: Person
    ) -> None:
        rep.sync()
        for _ in range(2):
            rep.sync(acknowledgement(rep, notice[1]))

        assert world.sql("SELECT count(*) FROM article_receipts WHERE version_id = :id", id=notice[1]) == [
            (1,)
        ]

    def test_of_what_is_for_others_are_refused_like_unknown_ones(
        self, library: Library, notice: tuple[UUID, UUID], world: World
    ) -> None:
        technician = world.person(Role.TECHNICIAN)
        technician.sync()
        foreign, unknown = (
            technician.sync(
                technician.mutation("acknowledge", "article_version", one, base_version=1, fields={})
            )[0]
            for one in (notice[1], new_id())
        )

        assert (foreign["status"], foreign["code"]) == (unknown["status"], unknown["code"])

    def test_of_a_version_that_was_superseded_meanwhile_are_kept_and_do_not_count_for_the_next(
        self, library: Library, notice: tuple[UUID, UUID], rep: Person, manager: Person
    ) -> None:
        rep.sync()
        sent = acknowledgement(rep, notice[1])
        library.published(notice[0])
        (verdict,) = rep.sync(sent)

        assert verdict["status"] == "merged"
        assert unread(manager) == [("김한빛", None)]


class TestVisits:
    def test_begun_without_reading_are_told_to_the_manager(
        self, world: World, notice: tuple[UUID, UUID], rep: Person, manager: Person
    ) -> None:
        visit(world, rep)

        assert told(manager) == ["김한빛 님이 안전 공지 1건을 읽지 않고 방문을 시작했습니다."]

    def test_begun_after_reading_are_not(
        self, world: World, notice: tuple[UUID, UUID], rep: Person, manager: Person
    ) -> None:
        rep.sync()
        rep.sync(acknowledgement(rep, notice[1]))
        visit(world, rep)

        assert told(manager) == []

    def test_begun_offline_before_the_notice_was_out_are_not(
        self, world: World, library: Library, rep: Person, manager: Person
    ) -> None:
        account = world.account(world.north)
        rep.sync()
        created = rep.mutation(
            "create",
            "visit",
            new_id(),
            fields={"account_id": str(account), "unplanned": True},
            occurred_at=wire(utc_now() - timedelta(hours=1)),
        )
        library.out(Role.REP, kind=ArticleKind.SAFETY_NOTICE, must_read=True)
        rep.sync(created)

        assert told(manager) == []

    def test_with_a_notice_for_others_are_not(
        self, world: World, library: Library, rep: Person, manager: Person
    ) -> None:
        library.out(Role.TECHNICIAN, kind=ArticleKind.SAFETY_NOTICE, must_read=True)
        visit(world, rep)

        assert told(manager) == []


class TestUnread:
    def test_is_known_to_the_manager_of_the_team_without_the_name_of_what_is_not_theirs(
        self, world: World, notice: tuple[UUID, UUID], rep: Person, manager: Person
    ) -> None:
        stranger = world.person(Role.MANAGER, world.region)

        assert unread(manager) == [("김한빛", None)]
        assert unread(stranger) == []

    def test_is_known_to_editors_whole(
        self, library: Library, notice: tuple[UUID, UUID], rep: Person
    ) -> None:
        assert ("김한빛", str(notice[0])) in unread(library.author)

    def test_is_not_for_readers(self, rep: Person) -> None:
        assert rep.call("GET", "/api/v1/knowledge/unread").status_code == 403

    def test_of_a_unit_means_its_people_and_not_the_managers_above(
        self, library: Library, world: World, rep: Person, manager: Person
    ) -> None:
        branch = library.unit(world.unit_id)
        library.put_into(rep, branch)
        library.out(branch, kind=ArticleKind.SAFETY_NOTICE, must_read=True)

        assert [name for name, _ in unread(manager)] == ["김한빛"]
