"""A database that was taken back is noticed by its phones' cursors, before anything is judged."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

import localpg
from app.config import Config
from app.core.ids import new_id
from app.factory import create_app
from app.http.services import derive_key, services
from sync.cursor import Cursor, decode, encode
from sync.stores.epochs import check_identity, note_identity
from tests.servers import migrated_database
from tests.world import Person, World

Json = dict[str, Any]


class Site:
    """One installation with a database of its own, of which backups are taken and put back."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.copies: list[str] = []
        self.start()
        self.world = World(self.app, services(self.app).db)

    def start(self) -> None:
        self.app = create_app(self.config)

    def stop(self) -> None:
        services(self.app).db.dispose()

    def restart(self) -> None:
        """Another process serves the same database."""
        self.stop()
        self.start()
        self.world.app, self.world.db = self.app, services(self.app).db

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection[Any]]:
        given = os.environ.get("FIELDMERGE_TEST_SERVER")
        local = None if given else localpg.start("test", durable=False)
        try:
            url = given or (local.urls_for("postgres").admin if local else "")
            with psycopg.connect(url, autocommit=True) as connection:
                yield connection
        finally:
            if local:
                local.release()

    def backup(self) -> str:
        """A copy of the database as it is now; gives its name."""
        name = f"{self.database}_b{len(self.copies)}_{uuid4().hex[:4]}"
        self.stop()
        self.copy(self.database, name)
        self.copies.append(name)
        self.restart()
        return name

    def restore(self, name: str) -> None:
        """Serve what the backup holds; under the same name, as a restore into the same place."""
        self.stop()
        with self.admin() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.database)))
        self.copy(name, self.database)
        self.restart()

    def copy(self, source: str, target: str) -> None:
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER fieldmerge_owner").format(
                    sql.Identifier(target), sql.Identifier(source)
                )
            )

    @property
    def database(self) -> str:
        return str(conninfo_to_dict(self.config.database_owner_url)["dbname"])

    def epochs(self) -> list[tuple[UUID, bool]]:
        """Id of each life, and whether it is the present one."""
        rows = self.world.engine_sql("SELECT id, ended_at IS NULL FROM sync_epochs ORDER BY generation")
        return [(row[0], row[1]) for row in rows]

    def cursor(self, person: Person) -> Cursor:
        key = derive_key(self.config.secret_key, "sync-cursor")
        assert person.cursor
        return decode(person.cursor, key, tenant_id=self.world.id, device_id=person.device_id)

    def token(self, cursor: Cursor) -> str:
        return encode(cursor, derive_key(self.config.secret_key, "sync-cursor"))


@pytest.fixture(scope="module")
def database() -> Iterator[Config]:
    with migrated_database() as config:
        yield config


@pytest.fixture
def site(database: Config) -> Iterator[Site]:
    found = Site(database)
    yield found
    found.stop()
    with found.admin() as connection:
        for name in found.copies:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def accounts(person: Person) -> set[str]:
    return {record["name"] for (entity, _), record in person.records.items() if entity == "account"}


def judged(world: World) -> int:
    return int(world.engine_sql("SELECT count(*) FROM sync_mutations WHERE tenant_id = :tenant")[0][0])


def task(person: Person, title: str = "견적") -> Json:
    return person.mutation("create", "task", new_id(), fields={"title": title})


