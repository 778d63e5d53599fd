"""The model of the sync engine says what the specification says, by the specification's own examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.policy import (
    Kind,
    Merge,
    StateMachine,
    SyncEntity,
    ask,
    last_write,
    merged,
    read_only,
    rows,
    text_merge,
    text_set,
)
from tests.simulator.oracle import (
    UNKNOWN,
    Author,
    Context,
    InboxRow,
    LedgerRow,
    Oracle,
    Push,
    Stamp,
    check_no_ack_lost,
    order_independent,
    promised_order_free,
)
from tests.simulator.oracle.lines import three_way

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
TEN_YEARS = timedelta(days=3652)
R = "00000000-0000-7000-8000-00000000000a"

MACHINE = StateMachine(
    field="status",
    steps={
        "start_travel": (frozenset({"planned"}), "en_route"),
        "check_in": (frozenset({"planned", "en_route"}), "checked_in"),
        "check_out": (frozenset({"checked_in"}), "checked_out"),
        "cancel": (frozenset({"planned", "en_route"}), "cancelled"),
    },
    clock_states={"missed": frozenset({"planned", "en_route"})},
    frozen_states=frozenset({"cancelled"}),
)
THING = SyncEntity(
    "thing",
    table="things",
    buckets="",
    machine=MACHINE,
    fields={
        "name": last_write(),
        "phone": last_write(),
        "count": merged(Merge.SUM, Kind.INTEGER),
        "tags": text_set(),
        "lines": rows("lines", "thing_id", {"title": last_write(), "done": last_write(Kind.BOOLEAN)}),
        "notes": text_merge(),
        "legal": ask(),
        "risk": merged(Merge.SERVER_WINS),
        "colour": merged(Merge.CLIENT_WINS),
        "best": merged(Merge.MAX, Kind.INTEGER),
        "least": merged(Merge.MIN, Kind.INTEGER),
        "status": read_only(),
        "score": read_only(Kind.INTEGER),
    },
)
LOG = SyncEntity("log", table="logs", buckets="", fields={"body": last_write()}, append_only=True)
PARENT = SyncEntity(
    "account",
    table="accounts",
    buckets="",
    fields={
        "name": last_write(),
        "territory_id": last_write(Kind.ID),
        "owner_id": last_write(Kind.ID),
        "credit": ask(Kind.MONEY, "sales", "manager", "partner"),
    },
    shapes=("manager+partner+sales", "service"),
)
CONTACT = SyncEntity(
    "contact", table="contacts", buckets="", fields={"account_id": last_write(Kind.ID), "name": last_write()}
)
VISIT = SyncEntity(
    "visit",
    table="visits",
    buckets="",
    machine=MACHINE,
    fields={
        "account_id": last_write(Kind.ID),
        "assignee_id": last_write(Kind.ID),
        "planned_start": last_write(Kind.TIME),
        "unplanned": last_write(Kind.BOOLEAN),
        "status": read_only(),
    },
    shapes=("sales", "service", "manager", "partner"),
)
ENTITIES = {each.name: each for each in (THING, LOG, PARENT, CONTACT, VISIT)}
BLANK: Mapping[str, Any] = {
    "name": "a",
    "phone": "1",
    "count": 10,
    "tags": ["x", "y"],
    "lines": [{"id": "r1", "title": "one", "done": False}, {"id": "r2", "title": "two", "done": False}],
    "notes": "one\ntwo\nthree\nfour\nfive",
    "legal": "A",
    "risk": "low",
    "colour": "red",
    "best": 5,
    "least": 5,
    "status": "planned",
    "score": 1,
}
_ids = count(1)


def new_id() -> str:
    return f"00000000-0000-7000-8000-{next(_ids):012d}"


@dataclass(slots=True)
class Phone:
    """A device that tells the model what its person did."""

    oracle: Oracle
    user: str = "kim"
    device: str = "d1"
    skew: timedelta = timedelta(0)
    n: Iterator[int] = field(default_factory=lambda: count(1))

    def mutation(self, op: str, record_id: str = R, *, at: datetime, **parts: Any) -> dict[str, Any]:
        """A mutation that happened at a true moment, told by the phone's own clock."""
        told = (at + self.skew).isoformat()
        whole = {"id": new_id(), "n": next(self.n), "entity": "thing", "record_id": record_id, "op": op}
        return whole | {"occurred_at": told} | parts

    def push(self, mutation: Mapping[str, Any], now: datetime, **context: Any) -> dict[str, Any]:
        """Send it, and let the model decide."""
        expected = self.oracle.push(
            self.user, self.device, mutation, sent_at=now + self.skew, now=now, context=Context(**context)
        )
        return self.oracle.decide(expected)

    def edit(
        self,
        fields: Mapping[str, Any],
        *,
        at: datetime,
        now: datetime = NOON + 9 * HOUR,
        version: int = 1,
        base: Mapping[str, Any] = BLANK,
        **parts: Any,
    ) -> dict[str, Any]:
        """An update of the thing that was made at a moment and is sent later."""
        old = {name: base[name] for name in fields if name in base}
        whole: dict[str, Any] = {"base_version": version, "fields": dict(fields), "base": old} | parts
        return self.push(self.mutation("update", at=at, **whole), now)

    def command(
        self, op: str, *, at: datetime = NOON + HOUR, version: int = 1, now: datetime = NOON + 9 * HOUR
    ) -> dict[str, Any]:
        """A command on the thing."""
        return self.push(self.mutation(op, at=at, base_version=version), now)


@pytest.fixture
def oracle() -> Oracle:
    """One thing, three people."""
    return world()


def world() -> Oracle:
    made = Oracle(ENTITIES)
    for user in ("kim", "lee", "park"):
        made.upsert_user(user, role="rep")
    made.upsert_user("boss", role="manager")
    made.upsert_user("tech", role="technician")
    made.server_write("thing", R, "insert", BLANK, now=NOON)
    return made


