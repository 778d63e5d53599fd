"""Knowledge in a cellar: a page found by initials, a tree walked in a visit, a correction that becomes version 2."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from app.core.clock import utc_now
from app.core.scope import Role
from examples.phone import Phone
from examples.phone.search import Search
from tests.journeys.conftest import InHand
from tests.knowledge.clinic import NOISE, Clinic
from tests.knowledge.library import Library
from tests.world import Person, World

Json = dict[str, Any]
FIRST = "기동 전에 흡입 밸브를 열고 스트레이너를 **6개월마다** 청소합니다."
CORRECTION = "기동 전에 흡입 밸브를 열고 스트레이너를 **3개월마다** 청소합니다."
WALKED = (("noise", "go"), ("suction", "low"), ("cavitation", "dirty"), ("clean", None))


class Plant:
    """A technician, two editors, a customer with a noisy pump, and pages that are not for technicians."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.library = Library(world)
        self.clinic = Clinic(self.library)
        self.technician = self.clinic.technician()
        self.account, self.visit = self.clinic.visit(self.technician)
        page = self.library.article(Role.TECHNICIAN, slug="strainer-cleaning")
        self.page = str(page)
        self.first = str(
            self.library.published(
                page,
                title="펌프 스트레이너 청소 절차",
                summary="캐비테이션을 막는 청소 주기",
                body=FIRST,
                keywords=["스트레이너", "소음"],
            )
        )
        secret = self.library.article(Role.MANAGER)
        self.secret = str(
            self.library.published(secret, title="펌프 스트레이너 원가", body="대외비", keywords=[])
        )
        other = self.library.article(Role.TECHNICIAN)
        self.library.published(other, title="보험금 청구 서류", summary="", body="서류", keywords=[])
        nodes = [one | ({"articles": ["strainer-cleaning"]} if one["id"] == "clean" else {}) for one in NOISE]
        tree = self.clinic.tree(Role.TECHNICIAN)
        self.tree = str(tree)
        self.tree_version = str(self.clinic.publish(self.clinic.draft(tree, nodes)))


@pytest.fixture
def plant(world: World) -> Plant:
    return Plant(world)


def stamp() -> str:
    return utc_now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class TestARemedy:
    def test_is_found_offline_walked_corrected_and_kept(
        self, plant: Plant, hand: Callable[..., InHand]
    ) -> None:
        phone = hand(plant.technician).phone

        run, proposal = in_the_cellar(plant, phone)
        phone.sync()
        assert {one["verdict"]["status"] for one in phone.verdicts()} == {"applied"}

        author, reviewer = (hand(one, "desk") for one in (plant.library.author, plant.library.reviewer))
        second = corrected(plant, author, reviewer, proposal)
        phone.sync()
        assert_renewed(plant, phone, second, proposal)
        assert_remembered(plant, author, run)


def in_the_cellar(plant: Plant, phone: Phone) -> tuple[str, str]:
    """No network: the page by its initials, the tree step by step, what was wrong on the page."""
    search = Search(phone.store)
    answer = search.find("ㅅㅌㄹㅇㄴ", today=utc_now().date())
    assert [hit.id for hit in answer.hits] == [plant.first]
    assert answer.hits[0].ranges, "the title shows what was found"
    page = phone.get("article_version", plant.first)
    assert page is not None
    assert page["body"] == FIRST

    version = phone.get("tree_version", plant.tree_version)
    assert version is not None
    nodes = {one["id"]: one for one in version["nodes"]}
    for (here, answered), (then, _) in pairwise(WALKED):
        (chosen,) = [one for one in nodes[here]["answers"] if one["id"] == answered]
        assert chosen["next"] == then
    assert nodes["clean"]["articles"] == ["strainer-cleaning"]

    run = phone.create(
        "diagnosis_run",
        account_id=str(plant.account),
        visit_id=str(plant.visit),
        tree_version_id=plant.tree_version,
        path=[{"node": node, "answer": answered, "at": stamp()} for node, answered in WALKED],
        outcome="solved",
    )
    phone.create("article_use", visit_id=str(plant.visit), version_id=plant.first, kind="solved")
    phone.create("article_feedback", version_id=plant.first, helpful=True)
    proposal = phone.create(
        "article_proposal",
        version_id=plant.first,
        passage=FIRST,
        correction=CORRECTION,
        reason="먼지가 많은 현장은 더 짧습니다",
    )
    return run, proposal


def corrected(plant: Plant, author: InHand, reviewer: InHand, proposal: str) -> str:
    """The editor takes it over; a second person reads it and gives it out."""
    queue = author.desk.get("/knowledge/queue")["items"]
    assert ("proposal", proposal) in {(one["kind"], one["id"]) for one in queue}
    author.desk.command(f"/knowledge/proposals/{proposal}", "accept", {})
    (draft,) = [
        one
        for one in author.desk.all(f"/knowledge/versions?article_id={plant.page}")
        if one["status"] == "draft"
    ]
    assert (draft["n"], draft["body"]) == (2, CORRECTION)
    path = f"/knowledge/versions/{draft['id']}"
    author.desk.command(path, "submit-for-review", {})
    reviewer.desk.command(path, "approve", {})
    reviewer.desk.command(path, "publish", {})
    second: str = draft["id"]
    return second


def assert_renewed(plant: Plant, phone: Phone, second: str, proposal: str) -> None:
    """Version 2 is found, and version 1 stays to be read in the visit that it solved."""
    search = Search(phone.store)
    assert [hit.id for hit in search.find("스트레이너", today=utc_now().date()).hits] == [second]
    assert phone.get("article_version", second)["body"] == CORRECTION  # type: ignore[index]
    old = phone.get("article_version", plant.first)
    assert old is not None
    assert (old["status"], old["body"]) == ("superseded", FIRST)
    (use,) = phone.list("article_use", visit_id=str(plant.visit))
    assert use["version_id"] == plant.first
    assert phone.get("article_proposal", proposal)["status"] == "accepted"  # type: ignore[index]
    assert phone.get("article_version", plant.secret) is None


def assert_remembered(plant: Plant, author: InHand, run: str) -> None:
    """The way that was taken stands in the customer's history, and counts for the remedy."""
    remedies = {
        one["node"]: one for one in author.desk.get(f"/knowledge/trees/{plant.tree}/remedies")["items"]
    }
    assert (remedies["clean"]["solved"], remedies["clean"]["runs"]) == (1, 1)
    admin = plant.world.person(Role.ADMIN)
    history = admin.call("GET", f"/api/v1/accounts/{plant.account}/history")
    assert ("diagnosis_run", run) in {(one["entity"], one["record_id"]) for one in history.json["items"]}
    timeline = admin.call("GET", f"/api/v1/accounts/{plant.account}/timeline")
    assert "diagnosis_run" in {one["entity"] for one in timeline.json["items"]}


class TestWhatIsNotForOne:
    def test_shows_nowhere(self, plant: Plant) -> None:
        person: Person = plant.technician
        found = person.call("GET", "/api/v1/search?q=원가").json
        assert (found["items"], found["total"]) == ([], 0)
        suggested = person.call("GET", "/api/v1/search/suggest?q=펌프 스트레이너").json["items"]
        assert suggested == ["펌프 스트레이너 청소 절차"]
        typo = person.call("GET", "/api/v1/search?q=스트레이너 원까").json
        assert "원가" not in str(typo.get("did_you_mean"))
