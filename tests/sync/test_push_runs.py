"""Plain edits that follow one another are written together, and nobody can tell it from one by one."""

import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import event, text

from app.accounts.service import accounts, records
from app.core import many
from app.core.at_once import AtOnce
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from sync import push as pushing
from sync.ahead import Plan
from sync.push import Pusher
from sync.stores.push import PushStore
from tests.sync.pushing import given, ledger, outcomes, push, row, told
from tests.world import Person, World, wire

MANY = 12
ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ANY_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many edits each write of a run held."""
    sizes: list[int] = []
    write = pushing.write

    def noted(plans: list[Plan], *args: Any) -> Any:
        done = write(plans, *args)
        sizes.append(len(plans))
        return done

    monkeypatch.setattr(pushing, "write", noted)
    return sizes


@pytest.fixture
def rep(world: World) -> Person:
    return world.person("rep", world.north)


@pytest.fixture
def held(world: World, rep: Person) -> list[UUID]:
    """Accounts that the rep's phone holds."""
    ids = [world.account(phone=f"+8225550{n:04}") for n in range(MANY)]
    rep.sync()
    given(world, rep)
    return ids


def phones(rep: Person, ids: list[UUID], first: int = 1000) -> list[dict[str, Any]]:
    """An edit of each."""
    return [rep.edit("account", one, {"phone": f"+8225551{first + n}"}) for n, one in enumerate(ids)]


def in_order(rep: Person, *mutations: dict[str, Any]) -> list[dict[str, Any]]:
    """The mutations as if they had been made one after the other."""
    return [mutation | {"n": next(rep.n)} for mutation in mutations]


@contextmanager
def refusing(world: World, *, phone: str, deferred: bool) -> Iterator[None]:
    """Let the database refuse a phone number, at once or when constraints are checked."""
    kind = "CONSTRAINT TRIGGER" if deferred else "TRIGGER"
    late = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    with world.psql() as owner:
        owner.execute(
            "CREATE OR REPLACE FUNCTION refuse_phone() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN IF NEW.phone = '{phone}' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23503'; END IF;"
            " RETURN NEW; END $$"
        )
        owner.execute(
            f"CREATE {kind} refuse_phone AFTER UPDATE ON accounts {late} FOR EACH ROW EXECUTE FUNCTION refuse_phone()"
        )
        try:
            yield
        finally:
            owner.execute("DROP TRIGGER refuse_phone ON accounts")
            owner.execute("DROP FUNCTION refuse_phone()")