@pytest.fixture
def kim(oracle: Oracle) -> Phone:
    return Phone(oracle)


@pytest.fixture
def lee(oracle: Oracle) -> Phone:
    return Phone(oracle, "lee", "d2")


def value(oracle: Oracle, name: str) -> Any:
    return oracle.records["thing", R].values[name]


def outcome(verdict: Mapping[str, Any], name: str) -> str:
    return str(verdict["fields"][name]["outcome"])


# §5: fields


def test_an_edit_of_what_nobody_else_changed_is_applied(oracle: Oracle, kim: Phone) -> None:
    verdict = kim.edit({"phone": "2"}, at=NOON + HOUR)
    assert (verdict["status"], outcome(verdict, "phone")) == ("applied", "applied")
    assert (value(oracle, "phone"), oracle.records["thing", R].version) == ("2", 2)


def test_edits_of_two_fields_are_merged(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"name": "b"}, at=NOON + HOUR)
    assert lee.edit({"phone": "2"}, at=NOON + HOUR)["status"] == "merged"
    assert (value(oracle, "name"), value(oracle, "phone")) == ("b", "2")


def test_the_later_of_two_writes_wins_whichever_comes_first(kim: Phone, lee: Phone) -> None:
    kim.edit({"phone": "late"}, at=NOON + 2 * HOUR)
    assert lee.edit({"phone": "early"}, at=NOON + HOUR)["status"] == "superseded"
    assert value(kim.oracle, "phone") == "late"
    assert kim.oracle.losses[0].loss.value == "early"
    assert kim.oracle.losses[0].loss.winner.at == NOON + 2 * HOUR


def test_a_tie_is_settled_by_the_mutation_id(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    first = kim.mutation("update", at=NOON + HOUR, base_version=1, fields={"phone": "k"}, id="f" * 8)
    second = lee.mutation("update", at=NOON + HOUR, base_version=1, fields={"phone": "l"}, id="0" * 8)
    kim.push(first, NOON + 2 * HOUR)
    assert lee.push(second, NOON + 2 * HOUR)["status"] == "superseded"


def test_a_confirmation_raises_the_stamp(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    park = Phone(oracle, "park", "d3")
    kim.edit({"phone": "2"}, at=NOON + HOUR)
    assert outcome(lee.edit({"phone": "2"}, at=NOON + 3 * HOUR), "phone") == "equal"
    assert park.edit({"phone": "3"}, at=NOON + 2 * HOUR)["status"] == "superseded"
    assert oracle.records["thing", R].version == 2, "a confirmation is no change"


def test_a_confirmation_is_no_part_of_the_version_that_was_seen(
    oracle: Oracle, kim: Phone, lee: Phone
) -> None:
    kim.edit({"phone": "1"}, at=NOON + 3 * HOUR)
    assert lee.edit({"phone": "3"}, at=NOON + 2 * HOUR)["status"] == "superseded"


def test_a_change_between_counts_though_the_head_is_as_before(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"legal": "B"}, now=NOON + HOUR)
    oracle.server_write("thing", R, "update", {"legal": "A"}, now=NOON + 2 * HOUR)
    assert kim.edit({"legal": "C"}, at=NOON + 3 * HOUR)["status"] == "conflict"


def test_two_steps_of_one_counter_give_15_and_not_17(oracle: Oracle, kim: Phone) -> None:
    kim.edit({"count": 12}, at=NOON + HOUR, base={"count": 10})
    kim.edit({"count": 15}, at=NOON + 2 * HOUR, base={"count": 12})
    assert value(oracle, "count") == 15


@pytest.mark.parametrize(("name", "mine"), [("count", 12), ("tags", ["x"]), ("notes", "one"), ("lines", [])])
def test_what_merges_on_a_base_is_refused_without_one(kim: Phone, name: str, mine: Any) -> None:
    verdict = kim.edit({name: mine}, at=NOON + HOUR, base={})
    assert (verdict["status"], verdict["code"]) == ("rejected", "base_required")


def test_counters_of_two_people_add_up_even_when_equal(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"count": 13}, at=NOON + HOUR)
    verdict = lee.edit({"count": 13}, at=NOON + HOUR)
    assert (outcome(verdict, "count"), value(oracle, "count")) == ("combined", 16)


def test_elements_of_a_set_are_added_and_removed_one_by_one(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"tags": ["x", "y", "z"]}, at=NOON + HOUR)
    verdict = lee.edit({"tags": ["y", "w"]}, at=NOON + HOUR)
    assert (outcome(verdict, "tags"), value(oracle, "tags")) == ("combined", {"y", "z", "w"})


def test_the_later_act_on_one_element_wins(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"tags": ["x"]}, now=NOON + 2 * HOUR)
    again = kim.edit({"tags": ["x", "y"]}, base=dict(BLANK, tags=["x"]), at=NOON + HOUR)
    assert again["status"] == "superseded", "y was removed later"
    again = kim.edit({"tags": ["x", "y"]}, base=dict(BLANK, tags=["x"]), at=NOON + 3 * HOUR, version=2)
    assert value(oracle, "tags") == {"x", "y"}
    assert again["status"] == "applied"


def row(name: str, title: str, done: bool = False) -> dict[str, Any]:
    return {"id": name, "title": title, "done": done}


def test_rows_merge_by_row_and_then_by_field(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"lines": [row("r1", "one", True), row("r2", "two"), row("r3", "three")]}, at=NOON + HOUR)
    verdict = lee.edit({"lines": [row("r1", "eins")]}, at=NOON + HOUR)
    assert outcome(verdict, "lines") == "combined"
    assert value(oracle, "lines") == {
        "r1": {"title": "eins", "done": True},
        "r3": {"title": "three", "done": False},
    }


