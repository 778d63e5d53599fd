"""A row of the RxDB client as a mutation of the engine: what its user did, on which base."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.http.shapes import schema_for
from app.sync_api.past import Past
from app.sync_api.rooms import creation_schema
from app.sync_api.rxdb.documents import changed, creation, equal
from app.sync_api.rxdb.kept import Earlier
from app.sync_api.rxdb.wire import Row
from app.sync_api.synced import Synced
from sync.policy import NEEDS_BASE, SyncEntity
from sync.registry import Registry
from sync.stores.epochs import Epoch
from sync.stores.push import PushStore
from sync.wire import is_id

UNKNOWN_LIFE = UUID(int=1)
"""Says of a base version that it means nothing here: the base is what the phone sends."""

LONGEST_PAST = 50
"""So many versions of a record are looked through."""

AGAIN = timedelta(minutes=1)
"""How long after its refusal the same push is a copy of it, and not its user's second try."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing for the engine: the phone did nothing, or it was judged before."""


@dataclass(frozen=True, slots=True)
class Told:
    """A mutation without its number."""

    raw: dict[str, Any]


class Translator:
    """Of the rows of one user and collection, in one transaction that writes nothing."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        one: Synced,
        synced: Mapping[str, Synced],
        store: PushStore,
        epoch: Epoch,
        device_id: UUID,
    ) -> None:
        """Join what is needed; *epoch* is the present life of the database."""
        self.session = session
        self.actor = actor
        self.one = one
        self.synced = synced
        self.store = store
        self.epoch = epoch
        self.device_id = device_id

    @property
    def entity(self) -> SyncEntity:
        """Of the collection."""
        return self.one.policy

    # -- parents

    def waits(self, row: Row) -> bool:
        """Whether the record hangs on one that its user may still push: it is not there yet, or not theirs.

        Both look the same. One that the phone was given before, and is gone now, is not waited for.
        """
        if row.is_delete:
            return False
        fields = row.new if row.assumed is None else changed(self.entity, row.new, row.assumed)
        return any(self._is_awaited(name, fields.get(name)) for name in self.entity.fields)

    def _is_awaited(self, name: str, value: Any) -> bool:
        target = self.synced.get(self.entity.fields[name].refers)
        if target is None or target.create is None or not is_id(value):
            return False
        parent = UUID(value)
        if parent in target.visible(self.session, self.actor, [parent]):
            return False
        return not self.store.was_given(target.policy.name, parent)

    def sees(self, record_id: UUID) -> bool:
        """Whether the record is there, in its user's scope."""
        return record_id in self.one.visible(self.session, self.actor, [record_id])

    # -- rows

    def told(self, row: Row, earlier: Sequence[Earlier], arrived: datetime) -> Told | Ignored:
        """The mutation that a row asks for."""
        mutation_id = name_of(self.entity.name, row, earlier, arrived)
        if mutation_id is None:
            return Ignored()
        raw = self._deletion(row, earlier) if row.is_delete else self._write(row, earlier)
        if raw is None:
            return Ignored()
        return Told({"id": str(mutation_id), "entity": self.entity.name, "record_id": str(row.id), **raw})

    def _deletion(self, row: Row, earlier: Sequence[Earlier]) -> dict[str, Any] | None:
        """A delete of what the user sees; a phone that drops other records frees space, and means nothing by it."""
        if not self.sees(row.id):
            return None
        made = next((one for one in earlier if one.op == "create" and one.status != "rejected"), None)
        if row.assumed is None and made is None:
            return None
        return {"op": "delete", **self._based(row, row.version or (made.version if made else 0))}

    def _write(self, row: Row, earlier: Sequence[Earlier]) -> dict[str, Any] | None:
        if row.assumed is not None:
            return self._update(row, row.assumed, earlier)
        if row.version:
            return self._copy(row)
        made = creation(row.new, self._creatable(), self.entity)
        return self._made_before(row, made, earlier) or {"op": "create", "fields": made}

    def _made_before(
        self, row: Row, made: Mapping[str, Any], earlier: Sequence[Earlier]
    ) -> dict[str, Any] | None:
        """A new record that this phone pushed before and edited since, as it never heard of an answer.

        What was emptied is no part of a creation: it is told as an edit of what was made.
        """
        own = [one for one in earlier if one.device_id == self.device_id and one.status != "rejected"]
        first = next((one for one in own if one.op == "create" and one.version), None)
        if first is None or not self.sees(row.id):
            return None
        seen: dict[str, Any] = {}
        for one in own:
            seen |= one.fields if one.op in ("create", "update") else {}
        emptied = {n: None for n, v in seen.items() if v is not None and n not in made and n in row.new}
        if not emptied:
            return None
        said = {**made, **emptied}
        fields = changed(self.entity, said, {n: v for n, v in seen.items() if n in said})
        base = {n: seen.get(n) for n in fields if self._needs_base(n)}
        return {"op": "update", "fields": fields, "base": base, **self._based(row, first.version)}

    def _update(
        self, row: Row, assumed: Mapping[str, Any], earlier: Sequence[Earlier]
    ) -> dict[str, Any] | None:
        fields = changed(self.entity, row.new, assumed)
        if not fields:
            return None
        based = self._based(row, row.version)
        if "epoch" in based:  # all that is known of the base is what the phone believed
            return {
                "op": "update",
                "fields": fields,
                "base": {n: assumed.get(n) for n in self._known(assumed)},
                **based,
            }
        base = {n: assumed.get(n) for n in fields if self._needs_base(n)}
        for one in earlier:
            # What this phone pushed since that version its user has before them, whatever became of it.
            is_later = one.base_version >= row.version or one.version > row.version
            if one.device_id == self.device_id and one.op in ("create", "update") and is_later:
                base |= {n: one.fields[n] for n in base if one.status != "rejected" and n in one.fields}
        return {"op": "update", "fields": fields, "base": base, **based}

    def _copy(self, row: Row) -> dict[str, Any] | None:
        """A document that the phone has from a replication before this one: what differs from what it was given.

        Where another life of the database gave it, nobody knows what that was: what the record has never said in
        this life is taken for work that the restored backup does not hold, all else for stale.
        """
        is_lost = self._is_of_ended_life(row)
        if not self.sees(row.id) and not self.store.was_given(self.entity.name, row.id):
            made = {"op": "create", "fields": creation(row.new, self._creatable(), self.entity)}
            return made if is_lost else None
        past = self._past(row.id)
        if not past:
            return None
        based = self._based(row, row.version)
        version = row.version - 1 if is_lost else row.version
        base = past[max((v for v in past if v <= version), default=min(past))]
        # What the app does not know it has not emptied.
        seen = {**row.new, **{n: v for n, v in base.items() if n in row.new}}
        fields = {n: v for n, v in changed(self.entity, row.new, seen).items() if n in self._creatable()}
        if is_lost:
            fields = {n: v for n, v in fields.items() if not self._was_said(n, v, past.values())}
        if not fields:
            return None
        sent = {n: base.get(n) for n in fields if "epoch" in based or self._needs_base(n)}
        return {"op": "update", "fields": fields, "base": sent, **based}

    def _was_said(self, name: str, value: Any, past: Iterable[Mapping[str, Any]]) -> bool:
        return any(equal(self.entity.fields.get(name), value, before.get(name)) for before in past)

    # -- bases

    def _based(self, row: Row, version: int) -> dict[str, Any]:
        """The base version, and that it means nothing where another life of the database gave it."""
        present = self.store.version_of(self.entity, row.id)
        if self._is_of_ended_life(row) or (present is not None and version > present):
            return {"base_version": version, "epoch": str(UNKNOWN_LIFE)}
        return {"base_version": version}

    def _is_of_ended_life(self, row: Row) -> bool:
        return row.life not in (0, self.epoch.generation)

    def _past(self, record_id: UUID) -> dict[int, dict[str, Any]]:
        """The record's fields by version, the newest ones; nothing where it is not there."""
        past = Past.of(self.store, self.entity, record_id)
        return {version: past.at(version) for version in past.versions(LONGEST_PAST)} if past else {}

    def _needs_base(self, name: str) -> bool:
        return name in self.entity.fields and self.entity.fields[name].merge in NEEDS_BASE

    def _known(self, document: Mapping[str, Any]) -> list[str]:
        return [name for name in document if name in self.entity.fields]

    def _creatable(self) -> frozenset[str]:
        """Fields that a create takes."""
        shape = self.actor.scope.shape
        if self.one.creation is not None:
            return frozenset(creation_schema(self.entity, self.one.creation, shape).load_fields)
        return frozenset(schema_for(self.entity, self.one.schema, shape).load_fields)


def name_of(entity: str, row: Row, earlier: Sequence[Earlier], arrived: datetime) -> UUID | None:
    """The id of a row's mutation; None where that was judged already.

    What its user did before, undid since and does again is a new edit, though it looks like the first: by
    then another push of them stands between. A copy of the first that is on its way for long came before
    that one was judged.
    """
    order = {one.id: index for index, one in enumerate(earlier)}
    name = row.mutation_id(entity, None)
    while name in order:
        index = order[name]
        known = earlier[index]
        if index + 1 < len(earlier):
            between = earlier[index + 1]
            if between.judged_at >= arrived:
                return None
            name = row.mutation_id(entity, between.id)
        elif known.status == "rejected" and arrived - known.judged_at > AGAIN:
            name = row.mutation_id(entity, known.id)
        else:
            return None
    return name


def knows(registry: Registry, name: str, shape_class: str, schema_version: int) -> SyncEntity | None:
    """The entity of a collection, if phones of that shape and schema have it."""
    entity = registry.find(name)
    if entity is None or entity.since > schema_version or entity.shape_for(shape_class) is None:
        return None
    return entity