class TestRun:
    def test_is_written_together_and_each_change_names_its_own_mutation_and_time(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        edits = phones(rep, held)
        for n, edit in enumerate(edits):
            edit["occurred_at"] = wire(utc_now() - timedelta(minutes=60 - n))

        verdicts = rep.sync(*edits)

        assert written == [MANY]
        assert [v["id"] for v in verdicts] == [e["id"] for e in edits]
        assert {told(v) for v in verdicts} == {("applied", None)}
        for edit, verdict in zip(edits, verdicts, strict=True):
            change = ledger(world, edit["record_id"])[-1]
            stamped = row(world, "accounts", edit["record_id"])
            assert change["mutation_id"] == edit["id"]
            assert change["new"] == {"phone": edit["fields"]["phone"]}
            assert change["occurred_at"][:19] == edit["occurred_at"][:19]
            assert (change["actor_id"], change["device_id"]) == (str(rep.id), str(rep.device_id))
            assert stamped["stamps"]["phone"][1] == edit["id"]
            assert verdict["version"] == stamped["version"] == change["version"] == 2
            assert verdict["record"]["phone"] == edit["fields"]["phone"]

    def test_costs_a_handful_of_statements(
        self, world: World, rep: Person, held: list[UUID], pools: Database
    ) -> None:
        statements: list[str] = []
        note = lambda *args: statements.append(args[2])  # noqa: E731
        rep.sync(*phones(rep, held))
        event.listen(pools.app, "before_cursor_execute", note)
        try:
            rep.sync(*phones(rep, held, 2000))
        finally:
            event.remove(pools.app, "before_cursor_execute", note)

        of_one = [s for s in statements if "UPDATE accounts" in s or "INSERT INTO sync_mutations" in s]
        assert len(of_one) == 2
        assert len(statements) < 4 * MANY

    def test_has_each_record_once_so_that_two_edits_of_one_follow_each_other(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        first, second = (rep.edit("account", held[0], {"phone": f"+8225552{n}000"}) for n in (1, 2))
        others = phones(rep, held[1:3])

        verdicts = rep.sync(*in_order(rep, first, others[0], second, others[1]))

        assert written == [2, 2]
        assert [v["status"] for v in verdicts] == ["applied"] * 4
        assert row(world, "accounts", held[0])["phone"] == "+82255522000"
        assert [c["mutation_id"] for c in ledger(world, held[0])[1:]] == [first["id"], second["id"]]

    def test_follows_the_create_of_one_of_its_records(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        made = new_id()
        create = rep.mutation("create", "account", made, fields={"name": "새 거래처"})
        edit = rep.mutation("update", "account", made, base_version=0, fields={"phone": "+8225559000"})

        verdicts = rep.sync(*in_order(rep, *phones(rep, held[:2]), create, edit))

        assert [v["status"] for v in verdicts] == ["applied"] * 4
        assert row(world, "accounts", made)["phone"] == "+8225559000"

    def test_holds_records_of_several_kinds(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        contact, site = new_id(), new_id()
        world.insert("contacts", id=contact, account_id=held[0], name="김")
        world.insert("sites", id=site, account_id=held[0], name="창고")
        rep.sync()
        edits = [
            rep.edit("contact", contact, {"job_title": "과장"}),
            rep.edit("account", held[0], {"tier": "A"}),
            rep.edit("site", site, {"location": {"lat": 37.5, "lon": 127.25}, "radius_m": 50}),
        ]

        verdicts = rep.sync(*edits)

        assert written == [3]
        assert {told(v) for v in verdicts} == {("applied", None)}
        assert row(world, "contacts", contact)["job_title"] == "과장"
        assert row(world, "sites", site)["location"] == [37.5, 127.25]
        assert rep.held("site", site) == verdicts[2]["record"]

    def test_does_not_hold_what_moves_a_record_to_other_people(
        self, world: World, held: list[UUID], written: list[int]
    ) -> None:
        manager = world.person("manager", world.region)
        contact = new_id()
        world.insert("contacts", id=contact, account_id=held[0], name="김")
        manager.sync()
        moved = manager.edit("account", held[0], {"territory_id": str(world.south)})
        edit = manager.edit("contact", contact, {"job_title": "과장"})

        verdicts = manager.sync(moved, edit)

        assert written == [1]
        assert {told(v) for v in verdicts} == {("applied", None)}

    def test_merges_with_what_others_did_since(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        later, earlier, elsewhere = phones(rep, held[:3])
        earlier["occurred_at"] = wire(utc_now() - timedelta(hours=2))
        world.sql(
            "UPDATE accounts SET phone = '+8225557777' WHERE tenant_id = :tenant AND id = :id", id=held[1]
        )
        world.sql("UPDATE accounts SET tier = 'A' WHERE tenant_id = :tenant AND id = :id", id=held[2])

        verdicts = rep.sync(later, earlier, elsewhere)

        assert written == [3]
        assert [v["status"] for v in verdicts] == ["applied", "superseded", "merged"]
        assert outcomes(verdicts[1]) == {"phone": "superseded"}
        lost = ledger(world, held[1], op="lost")
        assert [(c["new"], c["mutation_id"]) for c in lost] == [
            ({"phone": earlier["fields"]["phone"]}, earlier["id"])
        ]
        assert lost[0]["version"] == row(world, "accounts", held[1])["version"]

    def test_raises_the_stamp_of_a_value_that_is_there_already(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        same = rep.edit("account", held[0], {"phone": rep.records["account", str(held[0])]["phone"]})

        verdicts = rep.sync(same, *phones(rep, held[1:3]))

        assert written == [3]
        assert outcomes(verdicts[0]) == {"phone": "equal"}
        assert verdicts[0]["version"] == 1
        assert row(world, "accounts", held[0])["stamps"]["phone"][1] == same["id"]

    def test_leaves_an_edit_that_needs_a_person_to_be_judged_by_itself(
        self, world: World, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        asked = rep.edit("account", held[1], {"legal_name": "여기"})
        world.sql(
            "UPDATE accounts SET legal_name = '저기' WHERE tenant_id = :tenant AND id = :id", id=held[1]
        )
        first, *_, last = phones(rep, [held[0], held[2]])

        verdicts = rep.sync(*in_order(rep, first, asked, last))

        assert written == [1, 1]
        assert [v["status"] for v in verdicts] == ["applied", "conflict", "applied"]
        assert [ledger(world, one)[-1]["mutation_id"] for one in (held[0], held[2])] == [
            first["id"],
            last["id"],
        ]

    def test_tells_nothing_of_a_record_outside_the_scope_in_its_middle(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        foreign = world.account(world.south)
        edit = rep.mutation("update", "account", foreign, base_version=1, fields={"phone": "+8225559001"})
        unknown = rep.mutation("update", "account", new_id(), base_version=1, fields={"phone": "+8225559001"})
        first, last = phones(rep, held[:2])

        verdicts = rep.sync(*in_order(rep, first, edit, unknown, last))

        assert [told(v) for v in verdicts] == [
            ("applied", None),
            ("rejected", "not_found"),
            ("rejected", "not_found"),
            ("applied", None),
        ]
        assert row(world, "accounts", foreign)["version"] == 1

    def test_keeps_work_on_a_record_that_its_user_has_lost(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        first, lost, last = phones(rep, held[:3])
        world.sql(
            "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
            south=world.south,
            id=held[1],
        )

        verdicts = rep.sync(first, lost, last)

        assert [told(v) for v in verdicts] == [
            ("applied", None),
            ("conflict", "out_of_scope"),
            ("applied", None),
        ]

    @pytest.mark.parametrize(
        "bad", [{"phone": "12"}, {"name": ""}, {"name": "\x00"}, {"tier": "x" * 41}, {"no": 1}]
    )
    def test_refuses_a_bad_value_in_its_middle_alone(
        self, rep: Person, held: list[UUID], bad: dict[str, Any]
    ) -> None:
        first, _, last = phones(rep, held[:3])
        edit = rep.mutation("update", "account", held[1], base_version=1, fields=bad)

        verdicts = rep.sync(*in_order(rep, first, edit, last))

        assert [v["status"] for v in verdicts] == ["applied", "rejected", "applied"]

    @pytest.mark.parametrize("entity", [[], {"account": 1}, None])
    def test_refuses_what_names_no_entity_in_its_middle_alone(
        self, rep: Person, held: list[UUID], entity: Any
    ) -> None:
        edits = phones(rep, held[:3])
        edits[1]["entity"] = entity

        assert [v["status"] for v in rep.sync(*edits)] == ["applied", "rejected", "applied"]

    @pytest.mark.parametrize("deferred", [False, True])
    def test_lets_only_the_one_fail_that_the_database_refuses(
        self, world: World, rep: Person, held: list[UUID], written: list[int], deferred: bool
    ) -> None:
        edits = phones(rep, held)
        with refusing(world, phone=edits[5]["fields"]["phone"], deferred=deferred):
            verdicts = rep.sync(*edits)

        assert [v["status"] for v in verdicts] == ["applied"] * 5 + ["rejected"] + ["applied"] * (MANY - 6)
        assert verdicts[5]["code"] == "reference_not_found"
        assert sum(written) >= MANY - pushing.FEW
        assert [c["op"] for c in ledger(world, held[5])] == ["insert"]
        assert {ledger(world, one)[-1]["mutation_id"] for one in held[6:]} == {e["id"] for e in edits[6:]}

    def test_gives_a_replay_in_its_middle_its_first_verdict(
        self, rep: Person, held: list[UUID], written: list[int]
    ) -> None:
        first, again, last = phones(rep, held[:3])
        push(rep, again)

        verdicts = rep.sync(first, again, last)

        assert [v["replayed"] for v in verdicts] == [False, True, False]
        assert {v["status"] for v in verdicts} == {"applied"}

    def test_judges_an_id_that_stands_in_it_twice_once(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        edit, other = phones(rep, held[:2])

        verdicts = rep.sync(edit, other, edit | {"n": next(rep.n)}, edit | {"record_id": str(held[2])})

        assert sorted((v["status"], v["code"] or "", v["replayed"]) for v in verdicts) == [
            ("applied", "", False),
            ("applied", "", False),
            ("applied", "", True),
            ("rejected", "mutation_id_reused", False),
        ]
        assert len(ledger(world, held[0])) == 2

    def test_ends_where_a_group_begins(self, world: World, rep: Person, held: list[UUID]) -> None:
        group = str(uuid4())
        before = phones(rep, held[:2])
        inside = [edit | {"group": group} for edit in phones(rep, held[2:4])]
        after = phones(rep, held[4:6])

        verdicts = rep.sync(*before, *inside, *after)

        assert [v["status"] for v in verdicts] == ["applied"] * 6

    def test_is_undone_where_a_record_leaves_the_scope_before_it_is_locked(
        self, world: World, rep: Person, held: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records, left = PushStore.records, [1]

        def moved_first(store: PushStore, *args: Any) -> Any:
            if left and left.pop():
                world.sql(
                    "UPDATE accounts SET territory_id = :south WHERE tenant_id = :tenant AND id = :id",
                    south=world.south,
                    id=held[1],
                )
            return records(store, *args)

        monkeypatch.setattr(PushStore, "records", moved_first)

        verdicts = rep.sync(*phones(rep, held[:5]))

        assert [told(v) for v in verdicts] == [
            ("applied", None),
            ("conflict", "out_of_scope"),
            *[("applied", None)] * 3,
        ]


class TestBatchOfWriters:
    def test_is_forgotten_by_the_next_mutation(self, world: World, rep: Person, held: list[UUID]) -> None:
        first = rep.edit("account", held[0], {"phone": "+8225559002"})
        bound = rep.edit("account", held[0], {"code": "K-1"})

        rep.sync(first, bound)

        assert [c["mutation_id"] for c in ledger(world, held[0])[1:]] == [first["id"], bound["id"]]
        assert row(world, "accounts", held[0])["stamps"]["code"][1] == bound["id"]

    def test_is_believed_of_the_app_role_only(self, world: World, held: list[UUID]) -> None:
        said = json.dumps(
            {"mutation": str(new_id()), "stamp": ["2040-01-01T00:00:00.000000Z", str(new_id())]}
        )
        with world.psql() as owner, owner.transaction():
            owner.execute(
                "SELECT set_config('app.batch', %s, true), set_config('app.batch_0', %s, true)",
                [str(held[0]), said],
            )
            owner.execute("UPDATE accounts SET tier = 'B' WHERE id = %s", [held[0]])

        change = ledger(world, held[0])[-1]
        assert change["mutation_id"] is None
        assert change["actor_kind"] == "sql"
        assert not change["stamp_at"].startswith("2040")

    def test_says_nothing_of_other_records(self, world: World, rep: Person, held: list[UUID]) -> None:
        with world.acting(rep) as (session, _):
            session.execute(
                text("SELECT set_config('app.batch', :id, true), set_config('app.batch_0', '{}', true)"),
                {"id": str(held[0])},
            )
            session.execute(text("UPDATE accounts SET tier = 'C' WHERE id = :id"), {"id": held[1]})

        assert ledger(world, held[1])[-1]["new"] == {"tier": "C"}


class TestTwoAtOnce:
    def test_batches_over_the_same_records_in_opposite_order_are_both_applied(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        other = world.person("rep", world.north)
        other.sync()
        for _ in range(3):
            mine, theirs = phones(rep, held), phones(other, held[::-1], 3000)
            with ThreadPoolExecutor(2) as both:
                found = list(both.map(lambda pair: pair[0].sync(*pair[1]), [(rep, mine), (other, theirs)]))
            assert {v["status"] for verdicts in found for v in verdicts} <= {
                "applied",
                "merged",
                "superseded",
            }
            rep.sync()
            other.sync()
            for one in held:
                assert rep.held("account", one) == other.held("account", one)

    def test_one_batch_sent_twice_is_judged_once(self, world: World, rep: Person, held: list[UUID]) -> None:
        edits = phones(rep, held)
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda _: rep.post_sync(mutations=edits), range(2)))

        assert [a.status_code for a in answers] == [200, 200]
        replayed = [[v["replayed"] for v in a.json["verdicts"]] for a in answers]
        assert sorted(map(sum, replayed)) == [0, MANY]
        assert all(len(ledger(world, one)) == 2 for one in held)

    def test_the_same_work_from_a_second_phone_of_the_user_is_judged_once(
        self, world: World, rep: Person, held: list[UUID]
    ) -> None:
        second = world.second_phone(rep)
        second.sync()
        edits = phones(rep, held)
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(lambda phone: phone.post_sync(mutations=edits), [rep, second]))

        assert [a.status_code for a in answers] == [200, 200]
        assert sum(v["replayed"] for a in answers for v in a.json["verdicts"]) == MANY
        assert all(len(ledger(world, one)) == 2 for one in held)


class Twin:
    """One of two companies in which the same happens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rep = world.person("rep", world.north)
        self.manager = world.person("manager", world.region)
        self.names: dict[str, str] = {str(self.rep.id): "rep", str(self.manager.id): "manager"}
        for name in ("north", "south", "region"):
            self.names[str(getattr(world, name))] = name
        self.accounts = [
            world.account(
                world.south if n == 7 else world.north,
                name=f"거래처 {n}",
                code=f"C{n}",
                phone=f"+8225550{n:03}0",
                notes="하나\n둘\n셋",
                tags=["가", "나"],
                legal_name="법인",
            )
            for n in range(8)
        ]
        self.contact = new_id()
        world.insert("contacts", id=self.contact, account_id=self.accounts[0], name="김")
        for n, one in enumerate([*self.accounts, self.contact]):
            self.names[str(one)] = f"record {n}"
        self.rep.sync()
        self.manager.sync()
        given(world, self.rep)

    def plain(self, value: Any) -> Any:
        """Without what differs between the two: ids by their names, times all alike."""
        found = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
        found = ANY_ID.sub(lambda m: self.names.get(m[0], "id"), found)
        return json.loads(re.sub(r'"change": \d+', '"change": 0', ANY_TIME.sub("time", found)))

    def tables(self) -> Any:
        """All that a push writes."""
        found = {}
        for name, columns, order in (
            ("accounts", "to_jsonb(t)", "code, name"),
            ("contacts", "to_jsonb(t)", "name"),
            ("changes", "to_jsonb(t) - 'id' - 'xid'", "record_id, version, part, mutation_id, op"),
            ("conflicts", "to_jsonb(t)", "mutation_id, field"),
            ("sync_mutations", "to_jsonb(t) - 'hash'", "n, id"),
            ("sync_devices", "to_jsonb(t) - 'app_version'", "highest_n"),
        ):
            ours = " AND entity IN ('account', 'contact', 'conflict')" if name == "changes" else ""
            rows = self.world.engine_sql(
                f"SELECT {columns} FROM {name} t WHERE tenant_id = :tenant{ours} ORDER BY {order}"
            )
            plain = [self.plain(found_row[0]) for found_row in rows]
            found[name] = sorted(plain, key=lambda one: json.dumps(one, sort_keys=True, ensure_ascii=False))
        return found


FIELDS: list[dict[str, Any]] = [
    {"phone": "+8225553333"},
    {"phone": "+8225550000"},
    {"tier": "A", "website": "https://a.example.com"},
    {"tier": "B"},
    {"tags": ["나", "다"]},
    {"tags": []},
    {"notes": "하나\n둘\n셋\n넷"},
    {"notes": "하나!\n둘\n셋"},
    {"notes": "주민 900101-1234567"},
    {"legal_name": "다른 법인"},
    {"credit_limit": "1000.0000", "credit_currency": "KRW"},
    {"credit_limit": "5.0000"},
    {"location": {"lat": 37.5, "lon": 127.0}},
    {"last_visited_at": "2026-01-02T03:04:05.000006Z"},
    {"risk_class": "낮음"},
    {"code": "C1"},
    {"name": ""},
    {"phone": "12"},
    {"profile_stage": 3},
    {"unknown": 1},
]


def script(seed: int) -> list[tuple[Any, ...]]:
    """What happens, by numbers instead of ids: an edit of somebody else, or a mutation of the rep."""
    chance = random.Random(seed)
    steps: list[tuple[Any, ...]] = []
    for _ in range(chance.randint(15, 40)):
        record, fields = chance.randrange(8), chance.choice(FIELDS)
        kind = chance.choices(
            ["edit", "other", "group", "again", "delete", "create", "contact", "stale"],
            [20, 4, 1, 2, 1, 1, 2, 2],
        )[0]
        steps.append((kind, record, fields, chance.randint(1, 600), chance.random()))
    return steps


def played(twin: Twin, steps: list[tuple[Any, ...]]) -> list[Any]:
    """Do it; the others' edits come first, then one push of all of the rep's."""
    rep, mutations = twin.rep, []
    for kind, record, fields, minutes, luck in steps:
        target, at = twin.accounts[record], wire(utc_now() - timedelta(minutes=minutes))
        if kind == "other":
            if record != 7:
                edit = twin.manager.edit("account", target, fields, occurred_at=at)
                twin.names[edit["id"]] = f"other {len(twin.names)}"
                twin.manager.post_sync(mutations=[edit])
            continue
        if kind == "again" and mutations:
            mutations.append(mutations[int(luck * len(mutations))] | {"n": next(rep.n)})
            continue
        if kind == "delete":
            made = rep.mutation("delete", "account", target, base_version=1, occurred_at=at)
        elif kind == "create":
            made = rep.mutation("create", "account", target, fields={"name": "또"} | fields, occurred_at=at)
        elif kind == "contact":
            made = rep.edit("contact", twin.contact, {"phone": f"+8225558{minutes + 1000}"}, occurred_at=at)
        else:
            base = {name: rep.records.get(("account", str(target)), {}).get(name) for name in fields}
            version = 99 if kind == "stale" and luck < 0.3 else 1
            made = rep.mutation(
                "update", "account", target, base_version=version, fields=fields, base=base, occurred_at=at
            )
            if luck < 0.1:
                del made["base"]
            if kind == "group":
                made["group"] = str(new_id())
        twin.names[made["id"]] = f"mutation {made['n']}"
        mutations.append(made)
    answer = rep.post_sync(mutations=mutations)
    assert answer.status_code == 200
    return [twin.plain(verdict) for verdict in answer.json["verdicts"]]


class TestTogetherAndOneByOne:
    @pytest.mark.parametrize("seed", range(12))
    def test_come_to_the_same(
        self,
        served: Flask,
        pools: Database,
        written: list[int],
        monkeypatch: pytest.MonkeyPatch,
        seed: int,
    ) -> None:
        steps = script(seed)
        together, one_by_one = Twin(World(served, pools)), Twin(World(served, pools))

        verdicts = played(together, steps)
        assert max(written, default=0) > 1
        monkeypatch.setattr(Pusher, "runs", False)
        del written[:]

        assert played(one_by_one, steps) == verdicts
        assert written == []
        mine, theirs = together.tables(), one_by_one.tables()
        for table in theirs:
            assert [one for one in mine[table] if one not in theirs[table]] == []
            assert mine[table] == theirs[table]


class TestALoneEdit:
    """What is not about others is told by few messages, and by the usual way where that is not to be had."""

    @pytest.fixture
    def sent(self, world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Messages to the database: those of the driver's statements by their words, others by how they were sent."""
        found: list[str] = []
        for name in ("ask", "go_on", "close"):
            send = getattr(world.db.at_once, name)

            def noted(*args: Any, _name: str = name, _send: Any = send, **how: Any) -> Any:
                found.append(_name)
                return _send(*args, **how)

            monkeypatch.setattr(world.db.at_once, name, noted)

        def by_itself(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
            found.append(statement)

        event.listen(world.db.app, "before_cursor_execute", by_itself)
        yield found
        event.remove(world.db.app, "before_cursor_execute", by_itself)

    @pytest.mark.parametrize("role", ["rep", "technician", "manager", "admin"])
    @pytest.mark.parametrize("entity", ["account", "contact"])
    def test_takes_four_messages_and_its_pull_and_bookkeeping_one_each(
        self, world: World, sent: list[str], role: str, entity: str
    ) -> None:
        person, account = world.person(role, world.north), world.account()
        record, name = (account, "notes") if entity == "account" else (new_id(), "job_title")
        if entity == "contact":
            world.insert("contacts", id=record, account_id=account, name="하나")
        person.sync()
        push(person, person.edit(entity, record, {name: "가"}))
        sent.clear()

        verdict = push(person, person.edit(entity, record, {name: "나"}))

        assert told(verdict) == ("applied", None)
        assert sent == ["ask", "go_on", "go_on", "close", "ask", "ask"]

    @pytest.mark.parametrize("role", ["rep", "technician", "manager", "partner"])
    @pytest.mark.parametrize("entity", ["account", "site", "contact"])
    def test_comes_to_what_it_comes_to_by_itself(
        self, world: World, entity: str, role: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = []
        for runs in (True, False):
            monkeypatch.setattr(Pusher, "runs", runs)
            person = world.person(role, world.north)
            other = world.person(role, world.south)
            account = world.account()
            record = account if entity == "account" else new_id()
            if entity != "account":
                world.insert(f"{entity}s", id=record, account_id=account, name="하나")
            fields = {"account": "phone", "site": "name", "contact": "job_title"}[entity]
            person.sync()
            verdicts = [
                push(who, who.mutation("update", entity, record, base_version=1, fields={fields: value}))
                for who, value in (
                    (person, "+82255501234"),
                    (person, "+82255501235"),
                    (other, "+82255501236"),
                )
                if who is person or who.sync() is not None
            ]
            found.append([(told(one), outcomes(one), one["version"]) for one in verdicts])

        assert found[0] == found[1]

    def test_is_judged_anew_where_what_was_prepared_is_gone(
        self, world: World, rep: Person, held: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        go_on, gone = AtOnce.go_on, [1, 1]

        def forgetful(self: AtOnce, pooled: Any, said: Any) -> Any:
            if gone and gone.pop():
                pooled.driver_connection.execute("DEALLOCATE ALL")
            return go_on(self, pooled, said)

        push(rep, rep.edit("account", held[1], {"phone": "+82255501234"}))
        monkeypatch.setattr(AtOnce, "go_on", forgetful)
        verdict = push(rep, rep.edit("account", held[0], {"phone": "+82255501235"}))

        assert told(verdict) == ("applied", None)
        assert len(ledger(world, held[0], op="update")) == 1

    def test_is_judged_anew_where_its_room_writes_by_other_means(
        self, world: World, rep: Person, held: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(many, "SENDER", "nobody")

        edit = rep.edit("account", held[0], {"phone": "+82255501234"})
        verdict = push(rep, edit)

        (change,) = ledger(world, held[0], op="update")
        assert (told(verdict), change["mutation_id"]) == (("applied", None), edit["id"])

    def test_that_sends_more_than_was_held_is_read_again(
        self, world: World, rep: Person, held: list[UUID], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(records, "_HELD", object())
        hold = records.held

        def narrowly(session: Any, model: Any, rows: Any) -> bool:
            is_held = hold(session, model, rows)
            session.info[records._HELD, model] = {one.id: SimpleNamespace(_fields=("id",)) for one in rows}
            return is_held

        monkeypatch.setattr(accounts, "held", narrowly)
        verdict = push(rep, rep.edit("account", held[0], {"phone": "+82255501234"}))

        assert (told(verdict), row(world, "accounts", held[0])["phone"]) == (
            ("applied", None),
            "+82255501234",
        )
