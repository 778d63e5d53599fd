"""§4 rejections and the inbox: what waits for a person, and what a person's decision does."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from tests.simulator.oracle.books import REJECTED, Item, Parked
from tests.simulator.oracle.case import Bench, Case
from tests.simulator.oracle.expected import Alternative, Verdict
from tests.simulator.oracle.records import Author, Record
from tests.simulator.oracle.values import NEVER, UNKNOWN, Path, Stamp, canonical

PARKING = timedelta(hours=24)


class Desk(Bench):
    """Rejections, inbox items and their resolutions."""

    def _reject(
        self, case: Case | None, codes: Iterable[str] | None, why: str, *, first: bool = False
    ) -> Alternative:
        legal: frozenset[str | None] | None = None if codes is None or "*" in codes else frozenset(codes)
        return Alternative(REJECTED, legal, why, partial(self._rejected, case), first=first)

    def _rejected(self, case: Case | None, verdict: Verdict) -> list[str]:
        """Nothing is applied, and no body is sent for what is not seen."""
        record = self.records.get(case.key) if case else None
        if case and record is not None:
            self._note_sent(case, record, NEVER)
        return [] if verdict.get("code") else ["rejected without a code (§4)"]

    def _to_inbox(
        self,
        case: Case,
        kind: str,
        codes: Iterable[str | None] | None,
        why: str,
        record: Record | None = None,
    ) -> Alternative:
        """The whole mutation waits for a person; nothing of it is applied."""
        legal = None if codes is None else frozenset(codes)
        return Alternative("conflict", legal, why, partial(self._wait, case, kind, record), inbox=kind)

    def _wait(self, case: Case, kind: str, record: Record | None, verdict: Verdict) -> list[str]:
        item = Item(kind, case.key, None, [(case.user, case.id)], mine=dict(case.fields))
        item.server_id = verdict.get("conflict_id")
        self.inbox.append(item)
        if record is not None:
            self._note_sent(case, record, self._stamp(case, record, case.base_version))
        return []

    def _unknown_id(self, case: Case) -> list[Alternative]:
        """§4: ``depends_on`` its create, where that did not pass; §6: within 24 h of a new epoch parked;
        else ``not_found``. A foreign id answers the same (§3)."""
        if case.key in self._rejected_creates.get(case.user, ()):
            return [
                self._reject(case, {"depends_on"}, "§4 depends on a create that did not pass", first=True)
            ]
        started = case.context.epoch_started_at
        if started is not None and case.now < started + PARKING:
            return [self._park(case)]
        return [self._reject(case, {"not_found"}, "§3 unknown or foreign id", first=True)]

    def _park(self, case: Case) -> Alternative:
        """§6: "mutations on unknown ids are parked (verdict `conflict`, code `awaiting_record`)"."""

        def effect(verdict: Verdict) -> list[str]:
            started = case.context.epoch_started_at
            assert started is not None
            parked = Parked(case.user, case.mutation, started + PARKING)
            self._parked.setdefault(case.key, []).append(parked)
            return self._wait(case, "awaiting_record", None, verdict)

        code = frozenset({"awaiting_record"})
        return Alternative("conflict", code, "§6 parked", effect, inbox="awaiting_record", first=True)

    def _judge_parked(self, record: Record) -> None:
        """§6 "judged when the record arrives": what came of it, only the server tells."""
        for parked in self._parked.pop(record.key, []):
            self._loose.add(record.key)
            for name in (parked.mutation.get("fields") or {}).keys() & record.entity.fields.keys():
                record.values[name] = UNKNOWN
            if record.entity.machine and parked.mutation["op"] in record.entity.machine.steps:
                record.values[record.entity.machine.field] = UNKNOWN

    def _open_item(self, case: Case, record: Record, name: str, kind: str) -> Item:
        """ "One open item per (record, field); later losers join it" (§4)."""
        item = self._open.get((record.key, name))
        if item is None or not item.open:
            item = Item(kind, record.key, name, [], case.mine()[name], case.sent_base().get(name, UNKNOWN))
            self._open[record.key, name] = item
            self.inbox.append(item)
        item.mutations.append((case.user, case.id))
        return item

    def _name_item(self, opened: Sequence[Item], verdict: Verdict) -> list[str]:
        named = verdict.get("conflict_id")
        if len(opened) != 1 or named is None:
            return []
        if opened[0].server_id not in (None, named):
            return [f"joined item {named}, but {opened[0].server_id} is open for the field (§4)"]
        opened[0].server_id = named
        return []

    def name_item(self, entity: str, record_id: str, field: str, conflict_id: str) -> None:
        """Tell which item of the server is the open one of a field, where one verdict opened several."""
        item = self._open.get(((entity, record_id), field))
        if item is not None and item.open:
            item.server_id = conflict_id

    def _judge_resolution(self, case: Case) -> list[Alternative]:
        """§4 inbox: a choice, on the record version that it names; "a resolution is itself a change"."""
        if case.op != "resolve":
            return [self._reject(case, None, "items are written by the server only")]
        item = next((each for each in self.inbox if each.server_id == case.record_id), None)
        if item is None:
            return [self._free_resolution(case, None), *self._unknown_id(case)]
        if not item.open:
            return [self._reject(case, None, "§4 the item is closed")]
        record = self.records.get(item.key)
        seen = case.fields.get("record_version")
        later = record.after(seen) if record is not None and isinstance(seen, int) else iter(())
        if item.field and any(path[:1] == (item.field,) for change in later for path in change.paths):
            return [self._reject(case, {"conflict_changed"}, "§4 the field changed since")]
        return [self._free_resolution(case, item)]

    def _free_resolution(self, case: Case, item: Item | None) -> Alternative:
        def effect(verdict: Verdict) -> list[str]:
            if item is not None and verdict["status"] != REJECTED:
                self._resolve(item, case.fields, case.author, case.now)
            return []

        status = "applied|merged" if item is not None and item.field else "applied|merged|rejected|conflict"
        return Alternative(status, None, "§4 resolution", effect)

    def resolve(self, conflict_id: str, choice: Mapping[str, Any], *, now: datetime) -> None:
        """A resolution over REST that the server took."""
        for item in self.inbox:
            if item.server_id == conflict_id and item.open:
                self._resolve(item, choice, None, now)

    def _resolve(self, item: Item, choice: Mapping[str, Any], author: Author | None, now: datetime) -> None:
        item.open = choice.get("choice") == "reassign"
        record = self.records.get(item.key)
        if record is None:
            return
        chosen = choice.get("choice")
        field = record.entity.fields.get(item.field or "")
        if field is not None and item.field and item.kind == "field":
            options = {"mine": item.mine, "base": item.base, "value": canonical(field, choice.get("value"))}
            if chosen in options:
                value = {item.field: options[chosen]}
                stamp = Stamp(now, author.mutation_id if author else "")
                stamps: dict[Path, Stamp] = {(item.field,): stamp}
                if record.values.get(item.field) != options[chosen]:
                    self._change(record, value, stamps, stamp, author, "update", None)
        elif chosen not in ("discard", "theirs", "reassign"):
            self._loose.add(record.key)
            names = [item.field] if item.field else list(record.entity.fields)
            for name in names:
                record.values[name] = UNKNOWN
            if item.kind == "deleted":
                record.deleted = False
            if item.kind == "delete":
                record.deleted = True