def test_a_row_that_is_deleted_here_and_edited_there_stays_and_waits(
    oracle: Oracle, kim: Phone, lee: Phone
) -> None:
    kim.edit({"lines": [row("r1", "one"), row("r2", "zwei")]}, at=NOON + HOUR)
    verdict = lee.edit({"lines": [row("r1", "one")]}, at=NOON + 2 * HOUR)
    assert (verdict["status"], set(value(oracle, "lines"))) == ("conflict", {"r1", "r2"})


def test_an_edit_of_a_row_that_was_deleted_is_never_silent(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"lines": [row("r1", "one")]}, at=NOON + 2 * HOUR)
    verdict = lee.edit({"lines": [row("r1", "one"), row("r2", "zwei")]}, at=NOON + HOUR)
    assert verdict["status"] == "conflict"


def test_texts_merge_by_line(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"notes": "ONE\ntwo\nthree\nfour\nfive"}, at=NOON + HOUR)
    verdict = lee.edit({"notes": "one\ntwo\nthree\nfour\nFIVE"}, at=NOON + HOUR)
    assert (outcome(verdict, "notes"), value(oracle, "notes")) == (
        "combined",
        "ONE\ntwo\nthree\nfour\nFIVE",
    )


def test_edits_of_one_line_wait_with_both_texts(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"notes": "one\nk\nthree\nfour\nfive"}, at=NOON + HOUR)
    assert lee.edit({"notes": "one\nl\nthree\nfour\nfive"}, at=NOON + HOUR)["status"] == "conflict"
    assert value(oracle, "notes") == "one\nk\nthree\nfour\nfive"
    assert oracle.inbox[0].mine == "one\nl\nthree\nfour\nfive"


def test_ask_keeps_the_servers_value_and_one_item_for_all_losers(
    oracle: Oracle, kim: Phone, lee: Phone
) -> None:
    assert kim.edit({"legal": "B"}, at=NOON + HOUR)["status"] == "applied"
    assert lee.edit({"legal": "C"}, at=NOON + HOUR)["status"] == "conflict"
    assert Phone(oracle, "park", "d3").edit({"legal": "D"}, at=NOON + HOUR)["status"] == "conflict"
    assert (value(oracle, "legal"), len(oracle.inbox), len(oracle.inbox[0].mutations)) == ("B", 1, 2)


def test_a_rest_of_fields_is_applied_beside_a_conflict(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"legal": "B"}, at=NOON + HOUR)
    verdict = lee.edit({"legal": "C", "phone": "9"}, at=NOON + HOUR)
    assert (verdict["status"], outcome(verdict, "phone"), value(oracle, "phone")) == (
        "conflict",
        "applied",
        "9",
    )


@pytest.mark.parametrize(
    ("name", "first", "second", "left"),
    [
        ("risk", "k", "l", "k"),
        ("colour", "k", "l", "l"),
        ("best", 9, 7, 9),
        ("best", 7, 9, 9),
        ("least", 1, 3, 1),
        ("least", 3, 1, 1),
    ],
)
def test_the_named_policies_do_as_named(
    oracle: Oracle, kim: Phone, lee: Phone, name: str, first: Any, second: Any, left: Any
) -> None:
    kim.edit({name: first}, at=NOON + HOUR)
    lee.edit({name: second}, at=NOON + 2 * HOUR)
    assert value(oracle, name) == left


def test_a_read_only_field_is_refused_with_the_whole_mutation(oracle: Oracle, kim: Phone) -> None:
    verdict = kim.edit({"phone": "2", "score": 5}, at=NOON + HOUR)
    assert (verdict["status"], verdict["code"], value(oracle, "phone")) == (
        "rejected",
        "read_only_field",
        "1",
    )


# §5: own and others, clocks


def test_a_devices_own_earlier_mutations_are_no_others(oracle: Oracle, kim: Phone) -> None:
    kim.edit({"legal": "B"}, at=NOON + HOUR)
    verdict = kim.edit({"legal": "C"}, at=NOON + 2 * HOUR, base=dict(BLANK, legal="B"))
    assert (verdict["status"], value(oracle, "legal")) == ("applied", "C")


def test_the_users_other_phone_is_another(oracle: Oracle, kim: Phone) -> None:
    kim.edit({"legal": "B"}, at=NOON + HOUR)
    assert Phone(oracle, "kim", "tablet").edit({"legal": "C"}, at=NOON + HOUR)["status"] == "conflict"


def test_a_reinstalled_app_is_the_device_whose_queue_it_replays(oracle: Oracle, kim: Phone) -> None:
    first = kim.mutation("update", at=NOON + HOUR, base_version=1, fields={"legal": "B"})
    kim.push(first, NOON + HOUR)
    again = Phone(oracle, "kim", "new", n=count(2))
    assert again.push(first, NOON + 2 * HOUR)["replayed"]
    assert again.edit({"legal": "C"}, at=NOON + 2 * HOUR)["status"] == "applied"


@pytest.mark.parametrize("skew", [TEN_YEARS, -TEN_YEARS])
def test_ten_years_of_skew_change_nothing(oracle: Oracle, kim: Phone, skew: timedelta) -> None:
    lee = Phone(oracle, "lee", "d2", skew=skew)
    kim.edit({"phone": "k", "name": "k"}, at=NOON + 2 * HOUR)
    lee.edit({"phone": "l"}, at=NOON + HOUR)
    assert value(oracle, "phone") == "k"
    lee.edit({"name": "l"}, at=NOON + 3 * HOUR)
    assert value(oracle, "name") == "l"


def test_the_monotonic_age_is_believed_before_the_clock(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"phone": "k"}, at=NOON + 2 * HOUR)
    verdict = lee.edit({"phone": "l"}, at=NOON + 5 * HOUR, now=NOON + 9 * HOUR, age_ms=8 * 3_600_000)
    assert verdict["status"] == "superseded", "one hour after noon"


