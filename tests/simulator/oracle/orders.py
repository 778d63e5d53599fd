"""I10: the merged state does not depend on the order in which mutations arrive."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, permutations
from typing import Any

from sync.policy import Merge
from tests.simulator.oracle.expected import Mutation
from tests.simulator.oracle.lines import three_way
from tests.simulator.oracle.model import Oracle
from tests.simulator.oracle.records import Key
from tests.simulator.oracle.values import canonical, instant

# §7 I10: "`ask`, overlapping `text`, `server_wins`, `client_wins`, commands and delete-against-edit aside".
EXEMPT = frozenset({Merge.ASK, Merge.SERVER_WINS, Merge.CLIENT_WINS})
CHAINED = frozenset(
    {Merge.MAX, Merge.MIN}
)  # 5 → 8 → 2 of one device: the first of the two may be all that counts


@dataclass(frozen=True, slots=True)
class Push:
    """One mutation on its way."""

    user_id: str
    device_id: str
    mutation: Mutation
    sent_at: datetime
    now: datetime


def order_independent(oracle: Oracle, pushes: Sequence[Push], *, limit: int = 24) -> list[str]:
    """Try orders of arrival on copies of the model; each device's own mutations keep theirs.

    Returns:
        How the merged states differ; empty if the order does not matter.
    """
    first: tuple[Any, Any] | None = None
    errors: list[str] = []
    for order in islice(_orders(pushes), limit):
        trial = oracle.copy()
        for push in order:
            trial.decide(
                trial.push(push.user_id, push.device_id, push.mutation, sent_at=push.sent_at, now=push.now)
            )
        found = merged_values(trial)
        names = [str(push.mutation["id"]) for push in order]
        if first is None:
            first = names, found
        elif found != first[1]:
            differing = [key for key in found if found[key] != first[1].get(key)]
            errors.append(f"order {names} and {first[0]} differ in {differing} (I10)")
    return errors


def merged_values(oracle: Oracle) -> dict[Key, Any]:
    """What people wrote, of all records; what the server computes follows from it."""
    return {
        key: (
            record.deleted,
            {
                name: record.values.get(name)
                for name, field in record.entity.fields.items()
                if field.merge is not Merge.READ_ONLY
            },
        )
        for key, record in oracle.records.items()
    }


def _orders(pushes: Sequence[Push]) -> Iterator[Sequence[Push]]:
    """All orders that keep each device's ``n`` rising."""
    for order in permutations(pushes):
        highest: dict[str, int] = defaultdict(int)
        for push in order:
            n = int(push.mutation["n"])
            if n <= highest[push.device_id]:
                break
            highest[push.device_id] = n
        else:
            yield order


def promised_order_free(oracle: Oracle, pushes: Sequence[Push]) -> list[Push]:
    """Those of some mutations for which I10 promises that their order of arrival does not matter.

    Kept are updates of one base version of live records, whose times were not capped, without the
    exempt fields, without texts that overlap, and without rows that somebody deletes or adds.
    """
    kept: list[Push] = []
    for push in pushes:
        key = str(push.mutation["entity"]), str(push.mutation["record_id"]).lower()
        record = oracle.records.get(key)
        if record is None or record.deleted or push.mutation["op"] != "update":
            continue
        if push.mutation.get("base_version") != record.version or _is_capped(push):
            continue
        if all(_is_free(oracle, kept, push, key, name) for name in push.mutation["fields"]):
            kept.append(push)
    return kept


def _is_capped(push: Push) -> bool:
    age = push.mutation.get("age_ms")
    if age is not None:
        return bool(age < 0)
    span = instant(push.mutation["occurred_at"]) - push.sent_at
    return span > timedelta(0)


def _is_free(oracle: Oracle, kept: Sequence[Push], push: Push, key: Key, name: str) -> bool:
    field = oracle.records[key].entity.fields[name]
    if field.merge in EXEMPT:
        return False
    same = [
        other
        for other in kept
        if (str(other.mutation["entity"]), str(other.mutation["record_id"]).lower()) == key
        and name in other.mutation["fields"]
    ]
    if field.merge in CHAINED:
        return all(other.device_id != push.device_id for other in same)
    base = canonical(field, push.mutation.get("base", {}).get(name))
    mine = canonical(field, push.mutation["fields"][name])
    if field.merge is Merge.ROWS:
        return bool(base.keys() == mine.keys())
    if field.merge is Merge.TEXT:
        others = [canonical(field, other.mutation["fields"][name]) for other in same]
        found = [three_way(base, mine, other) for other in others]
        return not others or (len(others) == 1 and all(m.clean is not None and not m.unsure for m in found))
    return True
