"""The oracle: a model of one tenant, moved by events in commit order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.simulator.oracle.books import REJECTED, Ack, Item
from tests.simulator.oracle.case import Case
from tests.simulator.oracle.company import MODELLED
from tests.simulator.oracle.expected import (
    Alternative,
    Context,
    Expected,
    GroupExpected,
    Mutation,
    Verdict,
    outcomes_of,
    statuses_of,
)
from tests.simulator.oracle.judging import Judge
from tests.simulator.oracle.records import Key, Record
from tests.simulator.oracle.values import UNKNOWN, canonical, freeze

NOT_CONTENT = frozenset({"n", "sent_at", "age_ms"})  # §4: these "do not count" in a replay


class Oracle(Judge):
    """Push, settle, compare."""

    def push(
        self,
        user_id: str,
        device_id: str,
        mutation: Mutation,
        *,
        sent_at: datetime,
        now: datetime,
        context: Context | None = None,
    ) -> Expected:
        """What may be answered to a mutation. Changes nothing before :meth:`settle`.

        Args:
            user_id: Whose token it came with; verdicts are keyed by the user (§4).
            device_id: The token's device.
            mutation: As on the wire.
            sent_at: Of the request, by the phone's clock.
            now: The server's clock.
            context: What only the harness knows.
        """
        mutation_id = str(mutation["id"]).lower()
        known = self.verdicts.get((user_id, mutation_id))
        if known is not None:
            if content(known.mutation) == content(mutation):
                return Expected(user_id, device_id, mutation, (), first=known.verdict)
            reused = self._reject(None, {"mutation_id_reused"}, "§4 same id, other content")
            return Expected(user_id, device_id, mutation, (reused,), reused=True)
        clone = int(mutation["n"]) in self._judged.get(device_id, ())
        alternatives = self._judge_any(user_id, device_id, mutation, sent_at, now, context or Context())
        return Expected(user_id, device_id, mutation, tuple(alternatives), clone=clone)

    def quarantine(self, user_id: str, device_id: str, mutation: Mutation, *, now: datetime) -> Expected:
        """§3 farewell: "mutations go unjudged to quarantine (verdict `conflict`, code `quarantined`)"."""
        known = self.verdicts.get((user_id, str(mutation["id"]).lower()))
        if known is not None:
            return self.push(user_id, device_id, mutation, sent_at=now, now=now)
        entity = self.entities.get(str(mutation["entity"])) or next(iter(self.entities.values()))
        case = Case(user_id, device_id, mutation, now, now, Context(), entity)
        kept = self._to_inbox(case, "quarantined", {"quarantined"}, "§3 farewell")
        return Expected(user_id, device_id, mutation, (kept,))

    def settle(self, expected: Expected, verdict: Verdict) -> list[str]:
        """Compare the server's verdict, and take over its effect and the freedoms that it used.

        Returns:
            What is wrong with it; empty if it agrees with the specification.
        """
        assert not expected.settled
        expected.settled = True
        where = f"{expected.mutation['entity']} {expected.mutation['op']} {expected.mutation['id']}"
        if expected.first is not None:
            self._remember_alias(expected)
            return [f"{where}: {error}" for error in _replay_errors(expected.first, verdict)]
        if verdict.get("replayed"):
            return [f"{where}: replayed, but was never judged before (§4)"]
        fitting = [each for each in expected.alternatives if each.fits(verdict)]
        if not fitting:
            return [f"{where}: got {_brief(verdict)}, expected {expected}"]
        errors = fitting[0].effect(verdict)
        if not expected.reused:
            self._keep(expected, verdict)
        return [f"{where}: {error}" for error in errors]

    def decide(self, expected: Expected) -> dict[str, Any]:
        """Without a server: settle with the likeliest end; gives the verdict as a server would."""
        verdict = (
            dict(expected.first) | {"replayed": True}
            if expected.first is not None
            else likely_verdict(expected)
        )
        errors = self.settle(expected, verdict)
        assert not errors, errors
        return verdict

    def _keep(self, expected: Expected, verdict: Verdict) -> None:
        """The verdict store, and what later mutations ask of it."""
        ack = Ack(expected.user, expected.device, expected.mutation, dict(verdict))
        self.verdicts[expected.user, str(expected.mutation["id"]).lower()] = ack
        self._judged.setdefault(expected.device, set()).add(int(expected.mutation["n"]))
        key = str(expected.mutation["entity"]), str(expected.mutation["record_id"]).lower()
        if verdict["status"] == REJECTED:
            self.rejected.append(ack)
        if expected.mutation["op"] == "create":
            creates = self._rejected_creates.setdefault(expected.user, set())
            passed = verdict["status"] not in (REJECTED, "conflict")
            (creates.discard if passed else creates.add)(key)
            if verdict["status"] != REJECTED:
                self._maybe_given.setdefault(expected.user, set()).add(key)

    def _remember_alias(self, expected: Expected) -> None:
        """§5: "this device" includes the one under which a replayed mutation was first judged."""
        first = self.verdicts[expected.user, str(expected.mutation["id"]).lower()].device
        if first != expected.device:
            self._aliases.setdefault(expected.device, set()).add(first)

    # Groups

    def push_group(
        self,
        user_id: str,
        device_id: str,
        mutations: Sequence[Mutation],
        *,
        sent_at: datetime,
        now: datetime,
        context: Context | Sequence[Context] = (),
    ) -> GroupExpected:
        """A group on its way (§4); judged by :meth:`settle_group`."""
        contexts = [context] * len(mutations) if isinstance(context, Context) else list(context)
        contexts += [Context()] * (len(mutations) - len(contexts))
        return GroupExpected(user_id, device_id, tuple(mutations), sent_at, now, tuple(contexts))

    def settle_group(self, group: GroupExpected, verdicts: Sequence[Verdict]) -> list[str]:
        """§4: "if one would be rejected, or its whole record would go to the inbox, none is applied"."""
        store = self.verdicts
        known = [(group.user, str(m["id"]).lower()) in store for m in group.mutations]
        name = group.user, str(group.mutations[0].get("group"))
        members = frozenset(str(m["id"]).lower() for m in group.mutations)
        if (name in self._groups and self._groups[name] != members) or (any(known) and not all(known)):
            return self._settle_changed_group(group, verdicts, known)
        if all(known):
            return [
                error
                for mutation, verdict in zip(group.mutations, verdicts, strict=True)
                for error in self.settle(
                    self.push(group.user, group.device, mutation, sent_at=group.sent_at, now=group.now),
                    verdict,
                )
            ]
        self._groups[name] = members
        fell = any(v["status"] == REJECTED for v in verdicts)
        return self._settle_fallen(group, verdicts) if fell else self._settle_whole(group, verdicts)

    def decide_group(self, group: GroupExpected) -> list[dict[str, Any]]:
        """Without a server: the likeliest end of a group."""
        trial = self.copy()
        found: list[dict[str, Any]] = []
        stopper: tuple[int, Alternative] | None = None
        for at, expected in enumerate(trial._members(group)):
            if expected.first is not None:
                return [
                    dict(self.verdicts[group.user, str(m["id"]).lower()].verdict) | {"replayed": True}
                    for m in group.mutations
                ]
            if expected.alternatives[0].stops_group:
                stopper = (at, expected.alternatives[0])
                break
            found.append(trial.decide(expected))
        if stopper is not None:
            at, end = stopper
            own = _made_up(group.mutations[at], end)
            found = [
                own if i == at else _verdict(mutation, REJECTED, "group_failed")
                for i, mutation in enumerate(group.mutations)
            ]
        errors = self.settle_group(group, found)
        assert not errors, errors
        return found

    def _members(self, group: GroupExpected) -> Iterator[Expected]:
        deletes = frozenset(
            (str(m["entity"]), str(m["record_id"]).lower()) for m in group.mutations if m["op"] == "delete"
        )
        for mutation, context in zip(group.mutations, group.contexts, strict=True):
            expected = self.push(
                group.user, group.device, mutation, sent_at=group.sent_at, now=group.now, context=context
            )
            if expected.first is None and not expected.reused:
                expected.alternatives = tuple(
                    self._judge_any(
                        group.user, group.device, mutation, group.sent_at, group.now, context, deletes
                    )
                )
            yield expected

    def _settle_whole(self, group: GroupExpected, verdicts: Sequence[Verdict]) -> list[str]:
        errors: list[str] = []
        with self._one_step():
            for expected, verdict in zip(self._members(group), verdicts, strict=True):
                errors += self.settle(expected, verdict)
                if all(each.stops_group for each in expected.alternatives):
                    errors.append(f"{expected.mutation['id']} stops its group, yet it was applied (§4)")
        return errors

    @contextmanager
    def _one_step(self) -> Iterator[None]:
        """A transaction, unless one is open."""
        if self._transaction is not None:
            yield
        else:
            with self.transaction():
                yield

    def _settle_fallen(self, group: GroupExpected, verdicts: Sequence[Verdict]) -> list[str]:
        """None of it is applied; one member must have a reason of its own, the others are ``group_failed``."""
        trial, own, errors = self.copy(), 0, list[str]()
        for expected, verdict in zip(trial._members(group), verdicts, strict=True):
            if verdict["status"] == REJECTED and verdict.get("code") == "group_failed":
                passing = [each for each in expected.alternatives if not each.stops_group]
                if passing:
                    trial.decide(replace(expected, alternatives=tuple(passing)))
                elif not own and expected.mutation["op"] != "delete":  # a delete waits for the others
                    errors.append(f"{expected.mutation['id']} is at fault itself: expected {expected} (§4)")
            else:
                own += 1
                if not any(each.fits(verdict) for each in expected.alternatives if each.stops_group):
                    errors.append(
                        f"{expected.mutation['id']} of a fallen group: got {_brief(verdict)}, expected {expected}"
                    )
            mine = Expected(group.user, group.device, expected.mutation, ())
            self._keep(mine, verdict)
        if own != 1:
            errors.append(f"group {group.mutations[0].get('group')} fell for {own} members, not for one (§4)")
        if any(v["status"] == "conflict" for v in verdicts):
            first = group.mutations[0]
            item = Item(
                "group",
                (str(first["entity"]), str(first["record_id"]).lower()),
                None,
                [(group.user, str(m["id"]).lower()) for m in group.mutations],
            )
            item.server_id = next((v["conflict_id"] for v in verdicts if v.get("conflict_id")), None)
            self.inbox.append(item)
        return errors

    def _settle_changed_group(
        self, group: GroupExpected, verdicts: Sequence[Verdict], known: Sequence[bool]
    ) -> list[str]:
        """§4: "a known group with other members is `group_changed`"; its known members replay."""
        errors: list[str] = []
        is_old = (group.user, str(group.mutations[0].get("group"))) in self._groups
        code = "group_changed" if is_old else "group_failed"  # of a new one, an id was used alone before
        for mutation, verdict, is_known in zip(group.mutations, verdicts, known, strict=True):
            first = self.verdicts.get((group.user, str(mutation["id"]).lower()))
            if first is not None and (not is_old or content(first.mutation) == content(mutation)):
                expected = self.push(group.user, group.device, mutation, sent_at=group.sent_at, now=group.now)
                errors += self.settle(expected, verdict)
            else:
                if (verdict["status"], verdict.get("code")) != (REJECTED, code):
                    errors.append(f"{mutation['id']}: got {_brief(verdict)}, expected {code} (§4)")
                if not is_known:
                    self._keep(Expected(group.user, group.device, mutation, ()), verdict)
        return errors

    # Comparing with the server and with devices

    def adopt(self, entity: str, record_id: str, truth: Mapping[str, Any]) -> list[str]:
        """Take from the server what only it can know, and name what it has otherwise.

        Args:
            entity: Kind of the record.
            record_id: Of the record.
            truth: Its wire form, whole or in some shape; ``version`` and ``deleted_at`` if known.
        """
        record = self.records.get((entity, record_id))
        if record is None:
            return [f"{entity} {record_id}: the model has no such record"]
        errors = [f"{entity} {record_id}: {error}" for error in self._adopt_version(record, truth)]
        for name, field in record.entity.fields.items():
            if name not in truth:
                continue
            value = canonical(field, truth[name])
            known = record.values.get(name)
            if known is UNKNOWN:
                check = self._checks.pop((record.key, name), None)
                if check is not None and not check(value):
                    errors.append(f"{entity} {record_id}.{name}: {value!r} is no merge of both (§5)")
                self._learn(record, name, value)
            elif not _same(known, value):
                errors.append(f"{entity} {record_id}.{name}: model {known!r}, server {value!r}")
        return errors

    def _adopt_version(self, record: Record, truth: Mapping[str, Any]) -> list[str]:
        errors = []
        if "version" in truth and truth["version"] != record.version:
            if record.key not in self._loose:
                errors.append(f"version: model {record.version}, server {truth['version']}")
            else:
                record.version = int(truth["version"])
        self._loose.discard(record.key)
        if "deleted_at" in truth and (truth["deleted_at"] is not None) != record.deleted:
            errors.append(f"deleted: model {record.deleted}, server {truth['deleted_at']}")
        return errors

    def _learn(self, record: Record, name: str, value: Any) -> None:
        """An unknown value becomes known, also in the change that wrote it."""
        record.values[name] = value
        for at in range(len(record.history) - 1, -1, -1):
            change = record.history[at]
            if name in change.values:
                old, new = change.values[name]
                if new is UNKNOWN:
                    values = dict(change.values) | {name: (old, value)}
                    record.history[at] = replace(change, values=values)
                return

    def view(
        self, user_id: str, now: datetime, entities: Iterable[str] | None = None
    ) -> dict[Key, dict[str, Any]]:
        """I2: what a quiescent device of the user holds at a checkpoint; unknown values are left out."""
        user = self.company.users[user_id]
        wanted = MODELLED if entities is None else frozenset(entities)
        subscribed = self.company.subscriptions(user_id, now)
        found: dict[Key, dict[str, Any]] = {}
        for key, record in self.records.items():
            shape = record.entity.shape_for(user.shape)
            if key[0] not in wanted or shape is None or record.deleted:
                continue
            if subscribed & self.company.buckets_of(record, now):
                known = {
                    name: value
                    for name in record.entity.fields_of(shape)
                    if (value := record.values.get(name)) is not UNKNOWN
                }
                found[key] = {"version": record.version, **known}
        return found

    def held(self, user_id: str, entity: str, record_id: str, now: datetime) -> bool:
        """Whether a quiescent device of the user holds one record."""
        record = self.records.get((entity, record_id))
        return record is not None and self.company.holds(user_id, record, now)

    def compare(
        self,
        user_id: str,
        now: datetime,
        device: Mapping[Key, Mapping[str, Any]],
        entities: Iterable[str] | None = None,
    ) -> list[str]:
        """I2: how a quiescent device differs from what it must hold, absences and shape included."""
        wanted = MODELLED if entities is None else frozenset(entities)
        must, errors = self.view(user_id, now, wanted), list[str]()
        has = {key: record for key, record in device.items() if key[0] in wanted}
        errors += [f"{key} is missing on the device" for key in must.keys() - has.keys()]
        errors += [f"{key} is a ghost on the device" for key in has.keys() - must.keys()]
        for key in must.keys() & has.keys():
            errors += self._differences(user_id, key, must[key], has[key])
        return sorted(errors)

    def _differences(
        self, user_id: str, key: Key, must: Mapping[str, Any], has: Mapping[str, Any]
    ) -> Iterator[str]:
        entity = self.entities[key[0]]
        shape = entity.shape_for(self.company.users[user_id].shape)
        assert shape is not None
        declared = entity.fields_of(shape)
        for name in entity.fields.keys() - declared.keys():
            if name in has:
                yield f"{key}.{name} is outside the user's shape (I4)"
        if "version" in has and has["version"] != must["version"] and key not in self._loose:
            yield f"{key}.version: must be {must['version']}, is {has['version']}"
        for name in declared.keys() & must.keys():
            if name not in has:
                yield f"{key}.{name} is missing"
            elif not _same(must[name], canonical(declared[name], has[name])):
                yield f"{key}.{name}: must be {must[name]!r}, is {canonical(declared[name], has[name])!r}"

    def state(self) -> dict[Key, Any]:
        """The merged state: values and stamps, no versions; what I10 compares."""
        return {
            key: (record.deleted, dict(record.values), dict(record.stamps))
            for key, record in self.records.items()
        }

    def copy(self) -> "Oracle":
        """A model that can go another way; what happened already is shared."""
        other = Oracle(self.entities)
        other.records.update({key: record.copy() for key, record in self.records.items()})
        for name in ("users", "units", "territories", "members", "delegations"):
            getattr(other.company, name).update(getattr(self.company, name))
        other.verdicts, other.losses, other.rejected = (
            dict(self.verdicts),
            list(self.losses),
            list(self.rejected),
        )
        twins = {id(item): replace(item, mutations=list(item.mutations)) for item in self.inbox}
        other.inbox = [twins[id(item)] for item in self.inbox]
        other._open = {key: twins[id(item)] for key, item in self._open.items()}
        for name in (
            "_aliases",
            "_judged",
            "_rejected_creates",
            "_given",
            "_maybe_given",
            "_subscribed",
            "_ever_in",
        ):
            setattr(other, name, {key: set(found) for key, found in getattr(self, name).items()})
        other._groups = dict(self._groups)
        other._parked = {key: list(found) for key, found in self._parked.items()}
        other._checks, other._loose = dict(self._checks), set(self._loose)
        other._transaction = None if self._transaction is None else dict(self._transaction)
        return other


def _same(one: Any, other: Any) -> bool:
    """Equal values; an empty text and none are one."""
    return bool(one == other) or (one in (None, "") and other in (None, ""))


def content(mutation: Mutation) -> Any:
    """What must be the same in every delivery of a mutation."""
    return freeze(
        {name: value for name, value in mutation.items() if name not in NOT_CONTENT and value is not None}
    )


def _replay_errors(first: Verdict, verdict: Verdict) -> Iterator[str]:
    """§4: "a replay gives the first verdict with `replayed: true`"."""
    if verdict.get("replayed") is not True:
        yield "replayed must be true (§4)"
    for name in ("status", "code", "conflict_id"):
        if verdict.get(name) != first.get(name):
            yield f"replay: {name} was {first.get(name)!r}, is {verdict.get(name)!r} (§4)"
    if outcomes_of(verdict) != outcomes_of(first):
        yield f"replay: fields were {outcomes_of(first)}, are {outcomes_of(verdict)} (§4)"


def _brief(verdict: Verdict) -> str:
    return f"{verdict.get('status')} code {verdict.get('code')} fields {outcomes_of(verdict)}"


def _verdict(mutation: Mutation, status: str, code: str | None, **parts: Any) -> dict[str, Any]:
    shell = {"id": mutation["id"], "status": status, "code": code, "version": None, "fields": {}}
    return shell | {"conflict_id": None, "replayed": False} | parts


def _made_up(mutation: Mutation, end: Alternative) -> dict[str, Any]:
    """The verdict that a server may give by one legal end."""
    outcomes = {name: sorted(options[0].outcomes)[0] for name, options in end.options.items()}
    status = end.status.split("|")[0] if end.status else min(statuses_of(outcomes.values(), end.elsewhere))
    codes = sorted(code for code in end.codes or () if code)
    code = codes[0] if codes else ("refused" if status == REJECTED else None)
    fields = {name: {"outcome": word} for name, word in outcomes.items()}
    return _verdict(mutation, status, code, fields=fields)


def likely_verdict(expected: Expected) -> dict[str, Any]:
    """The verdict of the likeliest end."""
    return _made_up(expected.mutation, expected.alternatives[0])