def test_a_stamp_is_at_most_now_and_above_what_was_seen(oracle: Oracle, kim: Phone) -> None:
    now = NOON + HOUR
    kim.edit({"phone": "2"}, at=NOON + 5 * HOUR, now=now)
    assert oracle.records["thing", R].stamps["phone",].at == now
    kim.edit({"phone": "3"}, at=NOON - 5 * HOUR, now=now)
    assert oracle.records["thing", R].stamps["phone",].at > now, "above the device's earlier mutation"
    assert value(oracle, "phone") == "3"


def test_an_edit_is_later_than_the_version_it_was_based_on(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"phone": "9"}, now=NOON + 5 * HOUR)
    assert kim.edit({"phone": "2"}, version=2, at=NOON - HOUR)["status"] == "applied"


# §4: create, replay, groups


def create(phone: Phone, record_id: str, fields: Mapping[str, Any] = BLANK, **parts: Any) -> dict[str, Any]:
    free = {name: each for name, each in fields.items() if name not in ("status", "score")}
    return phone.mutation("create", record_id, at=NOON, fields=free, **parts)


def test_a_create_makes_a_record_and_again_is_nothing_new(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    made = create(kim, "t2")
    assert kim.push(made, NOON)["status"] == "applied"
    assert kim.push(made, NOON) | {"replayed": False} == oracle.verdicts["kim", made["id"]].verdict
    assert kim.push(create(kim, "t2"), NOON)["status"] == "applied"
    assert lee.push(create(lee, "t2"), NOON)["status"] in ("applied", "merged")
    assert oracle.records["thing", "t2"].version == 1


def test_a_create_of_what_is_deleted_is_a_conflict(oracle: Oracle, kim: Phone) -> None:
    oracle.given("kim", [("thing", R)], NOON)
    oracle.server_write("thing", R, "delete", now=NOON)
    assert kim.push(create(kim, R), NOON)["status"] == "conflict"
    assert oracle.records["thing", R].deleted, "a deleted record never comes back by itself (I12)"


def test_the_same_id_with_other_content_is_refused(oracle: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"})
    kim.push(one, NOON)
    assert kim.push(one | {"n": 77, "age_ms": 5}, NOON)["replayed"]
    assert kim.push(one | {"fields": {"phone": "3"}}, NOON)["code"] == "mutation_id_reused"
    assert kim.push(one, NOON)["replayed"], "the first verdict stands"


def test_verdicts_belong_to_the_user(kim: Phone, lee: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"})
    kim.push(one, NOON)
    assert not lee.push(one, NOON)["replayed"]


def test_a_second_device_with_the_same_counter_is_a_clone(oracle: Oracle, kim: Phone) -> None:
    kim.edit({"phone": "2"}, at=NOON)
    twin = Phone(oracle)
    one = twin.mutation("update", at=NOON, base_version=1, fields={"name": "b"})
    assert oracle.push("kim", "d1", one, sent_at=NOON, now=NOON).clone


def test_work_on_a_rejected_create_depends_on_it(oracle: Oracle, kim: Phone) -> None:
    assert kim.push(create(kim, "t2", {"score": 1, "name": "x"}), NOON, valid=False)["status"] == "rejected"
    later = kim.mutation("update", "t2", at=NOON, base_version=1, fields={"name": "y"})
    assert kim.push(later, NOON)["code"] == "depends_on"


def test_a_group_falls_as_a_whole(oracle: Oracle, kim: Phone) -> None:
    members = [
        kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"}, group="g"),
        kim.mutation("update", at=NOON, base_version=1, fields={"score": 2}, group="g"),
        kim.mutation("update", at=NOON, base_version=1, fields={"name": "b"}, group="g"),
    ]
    verdicts = oracle.decide_group(oracle.push_group("kim", "d1", members, sent_at=NOON, now=NOON))
    assert [each["code"] for each in verdicts] == ["group_failed", "read_only_field", "group_failed"]
    assert (value(oracle, "phone"), oracle.records["thing", R].version) == ("1", 1)


def test_a_whole_group_is_one_transaction(oracle: Oracle, kim: Phone) -> None:
    members = [
        kim.mutation("update", at=NOON, base_version=1, fields={name: "2"}, group="g")
        for name in ("phone", "name")
    ]
    group = oracle.push_group("kim", "d1", members, sent_at=NOON, now=NOON)
    assert [each["status"] for each in oracle.decide_group(group)] == ["applied", "applied"]
    assert oracle.records["thing", R].version == 2
    again = oracle.push_group("kim", "d1", members, sent_at=NOON, now=NOON)
    assert all(each["replayed"] for each in oracle.decide_group(again))


def test_a_group_that_was_torn_is_noticed(oracle: Oracle, kim: Phone) -> None:
    members = [
        kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"}, group="g"),
        kim.mutation("update", at=NOON, base_version=1, fields={"score": 2}, group="g"),
    ]
    group = oracle.push_group("kim", "d1", members, sent_at=NOON, now=NOON)
    torn: list[dict[str, Any]] = [
        {"status": "applied", "code": None, "fields": {"phone": {"outcome": "applied"}}},
        {"status": "rejected", "code": "read_only_field"},
    ]
    assert oracle.settle_group(group, torn)


def test_a_known_group_with_other_members_is_refused(oracle: Oracle, kim: Phone) -> None:
    members = [
        kim.mutation("update", at=NOON, base_version=1, fields={name: "2"}, group="g")
        for name in ("phone", "name")
    ]
    oracle.decide_group(oracle.push_group("kim", "d1", members, sent_at=NOON, now=NOON))
    other = kim.mutation("update", at=NOON, base_version=1, fields={"risk": "2"}, group="g")
    group = oracle.push_group("kim", "d1", [members[0], other], sent_at=NOON, now=NOON)
    refused = {"status": "rejected", "code": "group_changed"}
    again = dict(oracle.verdicts["kim", members[0]["id"]].verdict, replayed=True)
    assert oracle.copy().settle_group(group, [refused, refused])
    assert oracle.settle_group(group, [again, refused]) == []
    assert value(oracle, "risk") == "low"


def test_a_mutation_that_the_server_failed_on_waits(oracle: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"})
    assert kim.push(one, NOON, failed=True)["status"] == "conflict"
    assert value(oracle, "phone") == "1"


# §5: commands, frozen records, delete against edit


def test_what_the_clock_made_gives_way_to_a_command(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"status": "missed"}, now=NOON + 2 * HOUR)
    assert kim.command("check_in")["status"] == "merged"
    assert value(oracle, "status") == "checked_in"


def test_what_a_person_made_opens_a_conflict(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"status": "cancelled"}, now=NOON + 2 * HOUR)
    assert kim.command("check_in")["status"] == "conflict"
    assert (value(oracle, "status"), oracle.inbox[0].kind) == ("cancelled", "command")


def test_what_was_illegal_on_its_own_base_is_rejected(oracle: Oracle, kim: Phone) -> None:
    assert kim.command("check_out")["code"] == "transition_not_allowed"
    oracle.server_write("thing", R, "update", {"status": "cancelled"}, now=NOON + 2 * HOUR)
    assert kim.command("check_out")["code"] == "transition_not_allowed"


def test_a_days_commands_on_one_base_are_a_chain(oracle: Oracle, kim: Phone) -> None:
    for at, op in enumerate(("start_travel", "check_in", "check_out")):
        assert kim.command(op, at=NOON + at * HOUR)["status"] == "applied"
    assert value(oracle, "status") == "checked_out"


def test_a_chain_whose_head_waits_is_never_merely_rejected(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"status": "cancelled"}, now=NOON + 2 * HOUR)
    assert kim.command("check_in")["status"] == "conflict"
    assert kim.command("check_out")["status"] == "conflict", "legal after the phone's own check_in"


def test_an_edit_of_a_record_frozen_since_waits_and_of_one_frozen_before_is_refused(
    oracle: Oracle, kim: Phone
) -> None:
    oracle.server_write("thing", R, "update", {"status": "cancelled"}, now=NOON + 2 * HOUR)
    assert kim.edit({"phone": "2"}, at=NOON + HOUR)["status"] == "conflict"
    assert kim.edit({"phone": "2"}, at=NOON + HOUR, version=2)["status"] == "rejected"
    assert value(oracle, "phone") == "1"


def test_a_frozen_record_takes_what_says_nothing_new(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"status": "cancelled", "phone": "2"}, now=NOON + 2 * HOUR)
    assert outcome(kim.edit({"phone": "2"}, at=NOON + HOUR), "phone") == "equal"