class TestEvidence:
    def restored_behind(self, site: Site, meanwhile: Callable[[Person], None]) -> Person:
        """A phone that saw what happened after the backup, which was put back."""
        site.world.account(name="처음")
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        name = site.backup()
        meanwhile(rep)
        site.restore(name)
        return rep

    def test_is_a_pair_of_position_and_nonce_that_no_drain_wrote(self, site: Site) -> None:
        """The head has passed the cursor's position again, so that it alone tells nothing."""

        def write(_: Person) -> None:
            site.world.account(name="사라질 고객")
            rep_of[0].sync()

        rep_of: list[Person] = []
        site.world.account(name="처음")
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        rep_of.append(rep)
        name = site.backup()
        write(rep)
        lost = site.cursor(rep)
        site.restore(name)
        for _ in range(20):
            site.world.account(name="새 고객")
        site.world.drain()
        assert (
            site.world.engine_sql("SELECT position FROM sync_heads WHERE tenant_id = :tenant")[0][0]
            > lost.position
        )

        answer = rep.post_sync(mutations=[task(rep)]).json

        assert (answer["directives"], answer["verdicts"], answer["has_more"]) == (["rebase"], [], True)
        assert judged(site.world) == 0, "it was noticed before anything was judged"
        assert answer["epoch"] == str(site.epochs()[-1][0]) != str(lost.epoch)
        rep.take(answer)
        rep.sync()
        assert accounts(rep) == {"처음", "새 고객"}

    def test_is_a_position_ahead_of_the_head(self, site: Site) -> None:
        def write(rep: Person) -> None:
            site.world.account(name="사라질 고객")
            rep.sync()

        rep = self.restored_behind(site, write)

        assert rep.post_sync().json["directives"] == ["rebase"]
        assert [present for _, present in site.epochs()][-2:] == [False, True]

    def test_is_a_judged_n_that_the_server_does_not_know(self, site: Site) -> None:
        """A push that changed nothing moves no position."""

        def push(rep: Person) -> None:
            rep.sync(rep.mutation("delete", "task", new_id()))

        rep = self.restored_behind(site, push)
        before = len(site.epochs())

        answer = rep.post_sync(mutations=[task(rep)]).json

        assert (answer["directives"], answer["verdicts"]) == (["rebase"], [])
        assert len(site.epochs()) == before + 1

    def test_is_the_nonce_of_removals_too(self, site: Site) -> None:
        site.world.account()
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        site.world.account()
        cursor = site.cursor(rep)
        rep.cursor = site.token(replace(cursor, removals_nonce=uuid4()))

        assert rep.post_sync().json["directives"] == ["rebase"]

    def test_is_found_in_the_middle_of_a_delta(self, site: Site) -> None:
        """The position is still that of the backup; only the page in the middle is of the lost life."""

        def half_a_delta(rep: Person) -> None:
            for n in range(4):
                site.world.account(name=f"사라질 고객 {n}")
            rep.take(rep.post_sync(limit=2).json)

        rep = self.restored_behind(site, half_a_delta)
        for n in range(4):
            site.world.account(name=f"새 고객 {n}")
        site.world.drain()

        rep.sync()

        assert accounts(rep) == {"처음", *(f"새 고객 {n}" for n in range(4))}

    def test_is_nothing_that_a_phone_claims(self, site: Site) -> None:
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        before = site.epochs()

        (verdict,) = rep.sync(task(rep) | {"n": 900_000, "epoch": str(uuid4())})

        assert verdict["status"] == "applied"
        assert site.epochs() == before

    def test_is_no_cursor_below_the_floor_and_its_mutations_are_judged(self, site: Site) -> None:
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        site.world.account()
        site.world.drain()
        site.world.engine_sql("UPDATE sync_heads SET floor = position WHERE tenant_id = :tenant")
        cursor = site.cursor(rep)
        before = site.epochs()

        answer = rep.post_sync(cursor=site.token(replace(cursor, nonce=uuid4())), mutations=[task(rep)]).json

        assert answer["directives"] == ["rebase"]
        assert [v["status"] for v in answer["verdicts"]] == ["applied"]
        assert site.epochs() == before

    def test_of_many_phones_at_once_begins_one_epoch(self, site: Site) -> None:
        phones = [site.world.person("rep", site.world.north) for _ in range(4)]
        name = site.backup()
        site.world.account()
        for phone in phones:
            phone.sync()
        site.restore(name)
        for _ in range(3):
            site.world.account()
        before = len(site.epochs())
        barrier, answers = threading.Barrier(4), []

        def go(phone: Person, work: list[Json]) -> None:
            barrier.wait()
            answers.append(phone.post_sync(mutations=work).json)

        threads = [
            threading.Thread(target=go, args=(p, [task(p)] if n % 2 else [])) for n, p in enumerate(phones)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        assert [a["directives"] for a in answers] == [["rebase"]] * 4
        assert {a["epoch"] for a in answers} == {str(site.epochs()[-1][0])}
        assert len(site.epochs()) == before + 1


class TestAnEndedEpoch:
    def restored(self, site: Site) -> tuple[Person, Person]:
        """A phone that slept since before the backup, and one that has found out that it was put back."""
        site.world.account(name="처음")
        sleeper, awake = (site.world.person("rep", site.world.north) for _ in range(2))
        sleeper.sync()
        awake.sync()
        name = site.backup()
        site.world.account(name="사라질 고객")
        awake.sync()
        site.restore(name)
        site.world.account(name="새 고객")
        assert awake.post_sync().json["directives"] == ["rebase"]
        return sleeper, awake

    def test_carries_a_cursor_on_from_before_the_place_where_the_lives_part(self, site: Site) -> None:
        sleeper, _ = self.restored(site)
        ended = site.cursor(sleeper).epoch

        answer = sleeper.post_sync(mutations=[task(sleeper)]).json

        assert answer["directives"] == []
        assert [v["status"] for v in answer["verdicts"]] == ["applied"]
        sleeper.take(answer)
        assert accounts(sleeper) == {"처음", "새 고객"}
        assert site.cursor(sleeper).epoch == site.epochs()[-1][0] != ended
        rows = site.world.engine_sql(
            "SELECT carried_from FROM sync_devices WHERE device_id = :d", d=sleeper.device_id
        )
        assert rows[0][0] == [ended]

    def test_carries_on_a_cursor_without_mutations_too(self, site: Site) -> None:
        sleeper, _ = self.restored(site)
        ended = site.cursor(sleeper).epoch

        assert sleeper.post_sync().json["directives"] == []

        rows = site.world.engine_sql(
            "SELECT carried_from FROM sync_devices WHERE device_id = :d", d=sleeper.device_id
        )
        assert rows[0][0] == [ended]

    @pytest.mark.parametrize("fault", ["nonce", "judged n", "ahead", "floor"])
    def test_judges_nothing_of_a_cursor_from_after_it(self, site: Site, fault: str) -> None:
        sleeper, _ = self.restored(site)
        cursor = site.cursor(sleeper)
        holds = site.world.engine_sql("SELECT position FROM sync_epoch_holds WHERE tenant_id = :tenant")[0][0]
        if fault == "nonce":
            cursor = replace(cursor, nonce=uuid4())
        elif fault == "judged n":
            cursor = replace(cursor, highest_n=5)
        elif fault == "ahead":
            cursor = replace(cursor, position=holds + 1)
        else:
            site.world.engine_sql("UPDATE sync_heads SET floor = position WHERE tenant_id = :tenant")
        before = site.epochs()

        answer = sleeper.post_sync(cursor=site.token(cursor), mutations=[task(sleeper)]).json

        assert (answer["directives"], answer["verdicts"], answer["has_more"]) == (["rebase"], [], True)
        assert judged(site.world) == 0
        assert site.epochs() == before, "a cursor of an ended epoch begins none"

    def test_that_the_database_never_knew_ends_the_present_one_once(self, site: Site) -> None:
        """It was taken back to before that epoch: bases of the present one are of two lives."""
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        unknown, before = uuid4(), site.epochs()
        token = site.token(replace(site.cursor(rep), epoch=unknown))

        answers = [rep.post_sync(cursor=token, mutations=[task(rep)]).json for _ in range(2)]

        assert [(a["directives"], a["verdicts"]) for a in answers] == [(["rebase"], [])] * 2
        assert {id for id, _ in site.epochs()} - {id for id, _ in before} == {
            unknown,
            UUID(answers[0]["epoch"]),
        }
        assert [present for _, present in site.epochs()].count(True) == 1


class TestARestart:
    def test_rebases_nobody(self, site: Site) -> None:
        site.world.account()
        rep = site.world.person("rep", site.world.north)
        rep.sync(task(rep))
        before = site.epochs()

        site.restart()
        answer = rep.post_sync(mutations=[task(rep)]).json

        assert answer["directives"] == []
        assert site.epochs() == before


class TestIdentity:
    def test_of_the_database_is_noted_and_another_one_is_an_alarm(self, site: Site) -> None:
        with site.world.db.engine.begin() as connection:
            note_identity(connection)
            assert check_identity(connection) == []
        name = site.backup()

        site.restore(name)

        with site.world.db.app.connect() as connection:
            found = check_identity(connection)
        assert [sentence.split(":")[0] for sentence in found] == [
            "this is another database (oid of the database)"
        ]
        with site.world.db.engine.begin() as connection:
            note_identity(connection)
            assert check_identity(connection) == []

    def test_that_was_never_noted_alarms_nobody(self, site: Site) -> None:
        site.world.engine_sql("UPDATE sync_epochs SET identity = NULL")

        with site.world.db.app.connect() as connection:
            assert check_identity(connection) == []

    def test_proves_nothing(self, site: Site) -> None:
        rep = site.world.person("rep", site.world.north)
        rep.sync()
        name, before = site.backup(), site.epochs()

        site.restore(name)

        assert rep.post_sync(mutations=[task(rep)]).json["directives"] == []
        assert site.epochs() == before

    def test_cannot_be_noted_by_requests(self, site: Site) -> None:
        with (
            pytest.raises(Exception, match="permission denied"),
            site.world.db.app.begin() as connection,
        ):
            note_identity(connection)
