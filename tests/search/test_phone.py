"""The reference phone searches without a network and answers as the server does."""

import inspect
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.core.scope import Role
from app.jobs.knowledge import move_knowledge
from app.textindex import ranking, tokens
from examples.phone import search_ranking, search_terms
from examples.phone.search import Search
from examples.phone.store import Store
from tests.knowledge.library import Library
from tests.search.judged_set import DOMAINS, lines, starter_groups, synonyms
from tests.search.test_finding import run_the_job
from tests.search.test_finding import search as server_search
from tests.world import Person, World

VECTORS = Path(__file__).parents[2] / "openapi" / "vectors"


class Phone:
    """What a person's phone holds, and its search."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.store = Store(":memory:")
        self.search = Search(self.store)

    def sync(self) -> None:
        self.person.sync()
        with self.store.transaction():
            for entity, record_id in self.store.versions():
                if (entity, record_id) not in self.person.records:
                    self.store.remove(entity, record_id)
            for (entity, record_id), body in self.person.records.items():
                self.store.put(entity, record_id, body["version"], body, None)

    def found(self, q: str, **options: Any) -> list[str]:
        today = utc_now().date()
        return [hit.id for hit in self.search.find(q, today=today, **options).hits]


class TestTheRules:
    @pytest.mark.parametrize(("ours", "theirs"), [(search_terms, tokens), (search_ranking, ranking)])
    def test_of_the_phone_are_a_copy_of_the_servers(self, ours: Any, theirs: Any) -> None:
        """Word for word: what is mended on one side only would give two orders."""
        copied = [
            name
            for name, value in vars(ours).items()
            if inspect.isfunction(value) and value.__module__ == ours.__name__
        ]

        assert len(copied) > 10
        for name in copied:
            assert inspect.getsource(getattr(ours, name)) == inspect.getsource(getattr(theirs, name)), name

    def test_take_every_question_of_the_open_set_apart_alike(self) -> None:
        for domain in DOMAINS:
            same = [one["words"] for one in lines("synonyms", domain)]
            ours_known = search_terms.thesaurus(same, starter_groups())
            known = synonyms(domain)
            for one in lines("queries", domain):
                ours = search_terms.widen(search_terms.analyse(one["q"]), ours_known)
                theirs = tokens.widen(tokens.analyse(one["q"]), known)
                assert repr(ours) == repr(theirs), one["q"]


@dataclass(frozen=True)
class Shop:
    """A company that has all articles of the judged set out, and its people."""

    world: World
    people: tuple[Person, ...]
    keys: dict[str, str]


@pytest.fixture(scope="module")
def shop(served: Flask, pools: Database) -> Shop:
    world = World(served, pools)
    author = world.person("rep", world.north)
    keys = {}
    with world.session() as session:
        for number, article in enumerate(a for domain in DOMAINS for a in lines("articles", domain)):
            article_id, version_id = new_id(), new_id()
            keys[str(version_id)] = article["key"]
            values = {
                "tenant": world.id,
                "article": article_id,
                "version": version_id,
                "slug": article["key"],
                "priority": number % 5,
                "author": author.id,
                **article,
            }
            session.execute(
                text(
                    "INSERT INTO articles (tenant_id, id, slug, kind, priority)"
                    " VALUES (:tenant, :article, :slug, :type, :priority)"
                ),
                values,
            )
            for role in article["audience"]:
                session.execute(
                    text(
                        "INSERT INTO article_audiences (tenant_id, id, article_id, role)"
                        " VALUES (:tenant, gen_random_uuid(), :article, :role)"
                    ),
                    values | {"role": role},
                )
            session.execute(
                text(
                    "INSERT INTO article_versions (tenant_id, id, article_id, language, n, status, title, summary,"
                    " body, keywords, author_id, publish_at) VALUES (:tenant, :version, :article, :language, 1,"
                    " 'approved', :title, :summary, :body, :keywords, :author, now())"
                ),
                values,
            )
        for domain in DOMAINS:
            for group in lines("synonyms", domain):
                session.execute(
                    text(
                        "INSERT INTO search_synonyms (tenant_id, id, words, audience)"
                        " VALUES (:tenant, gen_random_uuid(), :words, ARRAY['sales', 'service'])"
                    ),
                    {"tenant": world.id, "words": group["words"]},
                )
        session.execute(
            text(
                "INSERT INTO search_synonyms (tenant_id, id, words, audience, meaning)"
                " VALUES (:tenant, :id, :words, ARRAY['sales'], 'similar')"
            ),
            [{"tenant": world.id, "id": new_id(), "words": words} for words in starter_groups()[::5]],
        )
    while move_knowledge(world.db, world.id, utc_now()):
        pass
    # Of different ages and liked differently, so that every part of the order is at work.
    world.sql(
        "UPDATE article_versions SET rating = CAST(length(body) % 6 AS smallint) - 1, published_at ="
        " published_at - make_interval(days => length(body) % 900) WHERE tenant_id = :tenant AND length(body) % 6 > 0"
    )
    run_the_job(world)
    world.drain()
    people = (world.person("rep", world.north), world.person("technician", world.north))
    return Shop(world, people, keys)


class TestTheVectors:
    def test_for_ports_are_met_by_the_phone(self) -> None:
        written = json.loads((VECTORS / "search-queries.json").read_text(encoding="utf-8"))["vectors"]
        for one in written:
            query = search_terms.widen(
                search_terms.analyse(one["q"]), search_terms.thesaurus(**one["synonyms"])
            )
            assert json.loads(json.dumps(asdict(query))) == one["expected"], one["q"]
        assert len(written) > 10


def assert_same_answers(shop: Shop, *every: int) -> None:
    """Of each person every so manieth question."""
    asked = [one["q"] for domain in DOMAINS for one in lines("queries", domain)]
    different, answered = [], 0
    for person, step in zip(shop.people, every, strict=True):
        phone = Phone(person)
        phone.sync()
        for q in asked[::step]:
            server = server_search(person, q, kinds="article_version", limit="5")
            ours = phone.search.find(q, today=utc_now().date())
            theirs = [hit["id"] for hit in server["items"]]
            answered += bool(theirs)
            if [hit.id for hit in ours.hits] != theirs or ours.did_you_mean != server["did_you_mean"]:
                found = [shop.keys[hit.id] for hit in ours.hits]
                different.append((person.role, q, found, [shop.keys[one] for one in theirs]))

    assert different == []
    assert answered > sum(len(asked) // step for step in every) * 3 // 4


@pytest.mark.more
class TestTheJudgedSet:
    def test_gives_the_same_five_first_for_every_question(self, shop: Shop) -> None:
        assert_same_answers(shop, 1, 3)

    def test_is_on_the_phones_as_far_as_it_is_for_them(self, shop: Shop) -> None:
        for person in shop.people:
            phone = Phone(person)
            phone.sync()
            meant = {
                one["key"]
                for domain in DOMAINS
                for one in lines("articles", domain)
                if person.role in one["audience"]
            }

            held = {shop.keys[record_id] for record_id in phone.store.records("article_version")}

            assert held == meant
            assert meant


@pytest.fixture
def library(world: World) -> Library:
    return Library(world)


class TestOffline:
    def test_a_second_phone_finds_what_was_withdrawn_until_it_has_synced(
        self, world: World, library: Library
    ) -> None:
        technician = world.person("technician", world.north)
        _, version = library.out(Role.TECHNICIAN)
        world.drain()
        first, second = Phone(technician), Phone(world.second_phone(technician))
        for phone in (first, second):
            phone.sync()
            assert phone.found("윤활유") == [str(version)]

        library.step("withdraw", version)
        world.drain()
        first.sync()

        assert first.found("윤활유") == []
        assert second.found("윤활유") == [str(version)]
        second.sync()
        assert second.found("윤활유") == []

    def test_initial_consonants_a_slip_and_a_synonym_are_enough(self, world: World, library: Library) -> None:
        technician = world.person("technician", world.north)
        admin = world.person("admin")
        made = admin.call("POST", "/api/v1/search/synonyms", {"words": ["윤활유", "루브"]})
        assert made.status_code == 201
        _, version = library.out(Role.TECHNICIAN)
        world.drain()
        phone = Phone(technician)
        phone.sync()

        for q in ("ㅇㅎㅇ", "윤활우", "루브", "5w30", "교체주기"):
            assert phone.found(q) == [str(version)], q
        assert phone.search.find("윤활우", today=utc_now().date()).did_you_mean == "윤활유"

    def test_changed_words_and_ranks_are_taken_in_with_the_next_sync(
        self, world: World, library: Library
    ) -> None:
        technician = world.person("technician", world.north)
        library.out(Role.TECHNICIAN)
        library.out(Role.TECHNICIAN)
        world.drain()
        phone = Phone(technician)
        phone.sync()
        before = phone.found("윤활유")

        world.sql(
            "UPDATE articles SET priority = 4 FROM article_versions v WHERE v.article_id = articles.id AND v.id = :id",
            id=UUID(before[1]),
        )
        world.drain()
        phone.sync()

        assert phone.found("윤활유") == before[::-1]

    def test_wiped_it_finds_nothing(self, world: World, library: Library) -> None:
        technician = world.person("technician", world.north)
        library.out(Role.TECHNICIAN)
        world.drain()
        phone = Phone(technician)
        phone.sync()
        assert len(phone.found("윤활유")) == 1

        with phone.store.transaction():
            phone.store.wipe()

        answer = phone.search.find("윤활유", today=date(2026, 11, 22))
        assert (answer.hits, answer.total, answer.did_you_mean) == ([], 0, None)