def test_a_command_that_others_made_legal_is_done(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"status": "checked_in"}, now=NOON + 2 * HOUR)
    assert kim.command("check_out")["status"] == "merged"


def test_the_same_command_of_two_people_waits(kim: Phone, lee: Phone) -> None:
    kim.command("cancel")
    assert lee.command("cancel")["status"] == "conflict"


def test_a_command_of_an_ended_epoch_is_judged_by_what_the_phone_tells(
    oracle: Oracle, kim: Phone, lee: Phone
) -> None:
    oracle.server_write("thing", R, "update", {"status": "cancelled"}, now=NOON + HOUR)
    bare = kim.mutation("check_in", at=NOON, base_version=9)
    assert kim.push(bare, NOON + 2 * HOUR, base_known=False)["status"] == "conflict"
    told = lee.mutation("check_out", at=NOON, base_version=9, base={"status": "planned"})
    assert lee.push(told, NOON + 2 * HOUR, base_known=False)["code"] == "transition_not_allowed"


def test_a_second_delete_is_done_already(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    for phone, version in ((kim, 1), (lee, 1)):
        remove = phone.mutation("delete", at=NOON + HOUR, base_version=version)
        assert phone.push(remove, NOON + 2 * HOUR)["status"] == "applied"


def test_an_edit_after_a_delete_waits(oracle: Oracle, kim: Phone) -> None:
    oracle.given("kim", [("thing", R)], NOON)
    oracle.server_write("thing", R, "delete", now=NOON + HOUR)
    assert kim.edit({"phone": "2"}, at=NOON + 2 * HOUR)["status"] == "conflict"
    assert oracle.records["thing", R].deleted


def test_a_delete_after_an_unseen_edit_waits(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    lee.edit({"phone": "2"}, at=NOON + HOUR)
    remove = kim.mutation("delete", at=NOON + 2 * HOUR, base_version=1)
    assert kim.push(remove, NOON + 3 * HOUR)["status"] == "conflict"
    assert not oracle.records["thing", R].deleted
    remove = kim.mutation("delete", at=NOON + 2 * HOUR, base_version=2)
    assert kim.push(remove, NOON + 3 * HOUR)["status"] == "applied"


def test_append_only_records_take_no_edits(oracle: Oracle, kim: Phone) -> None:
    made = kim.mutation("create", "l1", at=NOON, entity="log", fields={"body": "x"})
    assert kim.push(made, NOON)["status"] == "applied"
    edit = kim.mutation("update", "l1", at=NOON, entity="log", base_version=1, fields={"body": "y"})
    assert kim.push(edit, NOON)["status"] == "rejected"


def test_a_record_deleted_by_hand_comes_back_with_a_higher_version(oracle: Oracle) -> None:
    oracle.server_write("thing", R, "erase", now=NOON)
    oracle.server_write("thing", R, "insert", BLANK, now=NOON)
    assert oracle.records["thing", R].version == 3


# §3: scope and what phones hold


@pytest.fixture
def company(oracle: Oracle) -> Oracle:
    """Region > north, south; Kim has the north, Lee the south, the boss all; accounts in both."""
    oracle.upsert_territory("region")
    oracle.upsert_territory("north", parent="region")
    oracle.upsert_territory("south", parent="region")
    for user, place in (("kim", "north"), ("lee", "south"), ("boss", "region")):
        oracle.upsert_member(f"m-{user}", territory=place, user=user)
    for name, place in (("an", "north"), ("as", "south")):
        fields = {"name": name, "territory_id": place, "owner_id": None, "credit": "5"}
        oracle.server_write("account", name, "insert", fields, now=NOON)
        contact = {"account_id": name, "name": f"{name}'s"}
        oracle.server_write("contact", f"c{name}", "insert", contact, now=NOON)
    return oracle


def held(oracle: Oracle, user: str, now: datetime = NOON, entity: str = "account") -> set[str]:
    return {key[1] for key in oracle.view(user, now) if key[0] == entity}


def test_everybody_holds_their_territories_and_managers_all_below(company: Oracle) -> None:
    assert held(company, "kim") == {"an"}
    assert held(company, "kim", entity="contact") == {"can"}
    assert held(company, "boss") == {"an", "as"}
    assert held(company, "tech") == set()


def test_a_membership_ends_by_its_date_alone(company: Oracle) -> None:
    company.upsert_member("m-kim", territory="north", user="kim", valid_to=date(2026, 11, 21))
    assert held(company, "kim") == {"an"}
    assert held(company, "kim", NOON + timedelta(days=1)) == set()


def test_a_delegation_lends_territories_for_a_time(company: Oracle) -> None:
    company.upsert_delegation("d", from_user="lee", to_user="kim", starts=NOON, ends=NOON + HOUR)
    assert held(company, "kim", NOON + MINUTE) == {"an", "as"}
    assert held(company, "kim", NOON + HOUR) == {"an"}


def test_an_owner_holds_an_account_outside_their_territories_but_no_technician(company: Oracle) -> None:
    for owner in ("kim", "tech"):
        company.server_write("account", "as", "update", {"owner_id": owner}, now=NOON)
        assert ("as" in held(company, owner)) == (owner == "kim")


def visit(oracle: Oracle, name: str, account: str, user: str, at: datetime, status: str = "planned") -> None:
    fields = {"account_id": account, "assignee_id": user, "planned_start": at, "status": status}
    oracle.server_write("visit", name, "insert", fields, now=NOON)


def test_a_technician_holds_the_accounts_of_their_own_visits_without_sales_terms(company: Oracle) -> None:
    visit(company, "v", "an", "tech", NOON + timedelta(days=13))
    assert held(company, "tech", entity="visit") == {"v"}
    assert "credit" not in company.view("tech", NOON)["account", "an"]
    assert held(company, "tech", NOON + timedelta(days=17)) == set()


def test_a_rep_holds_own_visits_of_the_window_and_the_last_five_of_an_account(company: Oracle) -> None:
    for day in range(7):
        visit(company, f"v{day}", "an", "boss", NOON - timedelta(days=30 + day), "checked_out")
    visit(company, "soon", "an", "kim", NOON + timedelta(days=1))
    visit(company, "later", "an", "kim", NOON + timedelta(days=20))
    visit(company, "foreign", "as", "kim", NOON)
    assert held(company, "kim", entity="visit") == {"soon", "v0", "v1", "v2", "v3", "v4"}
    assert company.in_scope("kim", "visit", "later", NOON), "a window limits what is held, not scope"
    assert not company.in_scope("kim", "visit", "foreign", NOON), "its account is outside the scope"


def update_of_account(phone: Phone, name: str, **parts: Any) -> dict[str, Any]:
    one = phone.mutation("update", name, at=NOON, entity="account", base_version=1, fields={"name": "z"})
    return phone.push(one | parts, NOON + HOUR)


def test_a_foreign_record_answers_as_an_unknown_one(company: Oracle, kim: Phone) -> None:
    assert update_of_account(kim, "as")["code"] == "not_found"
    assert update_of_account(kim, "nowhere")["code"] == "not_found"
    taken = kim.mutation("create", "as", at=NOON, entity="account", fields={"name": "z"})
    assert kim.push(taken, NOON)["code"] == "id_taken"


def test_unsent_work_on_a_record_lost_since_waits(company: Oracle, kim: Phone) -> None:
    company.given("kim", company.view("kim", NOON), NOON)
    company.server_write("account", "an", "update", {"territory_id": "south"}, now=NOON)
    verdict = update_of_account(kim, "an")
    assert (verdict["status"], company.inbox[0].kind) == ("conflict", "out_of_scope")
    assert company.records["account", "an"].values["name"] == "an"


def test_after_a_restore_work_on_unknown_ids_is_parked_for_a_day(company: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", "new", at=NOON, base_version=1, fields={"name": "z"})
    assert kim.push(one, NOON + HOUR, epoch_started_at=NOON)["code"] == "awaiting_record"
    two = kim.mutation("update", "newer", at=NOON, base_version=1, fields={"name": "z"})
    assert kim.push(two, NOON + 25 * HOUR, epoch_started_at=NOON)["code"] == "not_found"


def test_a_base_of_an_unknown_epoch_is_only_what_the_phone_sent(oracle: Oracle, kim: Phone) -> None:
    oracle.server_write("thing", R, "update", {"legal": "B"}, now=NOON + HOUR)
    sent = kim.mutation("update", at=NOON, base_version=2, fields={"legal": "C"}, base={"legal": "A"})
    assert kim.push(sent, NOON + 2 * HOUR, base_known=False)["status"] == "conflict"
    bare = kim.mutation("update", at=NOON, base_version=2, fields={"legal": "C"})
    assert kim.push(bare, NOON + 2 * HOUR, base_known=False)["status"] == "conflict"
    true = kim.mutation("update", at=NOON, base_version=2, fields={"legal": "C"}, base={"legal": "B"})
    assert kim.push(true, NOON + 2 * HOUR, base_known=False)["status"] == "merged"


def test_a_dismissed_persons_work_goes_to_quarantine(oracle: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"name": "z"})
    verdict = oracle.decide(oracle.quarantine("kim", "d1", one, now=NOON))
    assert (verdict["status"], verdict["code"], value(oracle, "name")) == ("conflict", "quarantined", "a")


def test_what_was_ones_own_and_is_somebody_elses_waits(company: Oracle, kim: Phone) -> None:
    visit(company, "v", "an", "kim", NOON)
    fields = {"planned_start": NOON.isoformat()}
    edit = kim.mutation(
        "update", "v", at=NOON, entity="visit", base_version=1, fields=fields | {"unplanned": True}
    )
    step = kim.mutation("check_in", "v", at=NOON, entity="visit", base_version=1)
    known = kim.mutation("check_in", "v", at=NOON, entity="visit", base_version=2)
    company.server_write("visit", "v", "update", {"assignee_id": "lee"}, now=NOON)
    assert kim.push(edit, NOON + HOUR)["code"] == "visit.reassigned"
    assert kim.push(step, NOON + HOUR)["status"] == "conflict"
    assert kim.push(known, NOON + HOUR, permitted=False)["status"] == "rejected"


def test_a_record_with_live_dependants_is_not_deleted_unless_its_group_deletes_them(
    company: Oracle, kim: Phone
) -> None:
    members = [
        kim.mutation("delete", name, at=NOON, entity=entity, base_version=1, group="g")
        for entity, name in (("account", "an"), ("contact", "can"))
    ]
    alone = kim.mutation("delete", "an", at=NOON, entity="account", base_version=1)
    assert kim.push(alone, NOON)["code"] == "has_dependants"
    verdicts = company.decide_group(company.push_group("kim", "d1", members, sent_at=NOON, now=NOON))
    assert [each["status"] for each in verdicts] == ["applied", "applied"]


# The comparisons


def test_a_ghost_a_missing_record_and_a_foreign_field_are_named(company: Oracle) -> None:
    right = company.view("kim", NOON)
    assert company.compare("kim", NOON, right) == []
    ghost = dict(right) | {("account", "as"): {"version": 1}}
    assert company.compare("kim", NOON, ghost) == ["('account', 'as') is a ghost on the device"]
    short = {key: held for key, held in right.items() if key != ("account", "an")}
    assert company.compare("kim", NOON, short) == ["('account', 'an') is missing on the device"]
    visit(company, "v", "an", "tech", NOON)
    leaky = dict(company.view("tech", NOON))
    leaky["account", "an"] = dict(leaky["account", "an"], credit="5.0000")
    assert "I4" in company.compare("tech", NOON, leaky)[0]


def test_what_only_the_server_knows_is_adopted_and_the_rest_is_compared(oracle: Oracle, kim: Phone) -> None:
    kim.push(create(kim, "t2", {"name": "b"}), NOON)
    assert oracle.records["thing", "t2"].values["phone"] is UNKNOWN
    assert oracle.adopt("thing", "t2", {"version": 1, "name": "b", "phone": "7"}) == []
    assert oracle.adopt("thing", "t2", {"version": 2, "name": "c", "phone": "8"}) == [
        "thing t2: version: model 1, server 2",
        "thing t2.name: model 'b', server 'c'",
        "thing t2.phone: model '7', server '8'",
    ]


def test_wrong_verdicts_are_named(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"phone": "late"}, at=NOON + 2 * HOUR)
    early = lee.mutation("update", at=NOON + HOUR, base_version=1, fields={"phone": "early"})
    expected = oracle.push("lee", "d2", early, sent_at=NOON + 3 * HOUR, now=NOON + 3 * HOUR)
    wrong = {"status": "applied", "code": None, "fields": {"phone": {"outcome": "applied"}}, "version": 3}
    assert "expected ['superseded']" in oracle.settle(expected, wrong)[0]


def test_a_version_that_was_not_bumped_is_named(oracle: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"})
    expected = oracle.push("kim", "d1", one, sent_at=NOON, now=NOON)
    stuck = {"status": "applied", "code": None, "fields": {"phone": {"outcome": "applied"}}, "version": 1}
    assert "version 1" in oracle.settle(expected, stuck)[0]


def test_a_replay_that_differs_is_named(oracle: Oracle, kim: Phone) -> None:
    one = kim.mutation("update", at=NOON, base_version=1, fields={"phone": "2"})
    first = kim.push(one, NOON)
    expected = oracle.push("kim", "d1", one, sent_at=NOON, now=NOON)
    assert expected.replayed
    assert oracle.settle(expected, first | {"replayed": True, "status": "merged"})


def test_each_acknowledged_value_must_be_somewhere(oracle: Oracle, kim: Phone, lee: Phone) -> None:
    kim.edit({"phone": "late"}, at=NOON + 2 * HOUR)
    lee.edit({"phone": "early", "legal": "B"}, at=NOON + HOUR)
    Phone(oracle, "park", "d3").edit({"legal": "C"}, at=NOON + HOUR)
    lee.edit({"score": 3}, at=NOON)
    late, early, waits, refused = (ack.mutation["id"] for ack in oracle.verdicts.values())
    state = {("thing", R): {"phone": "late", "legal": "B"}}
    loss = LedgerRow("thing", R, "phone", None, "early", early, lost=True, winner=late)
    item = InboxRow("thing", R, "legal", frozenset({waits}))
    assert check_no_ack_lost(oracle, state, [loss], [item], [refused]) == []
    nameless = replace(loss, winner=None)
    for ledger, inbox, listed in (
        ([], [item], [refused]),
        ([nameless], [item], [refused]),
        ([loss], [], [refused]),
        ([loss], [item], []),
    ):
        assert len(check_no_ack_lost(oracle, state, ledger, inbox, listed)) == 1
    assert check_no_ack_lost(oracle, {("thing", R): {"phone": "x", "legal": "B"}}, [loss], [item], [refused])


def test_a_side_effect_of_a_mutation_is_its_devices_own(oracle: Oracle, kim: Phone) -> None:
    mine = Author("kim", "d1", "m", 1)
    oracle.server_write("thing", R, "update", {"legal": "B"}, now=NOON, by=mine)
    next(kim.n)
    assert kim.edit({"legal": "C"}, at=NOON + HOUR)["status"] == "applied"


# Texts


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "clean"),
    [
        ("a\nb\nc", "a\nb\nc\nd", "x\nb\nc", "x\nb\nc\nd"),
        ("a\nb\nc", "b\nc", "a\nb\nc\nd", "b\nc\nd"),
        ("a\nb\nc", "a\nx\nc", "a\ny\nc", None),
        ("a\nb\nc", "a\nx\nc", "a\nc", None),
        ("a\nb\nc", "x\nb\nc", "a\ny\nc", None),
        ("a\nb\nc", "a\nb\nc\nx", "a\nb\nc\ny", None),
        ("a\nb\nc", "x\nb\nc", "x\nb\ny", "x\nb\ny"),
        (None, "a", "b", None),
    ],
)
def test_three_texts_make_one_or_none(
    base: str | None, mine: str | None, theirs: str | None, clean: str | None
) -> None:
    assert three_way(base, mine, theirs).clean == clean
    assert three_way(base, theirs, mine).clean == clean


