"""The base of a mutation and what others did since, without a database: also policies that no room uses yet."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from sync.errors import Refused
from sync.judgement import Judgement, judge_update
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
    text_set,
)
from sync.stamps import Stamp
from sync.states import LedgerRow, OwnMutation, RecordState

MACHINE = StateMachine(
    field="status",
    steps={
        "start": (frozenset({"planned"}), "running"),
        "stop": (frozenset({"running"}), "done"),
        "cancel": (frozenset({"planned", "running"}), "cancelled"),
    },
    clock_states={"missed": frozenset({"planned"})},
)
STOCK = SyncEntity(
    "stock",
    "stocks",
    fields={
        "quantity": merged(Merge.SUM, Kind.INTEGER),
        "value": merged(Merge.SUM, Kind.MONEY),
        "earliest": merged(Merge.MIN, Kind.DATE),
        "name": ask(),
        "place": last_write(),
        "tags": text_set(),
        "parts": rows("stock_parts", "stock_id", {"name": last_write()}),
        "status": read_only(),
    },
    buckets="",
    machine=MACHINE,
)
STAMP = Stamp("2026-11-21T09:00:00.000000Z", str(uuid4()))


def state(**fields: Any) -> RecordState:
    whole = dict.fromkeys(STOCK.fields) | {"tags": [], "status": "planned"} | fields
    return RecordState(version=7, deleted=False, fields=whole, stamps={}, row_stamps={})


def change(version: int, *, own: bool = False, op: str = "update", **pairs: tuple[Any, Any]) -> LedgerRow:
    """A row of the ledger; each field as (old, new)."""
    return LedgerRow(
        id=version,
        version=version,
        op=op,
        part=None,
        part_id=None,
        old={n: old for n, (old, _) in pairs.items()} if op != "insert" else {},
        new={n: new for n, (_, new) in pairs.items()},
        actor_kind="user",
        actor_id=None,
        actor_name=None,
        own=own,
    )


def own_mutation(op: str = "update", *, base: int = 3, status: str = "applied", **fields: Any) -> OwnMutation:
    return OwnMutation(op, fields, base_version=base, version=None, stamp_at=None, status=status)


def judgement(
    now: RecordState,
    ledger: list[LedgerRow] | None = None,
    own: list[OwnMutation] | None = None,
    *,
    base_version: int = 3,
    is_creation: bool = False,
    sent: dict[str, Any] | None = None,
    entity: SyncEntity = STOCK,
) -> Judgement:
    return Judgement.of(
        entity,
        now,
        ledger or [],
        own or [],
        base_version=base_version,
        stamp=STAMP,
        floor=None,
        is_creation=is_creation,
        sent=sent,
    )


class TestSum:
    def test_two_additions_on_one_base_add_both(self) -> None:
        # 10 at the base; the phone made 13 of it, and then 16 of what it saw. The server holds 13 by now.
        own = own_mutation(quantity=13)
        history = judgement(state(quantity=13), [change(4, own=True, quantity=(10, 13))], [own])

        result = judge_update(history, {"quantity": 16}, {"quantity": 13})

        assert result.writes == {"quantity": 16}

    def test_the_base_of_the_second_is_what_the_first_sent_even_if_it_lost(self) -> None:
        # Rolled back alone, the base would be 10, and the second +3 would count the first again: 17 for 15.
        first = own_mutation(quantity=13)
        history = judgement(
            state(quantity=12), [change(4, quantity=(10, 9)), change(5, own=True, quantity=(9, 12))], [first]
        )

        assert history.base["quantity"] == 13

    def test_an_addition_by_another_is_kept(self) -> None:
        history = judgement(state(quantity=15), [change(4, quantity=(10, 15))])

        result = judge_update(history, {"quantity": 13}, {"quantity": 10})

        assert result.writes == {"quantity": 18}

    def test_an_equal_sum_adds_all_the_same(self) -> None:
        history = judgement(state(quantity=13), [change(4, quantity=(10, 13))])

        result = judge_update(history, {"quantity": 13}, {"quantity": 10})

        assert result.writes == {"quantity": 16}

    def test_money_is_added_exactly(self) -> None:
        history = judgement(state(value="0.1000"), [change(4, value=("0.0000", "0.1000"))])

        result = judge_update(history, {"value": "0.2000"}, {"value": "0.0000"})

        assert result.writes == {"value": "0.3000"}

    def test_without_a_base_is_refused(self) -> None:
        with pytest.raises(Refused, match="base_required"):
            judge_update(judgement(state(quantity=13)), {"quantity": 16}, {})


class TestOthers:
    def test_are_all_changes_since_the_base_and_not_only_the_head(self) -> None:
        ledger = [change(4, name=("가", "나")), change(5, name=("나", "가")), change(6, place=("1", "2"))]

        history = judgement(state(name="가"), ledger)

        assert history.others_fields() == {"name", "place"}

    def test_are_not_the_phones_own(self) -> None:
        history = judgement(state(name="나"), [change(4, own=True, name=("가", "나"))])

        assert history.others_fields() == set()

    def test_have_done_to_a_part_what_the_ledger_says(self) -> None:
        part = uuid4()
        row = replace(change(4, name=("가", "나")), part="parts", part_id=part)

        assert judgement(state(), [row]).rows_history("parts")[str(part)].changed == {"name"}

    def test_have_done_nothing_known_to_a_part_where_the_base_is_of_another_life(self) -> None:
        row = replace(change(4, name=("가", "나")), part="parts", part_id=uuid4())

        assert judgement(state(), [row], sent={}).rows_history("parts") == {}


class TestBase:
    def test_is_the_state_with_later_changes_taken_back(self) -> None:
        history = judgement(state(name="다"), [change(4, name=("가", "나")), change(5, name=("나", "다"))])

        assert history.base["name"] == "가"

    def test_is_overlaid_with_own_mutations_made_on_it_as_they_were_sent(self) -> None:
        history = judgement(state(place="3"), [change(4, place=("1", "3"))], [own_mutation(place="2")])

        assert history.base["place"] == "2"

    def test_is_not_overlaid_with_own_mutations_that_it_holds_already(self) -> None:
        seen = replace(own_mutation(place="2", base=1), version=3)

        history = judgement(state(place="5"), [change(4, place=("4", "5"))], [seen])

        assert history.base["place"] == "4"

    def test_is_not_overlaid_with_what_was_rejected(self) -> None:
        history = judgement(state(place="1"), [], [own_mutation(place="2", status="rejected")])

        assert history.base["place"] == "1"

    def test_of_a_record_that_the_phone_created_is_what_the_server_made_of_it(self) -> None:
        ledger = [
            change(1, own=True, op="insert", status=(None, "planned")),
            change(2, status=("planned", "cancelled")),
        ]

        history = judgement(
            state(status="cancelled"), ledger, [own_mutation("create", base=0)], base_version=0
        )

        assert history.base_status() == "planned"

    def test_leaves_out_columns_that_phones_do_not_hold(self) -> None:
        history = judgement(state(name="나"), [change(4, name=("가", "나"), search_key=("ㄱ", "ㄴ"))])

        assert history.base["name"] == "가"
        assert history.base.keys() == STOCK.fields.keys()

    def test_of_a_record_that_another_created_is_nothing(self) -> None:
        ledger = [change(1, op="insert", name=(None, "가"))]

        assert judgement(state(name="가"), ledger, base_version=0).base == {}

    def test_of_a_set_is_empty_for_a_create_that_finds_the_record_there(self) -> None:
        history = judgement(
            state(tags=["가"]),
            [change(1, op="insert", tags=(None, ["가"]))],
            base_version=0,
            is_creation=True,
        )

        assert judge_update(history, {"tags": ["나"]}, {}).writes == {"tags": ["가", "나"]}

    def test_of_a_sum_is_nothing_for_a_create_that_finds_the_record_there(self) -> None:
        history = judgement(
            state(quantity=10),
            [change(1, op="insert", quantity=(None, 10))],
            base_version=0,
            is_creation=True,
        )

        assert judge_update(history, {"quantity": 3}, {}).writes == {"quantity": 13}

    def test_of_a_sum_adds_nothing_for_a_create_of_just_what_is_there(self) -> None:
        history = judgement(
            state(quantity=10, place="1"),
            [change(1, op="insert", quantity=(None, 10), place=(None, "1"))],
            base_version=0,
            is_creation=True,
        )

        result = judge_update(history, {"quantity": 10, "place": "1"}, {})

        assert (result.writes, result.is_nothing_new) == ({}, True)


class TestStatusOnTheBase:
    def test_counts_own_earlier_commands(self) -> None:
        history = judgement(
            state(status="missed"), [change(4, status=("planned", "missed"))], [own_mutation("start")]
        )

        assert history.status_for("stop") == "running"

    def test_is_none_for_what_was_never_legal_there(self) -> None:
        assert judgement(state()).status_for("stop") is None

    def test_counts_a_refused_command_and_counts_it_not(self) -> None:
        # The user gave both on a phone that did not know yet that the first would be refused …
        refused = own_mutation("start", status="rejected")
        assert judgement(state(), [], [refused]).status_for("stop") == "running"
        # … or repeats it on one that has taken it back since.
        assert judgement(state(), [], [refused]).status_for("start") == "planned"

    def test_of_an_ended_epoch_is_what_the_phone_says_that_it_saw(self) -> None:
        # What it did before may be in that status already, or may not.
        earlier = own_mutation("start")

        history = judgement(state(status="cancelled"), [], [earlier], sent={"status": "planned"})

        assert history.status_for("start") == "planned"
        assert history.status_for("stop") == "running"

    def test_is_none_for_an_entity_without_states(self) -> None:
        history = judgement(state(), [], [own_mutation("start")], entity=replace(STOCK, machine=None))

        assert (history.base_status(), history.status_for("start")) == (None, None)


class TestMin:
    def test_the_least_stays(self) -> None:
        history = judgement(state(earliest="2026-11-05"), [change(4, earliest=("2026-11-09", "2026-11-05"))])

        result = judge_update(history, {"earliest": "2026-11-07"}, {})

        assert result.writes == {}
        assert result.lost == {"earliest": "2026-11-07"}


class TestWinner:
    def test_is_the_newest_change_of_that_very_field(self) -> None:
        ledger = [change(4, name=("가", "나")), change(5, place=("1", "2")), change(6, name=("나", "다"))]
        now = replace(
            state(name="다", place="2"),
            stamps={"place": ["2026-11-21T10:00:00.000000Z", str(uuid4())]},
        )

        result = judge_update(judgement(now, ledger), {"place": "3"}, {})

        assert result.lost == {"place": "3"}
        assert result.winner["place"]["change"] == 5

    @pytest.mark.parametrize("actor", [None, uuid4()])
    def test_is_named_by_its_id_where_it_has_one(self, actor: UUID | None) -> None:
        row = replace(change(4, place=("1", "2")), actor_id=actor)
        now = replace(state(place="2"), stamps={"place": ["2026-11-21T10:00:00.000000Z", str(uuid4())]})

        result = judge_update(judgement(now, [row]), {"place": "3"}, {})

        assert result.winner["place"]["actor_id"] == (str(actor) if actor else None)

    def test_is_told_by_its_stamp_alone_where_no_change_is_known(self) -> None:
        winner = str(uuid4())
        at = "2026-11-21T10:00:00.000000Z"
        now = replace(state(place="2"), stamps={"place": [at, winner]})

        result = judge_update(judgement(now), {"place": "3"}, {})

        assert result.winner == {"place": {"at": at, "mutation_id": winner}}


def part_change(version: int, part_id: UUID, op: str = "update", **pairs: tuple[Any, Any]) -> LedgerRow:
    return replace(
        change(version, op=op, **pairs),
        part="parts",
        part_id=part_id,
        op=op,
        old={n: o for n, (o, _) in pairs.items()},
    )


class TestReckoned:
    """A client that does not tell what its user saw: only versions of it are known."""

    def test_an_addition_is_reckoned_from_the_base_version(self) -> None:
        history = judgement(state(quantity=15), [change(4, quantity=(10, 15))])

        assert judge_update(history, {"quantity": 13}, {}, ()).writes == {"quantity": 18}

    def test_an_addition_that_two_versions_tell_differently_waits_for_a_person(self) -> None:
        history = judgement(state(quantity=15), [change(4, quantity=(10, 15))])

        result = judge_update(history, {"quantity": 13}, {}, (4,))

        assert (result.writes, [name for name, _ in result.conflicts]) == ({}, ["quantity"])

    def test_tags_that_all_versions_tell_alike_are_merged(self) -> None:
        history = judgement(state(tags=["가", "나"]), [change(4, tags=(["가"], ["가", "나"]))])

        assert judge_update(history, {"tags": ["가", "나", "다"]}, {}, (4,)).writes == {
            "tags": ["가", "나", "다"]
        }

    def test_a_field_that_needs_no_base_is_settled_as_ever(self) -> None:
        history = judgement(state(place="1"), [change(4, name=("가", "나"))])

        assert judge_update(history, {"place": "2"}, {}, (4,)).writes == {"place": "2"}

    def test_what_the_client_tells_is_not_reckoned(self) -> None:
        history = judgement(state(quantity=15), [change(4, quantity=(10, 15))])

        assert judge_update(history, {"quantity": 13}, {"quantity": 10}, (4,)).writes == {"quantity": 18}

    def test_a_base_of_another_life_waits_for_a_person(self) -> None:
        result = judge_update(judgement(state(tags=["가"]), sent={}), {"tags": ["나"]}, {}, ())

        assert [name for name, _ in result.conflicts] == ["tags"]

    def test_nothing_at_the_base_is_an_empty_list(self) -> None:
        history = judgement(state(tags=["가"]), [change(2, op="insert")], base_version=1)

        assert history.reckoned("tags") == []
        assert history.reckoned("name") is None

    def test_rows_are_rolled_back_one_by_one(self) -> None:
        kept, added, gone = uuid4(), uuid4(), uuid4()
        present = state(parts=[{"id": str(kept), "name": "나"}, {"id": str(added), "name": "다"}])
        ledger = [
            part_change(4, kept, name=("가", "나")),
            part_change(5, added, "insert", name=(None, "다")),
            part_change(6, gone, "delete", name=("라", None)),
            change(7, place=("1", "2")),
        ]

        found = judgement(present, ledger).reckoned("parts")

        assert {row["id"]: row["name"] for row in found} == {str(kept): "가", str(gone): "라"}

    def test_rows_that_the_device_itself_sent_are_the_base_as_it_sent_them(self) -> None:
        sent = [{"id": str(uuid4()), "name": "가"}]

        assert judgement(state(parts=[]), [], [own_mutation(parts=sent)]).reckoned("parts") == sent

    def test_rows_that_were_refused_are_no_base(self) -> None:
        refused = own_mutation(parts=[{"id": str(uuid4()), "name": "가"}], status="rejected")

        assert judgement(state(parts=None), [], [refused]).reckoned("parts") == []