# Properties

NAMES = st.sampled_from(["name", "phone", "count", "tags", "notes", "best", "least", "lines"])
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from("abc"),
    "phone": st.sampled_from("123"),
    "count": st.integers(5, 15),
    "tags": st.lists(st.sampled_from("wxyz"), unique=True),
    "notes": st.sampled_from(
        ["ONE\ntwo\nthree\nfour\nfive", "one\ntwo\nthree\nfour\nFIVE", "one\ntwo\nTHREE\nfour\nfive"]
    ),
    "best": st.integers(0, 9),
    "least": st.integers(0, 9),
    "lines": st.lists(st.sampled_from(["one", "two", "uno", "due"]), min_size=2, max_size=2).map(
        lambda titles: [row("r1", titles[0]), row("r2", titles[1])]
    ),
    "legal": st.sampled_from("ABC"),
    "risk": st.sampled_from("abc"),
}


@st.composite
def edits(draw: st.DrawFn, names: st.SearchStrategy[str] = NAMES) -> Sequence[Push]:
    """Edits of several phones on one base version, each with its own clock."""
    pushes, counters = [], {device: count(1) for device in ("d1", "d2", "d3")}
    owners = {"d1": "kim", "d2": "lee", "d3": "lee"}
    skews = {device: draw(st.sampled_from([timedelta(0), TEN_YEARS, -TEN_YEARS])) for device in counters}
    for number in range(draw(st.integers(2, 4))):
        device = draw(st.sampled_from(sorted(counters)))
        name = draw(names)
        at = NOON + draw(st.integers(1, 5)) * MINUTE
        now = NOON + HOUR + number * SECOND
        mutation = {
            "id": f"{draw(st.integers(0, 0xFFFF)):04x}-{number}",
            "n": next(counters[device]),
            "entity": "thing",
            "record_id": R,
            "op": "update",
            "base_version": 1,
            "fields": {name: draw(VALUES[name])},
            "base": {name: BLANK[name]},
            "occurred_at": (at + skews[device]).isoformat(),
        }
        pushes.append(Push(owners[device], device, mutation, now + skews[device], now))
    return pushes


def chained(pushes: Sequence[Push]) -> list[Push]:
    """At most one edit of a device for each field: a second one would be based on the first."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for push in pushes:
        (name,) = push.mutation["fields"]
        if (push.device_id, name) not in seen:
            seen.add((push.device_id, name))
            kept.append(push)
    return kept


@settings(max_examples=150, deadline=None)
@given(edits())
def test_the_order_of_arrival_does_not_matter_where_that_is_promised(pushes: Sequence[Push]) -> None:
    oracle = world()
    free = promised_order_free(oracle, chained(pushes))
    assert order_independent(oracle, free) == []


@settings(max_examples=150, deadline=None)
@given(edits(st.sampled_from(sorted(VALUES))))
def test_every_mutation_has_one_effect_however_often_it_comes(pushes: Sequence[Push]) -> None:
    once, often = world(), world()
    for push in pushes:
        for oracle, times in ((once, 1), (often, 3)):
            for _ in range(times):
                oracle.decide(
                    oracle.push(
                        push.user_id, push.device_id, push.mutation, sent_at=push.sent_at, now=push.now
                    )
                )
        for earlier in pushes[: pushes.index(push)]:
            again = often.push(
                earlier.user_id, "reinstalled", earlier.mutation, sent_at=push.now, now=push.now
            )
            assert often.decide(again)["replayed"]
    assert once.state() == often.state()
    assert len(once.inbox) == len(often.inbox)


@settings(max_examples=100, deadline=None)
@given(edits())
def test_clocks_that_are_years_off_change_nothing(pushes: Sequence[Push]) -> None:
    skewed, right = world(), world()
    for push in pushes:
        told = datetime.fromisoformat(push.mutation["occurred_at"])
        true = dict(push.mutation, occurred_at=(told + (push.now - push.sent_at)).isoformat())
        for oracle, mutation, sent_at in ((skewed, push.mutation, push.sent_at), (right, true, push.now)):
            expected = oracle.push(push.user_id, push.device_id, mutation, sent_at=sent_at, now=push.now)
            oracle.decide(expected)
    assert skewed.state() == right.state()


@settings(max_examples=100, deadline=None)
@given(edits(st.sampled_from(sorted(VALUES))))
def test_a_copy_goes_its_own_way(pushes: Sequence[Push]) -> None:
    oracle = world()
    before = oracle.state()
    trial = oracle.copy()
    for push in pushes:
        trial.decide(
            trial.push(push.user_id, push.device_id, push.mutation, sent_at=push.sent_at, now=push.now)
        )
    assert oracle.state() == before
    assert not oracle.verdicts


def test_stamps_compare_by_time_and_then_by_id() -> None:
    assert Stamp(NOON, "b") > Stamp(NOON, "a") > Stamp(NOON)
    assert Stamp(NOON + SECOND, "a") > Stamp(NOON, "b")
