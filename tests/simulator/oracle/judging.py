"""§3 to §6: all legal ends of one mutation."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from sync.policy import NEEDS_BASE, Field, Kind, Merge, SyncEntity
from tests.simulator.oracle.books import Item, Lost
from tests.simulator.oracle.case import Case
from tests.simulator.oracle.expected import (
    Alternative,
    Context,
    Mutation,
    Verdict,
    outcomes_of,
)
from tests.simulator.oracle.merging import Option, Write, merge
from tests.simulator.oracle.records import Change, Key, Record
from tests.simulator.oracle.values import FILLED_BY_ROOM, NEVER, UNKNOWN, Path, Stamp
from tests.simulator.oracle.waiting import Desk

NATIONAL_ID = re.compile(r"[0-9０-９]{6}\W{0,7}[1-8１-８][0-9０-９]{6}")
# Fields that name other records, and those by which a record hangs on another (§5 "dependants").
REFERENCES: Mapping[str, str] = {
    "account_id": "account",
    "to_account_id": "account",
    "parent_id": "account",
    "contact_id": "contact",
    "site_id": "site",
    "visit_id": "visit",
}
# (entity, field) by which live records keep another from being deleted.
HANGS_ON: Mapping[str, frozenset[tuple[str, str]]] = {
    "account": frozenset(
        {(child, "account_id") for child in ("site", "contact", "account_contact", "visit", "task")}
        | {("account_relation", end) for end in ("account_id", "to_account_id")}
        | {("account", "parent_id")}
    ),
    "site": frozenset({("visit", "site_id")}),
    "contact": frozenset({("account_contact", "contact_id"), ("visit", "contact_id")}),
    "visit": frozenset({("activity", "visit_id"), ("visit", "rescheduled_to_id")}),
}
# Beside read_only fields, a room's command may write these.
ROOMS_OWN = frozenset({Merge.CLIENT_WINS, Merge.SERVER_WINS})
ANY_CODE: frozenset[str] = frozenset({"*"})
# Codes of the engine, which no rule of a room has.
ENGINES_OWN = frozenset(
    {"not_found", "depends_on", "id_taken", "append_only", "unknown_op", "base_required"}
    | {"transition_not_allowed", "has_dependants", "record_frozen", "group_failed", "group_changed"}
)
# Who may act on the visits and tasks of others.
OFFICE = frozenset({"manager", "admin", "integration"})


class Judge(Desk):
    """What the specification lets a server do with a mutation."""

    def _judge_any(
        self,
        user_id: str,
        device_id: str,
        mutation: Mutation,
        sent_at: datetime,
        now: datetime,
        context: Context,
        with_it: frozenset[Key] = frozenset(),
    ) -> list[Alternative]:
        """The mutation's form first, then its record, then its content."""
        entity = self.entities.get(str(mutation["entity"]))
        if entity is None or not (entity.pushable and self._sees_entity(user_id, entity)):
            return [self._reject(None, None, "§4 no entity for this user's phone")]
        case = Case(user_id, device_id, mutation, sent_at, now, context, entity, with_it)
        if context.failed:
            return [self._to_inbox(case, "failed", None, "§4 any other exception: inbox item `failed`")]
        self.company.passing = with_it
        ends = self._judge(case)
        self.company.passing = frozenset()
        return self._with_refusals(case, ends)

    def _with_refusals(self, case: Case, ends: list[Alternative]) -> list[Alternative]:
        """The record is looked for first, then the form of the fields decides, then all that the record holds.

        What a room says of rights and rules comes last, for it is only asked for what is to be written.
        """
        context, early = case.context, [end for end in ends if end.first]
        problem = self._problem_of_form(case)
        if problem is not None:
            refused = self._reject(case, problem, "form")
            return early if early == ends else [*early, refused]
        refused = replace(self._reject(case, context.codes, "right or rule of the room"), never=ENGINES_OWN)
        record = self.records.get(case.key)
        if record is not None and self._reassigned(case, record):
            refused = replace(refused, never=ENGINES_OWN | {f"{case.entity.name}.reassigned"})
        if early == ends:
            return ends
        if context.valid is False or context.permitted is False or self._names_what_is_not_there(case):
            return [refused, *(end for end in ends if end.stops_group)]
        return [*ends, refused] if None in (context.valid, context.permitted) else ends

    def _sees_entity(self, user_id: str, entity: SyncEntity) -> bool:
        return entity.shape_for(self.company.users[user_id].shape) is not None

    def _problem_of_form(self, case: Case) -> frozenset[str] | None:
        """Codes with which the content is refused whatever the record holds; None if it is in order."""
        entity = case.entity
        if case.op not in ("create", "update"):
            steps = entity.machine.steps if entity.machine else {}
            known = case.op == "delete" or case.op in steps or case.op in entity.commands
            return None if known else frozenset({"unknown_op"})
        shape = entity.shape_for(self.company.users[case.user].shape)
        allowed = entity.fields_of(shape or "all")
        if any(name not in allowed for name in case.fields):
            return ANY_CODE
        if any(allowed[name].merge is Merge.READ_ONLY for name in case.fields):
            return frozenset({"read_only_field"})
        return None

    def _names_what_is_not_there(self, case: Case) -> bool:
        if case.op not in ("create", "update"):
            return False
        return any(not self._may_name(case, name, value) for name, value in case.mine().items())

    def _may_name(self, case: Case, name: str, value: Any) -> bool:
        """References to missing, deleted or foreign records are refused, all with one answer."""
        if name not in REFERENCES or value is None or REFERENCES[name] not in self.entities:
            return True
        record = self.records.get(case.key)
        if record is not None and record.values.get(name) == value:
            return True
        return self.company.in_scope(case.user, REFERENCES[name], value, case.now)

    def _judge(self, case: Case) -> list[Alternative]:
        """All legal ends of a mutation in good form."""
        record = self.records.get(case.key)
        if case.entity.name == "conflict":
            return self._judge_resolution(case)
        if case.op == "create":
            return self._judge_create(case, record)
        if record is None or record.erased:
            return self._unknown_id(case)
        ends = self._judge_access(case, record) or self._judge_known(case, record)
        if not record.entity.append_only or all(end.first for end in ends):
            return ends
        return [self._reject(case, {"append_only"}, "§5 append-only", first=True)]

    def _sees(self, case: Case, record: Record) -> bool:
        return self.company.would_see(case.user, record, case.now)

    def _judge_access(self, case: Case, record: Record) -> list[Alternative]:
        """Deleted records and foreign ones; empty where the record can be judged."""
        sees, given = self._sees(case, record), self._was_given(case.user, record)
        if not record.deleted and sees:
            return []
        if not record.deleted:
            lost = self._to_inbox(
                case, "out_of_scope", {"out_of_scope", None}, "§3 given once, lost since", record
            )
            unknown = self._unknown_id(case)
            return {True: [lost], None: [lost, *unknown], False: unknown}[given]
        if case.op == "delete":
            nothing = partial(self._nothing, case, record)
            gone = Alternative("applied", frozenset({None}), "deleted already", nothing)
        else:
            gone = self._to_inbox(case, "deleted", {"deleted"}, "§5 edit after delete → conflict", record)
        if sees and (given is True or not record.entity.append_only):
            return [gone]
        if given is False:
            return self._unknown_id(case)
        # Which of the two came first, the loss or the delete, only the server's drains tell.
        lost = self._to_inbox(case, "out_of_scope", {"out_of_scope"}, "§3 lost, then deleted", record)
        return [gone, lost] if given else [gone, lost, *self._unknown_id(case)]

    def _was_given(self, user_id: str, record: Record) -> bool | None:
        """Whether a device of the user was given the record; None where only the server's positions tell."""
        if record.key in self._given.get(user_id, ()):
            return True
        if record.key in self._maybe_given.get(user_id, ()):
            return None
        shared = self._ever_in.get(record.key, set()) & self._subscribed.get(user_id, set())
        return None if shared else False

    def _judge_known(self, case: Case, record: Record) -> list[Alternative]:
        """A live record of the scope."""
        if record.entity.append_only:
            return [self._reject(case, {"append_only"}, "§5 append-only", first=True)]
        if case.op == "update":
            return self._judge_update(case, record)
        if case.op == "delete":
            return self._judge_delete(case, record)
        return self._judge_command(case, record)

    # Create

    def _judge_create(self, case: Case, record: Record | None) -> list[Alternative]:
        """§4: new; exists in scope → no-op or merged; outside → ``id_taken``; on a deleted one → ``conflict``."""
        if record is None:
            return [
                Alternative(
                    "",
                    frozenset({None}),
                    "§4 create",
                    partial(self._create, case),
                    options={name: self._new_value(case, name) for name in case.mine()},
                )
            ]
        taken = self._reject(case, {"id_taken"}, "§4 create of an id outside the scope", first=True)
        sees, given = self._sees(case, record), self._was_given(case.user, record)
        if record.deleted:
            waits = self._to_inbox(case, "deleted", None, "§4 create on a deleted one → conflict", record)
            if given is True or (sees and not record.entity.append_only):
                return [waits]
            return [waits, taken] if given is None else [taken]
        if not sees:
            return [taken]
        if record.entity.append_only and any(
            not _alike(record.values.get(name), value) for name, value in case.mine().items()
        ):
            return [self._reject(case, {"append_only"}, "§5 append-only")]
        merged = self._merge(case, record, 0, "§4 create of an id that exists in scope")
        return [merged] if self._is_nothing_new(merged) else self._unless_frozen(case, record, merged)

    def _new_value(self, case: Case, name: str) -> tuple[Option, ...]:
        value = case.mine()[name]
        if _maskable(case.entity.fields[name], value):
            return (Option(frozenset({"masked", "applied"}), UNKNOWN),)
        return (Option(frozenset({"applied"}), value),)

    def _create(self, case: Case, verdict: Verdict) -> list[str]:
        record = self.records.setdefault(case.key, Record(case.entity, case.record_id))
        stamp = Stamp(min(self._corrected(case), case.now), case.id)
        values = {name: self._new_value(case, name)[0].value for name in case.mine()}
        self._insert(record, values, stamp, case.author, verdict.get("version"))
        self._note_visit(record)
        self._note_sent(case, record, stamp)
        self._judge_parked(record)
        self._note_buckets(record, case.now)
        return []

    # Update

    def _judge_update(self, case: Case, record: Record) -> list[Alternative]:
        needs = {name for name in case.mine() if case.entity.fields[name].merge in NEEDS_BASE}
        if needs - case.sent_base().keys():
            return [self._reject(case, {"base_required"}, "§4 base is required for this policy")]
        merged = self._merge(case, record, case.base_version, "§5 merge")
        if self._is_nothing_new(merged):
            return [merged]
        ends = self._unless_frozen(case, record, merged)
        if ends != [merged] or not self._reassigned(case, record):
            return ends
        written = {
            option.value is UNKNOWN or option.value != record.values.get(name)
            for name, legal in merged.options.items()
            for option in legal
        }
        why = "§5 what was one's own waits, as commands do"
        waits = self._to_inbox(case, "frozen", {f"{case.entity.name}.reassigned"}, why, record)
        return [waits] if True in written else [merged]

    def _is_nothing_new(self, merged: Alternative) -> bool:
        return all(option.outcomes == {"equal"} for legal in merged.options.values() for option in legal)

    def _merge(self, case: Case, record: Record, version: int | None, why: str) -> Alternative:
        options = {name: self._options(case, record, version, name) for name in case.mine()}
        elsewhere = self._changed_elsewhere(case, record, version)
        return Alternative(
            "",
            frozenset({None}) if not _may_conflict(options) else None,
            why,
            partial(self._update, case, record, options),
            options=options,
            elsewhere=elsewhere,
        )

    def _options(self, case: Case, record: Record, version: int | None, name: str) -> tuple[Option, ...]:
        """The legal ends of one field."""
        field, mine = record.entity.fields[name], case.mine()[name]
        base = self._base_of(case, record, version, name)
        current = record.values.get(name)
        if version is None:
            changed = _differs(base, current, case.sent_base().keys(), name)
        else:
            changed = partial(self._changed_by_others, case, record, version)
        stamp = self._stamp(case, record, version)
        write = Write(
            name=name,
            field=field,
            current=current,
            mine=mine,
            base=base,
            stamp=stamp,
            stored=record.stamps,
            changed=changed,
            floor=self._floor(case, record, version),
            overrides=version is None and base == current,
        )
        found = merge(write)
        if current is UNKNOWN and not changed((name,)):  # unchanged by others: "take it"
            words = frozenset({"applied", "equal", "combined"})
            found = (Option(words, mine, {(name,): stamp}),)
            if field.merge in (Merge.MAX, Merge.MIN):  # its own work elsewhere may have gone further
                found += (Option(frozenset({"superseded"}), UNKNOWN),)
        if _maskable(field, mine):
            masked = frozenset({"masked"})
            return tuple(replace(o, outcomes=o.outcomes | masked, value=UNKNOWN) for o in found)
        return found

    def _base_of(self, case: Case, record: Record, version: int | None, name: str) -> Any:
        """§4: the sent base; else the value at ``base_version`` "overlaid with this device's own later
        mutations of lower `n`, as they were sent, even those that lost"."""
        sent = case.sent_base()
        if name in sent and case.op != "create":
            return sent[name]
        if version is None:
            return UNKNOWN
        overlaid = record.value_at(version, name)
        if case.op == "create":  # the phone saw nothing, unless it made the record itself
            made = [c for c in record.history if c.kind == "insert" and self._is_own(case, c.author)]
            overlaid = made[-1].values.get(name, (None, UNKNOWN))[1] if made else UNKNOWN
        for earlier in self._own_later(case, record, version):
            if name in earlier.fields and earlier.op in ("update", "create"):
                overlaid = earlier.fields[name]
        return overlaid

    def _update(
        self, case: Case, record: Record, options: Mapping[str, tuple[Option, ...]], verdict: Verdict
    ) -> list[str]:
        words = outcomes_of(verdict)
        values: dict[str, Any] = {}
        stamps: dict[Path, Stamp] = {}
        checks: dict[str, Callable[[Any], bool]] = {}
        opened: list[Item] = []
        for name, legal in options.items():
            chosen = next(option for option in legal if words[name] in option.outcomes)
            values[name] = UNKNOWN if words[name] == "masked" else chosen.value
            stamps |= chosen.stamps
            self.losses += [Lost(record.key, case.id, loss) for loss in chosen.losses]
            if chosen.check is not None and chosen.value is UNKNOWN:
                checks[name] = chosen.check
            if chosen.inbox and words[name] == "conflict":
                opened.append(self._open_item(case, record, name, chosen.inbox))
        self._note_buckets(record, case.now, options)
        errors = self._write(case, record, values, stamps, verdict)
        self._checks |= {(record.key, name): check for name, check in checks.items()}
        errors += self._name_item(opened, verdict)
        version = 0 if case.op == "create" else case.base_version
        self._note_sent(case, record, self._stamp(case, record, version))
        self._note_buckets(record, case.now, options)
        return errors

    def _write(
        self,
        case: Case,
        record: Record,
        values: Mapping[str, Any],
        stamps: Mapping[Path, Stamp],
        verdict: Verdict,
    ) -> list[str]:
        changed = {name: value for name, value in values.items() if record.values.get(name) != value}
        told = verdict.get("version")
        stamp = self._stamp(case, record, 0 if case.op == "create" else case.base_version)
        unsure = any(value is UNKNOWN for value in changed.values())
        if unsure and told == record.version:  # what is unknown may be what it was
            record.values.update(changed)
            return []
        filled = {name for name in values if record.entity.fields[name].table in FILLED_BY_ROOM}
        if not changed and filled and told == record.version + 1:
            record.version = told
            paths = frozenset((name,) for name in filled)
            record.history.append(Change(told, {}, paths, stamp, case.author, "update"))
            return []
        if not changed and told not in (None, record.version) and record.key not in self._loose:
            return [f"version {told}, but nothing changed since {record.version} (§2.1)"]
        return self._change(record, changed, stamps, stamp, case.author, "update", told) if values else []

    def _note_visit(self, visit: Record) -> None:
        """A visit is perhaps the last of its account: when exactly, and in which version, only the server tells."""
        account = self.records.get(("account", str(visit.values.get("account_id"))))
        is_made = visit.entity.name == "visit" and visit.state == "checked_in"
        if is_made and account is not None and "last_visited_at" in account.entity.fields:
            account.values["last_visited_at"] = UNKNOWN
            self._loose.add(account.key)

    # Frozen records, delete, commands

    def _is_frozen(self, record: Record) -> bool:
        machine = record.entity.machine
        return machine is not None and record.state in machine.frozen_states

    def _unless_frozen(self, case: Case, record: Record, merged: Alternative) -> list[Alternative]:
        """§5: "edits of a record that was frozen since: `conflict`, not `rejected`"."""
        machine = record.entity.machine
        if machine is None or not self._is_frozen(record):
            return [merged]
        waits = self._to_inbox(case, "frozen", {"record_frozen"}, "§5 frozen since", record)
        refused = self._reject(case, {"record_frozen"}, "§5 frozen on its own base")
        states = self._base_states(case, record)
        if states is None:
            return [waits, refused]
        return [refused if states[0] in machine.frozen_states else waits]

    def _base_states(self, case: Case, record: Record) -> tuple[str | None, ...] | None:
        """The status that the phone saw: at ``base_version``, moved on by its own later commands as sent.

        First without those of its commands that were rejected, then with them: a phone may have undone them
        already. Of an ended epoch also what it says that it saw. None where it is unknown.
        """
        machine = record.entity.machine
        assert machine is not None
        version = 0 if case.op == "create" else case.base_version
        if version is None:
            seen = (case.mutation.get("base") or {}).get(machine.field)
        elif version == 0:
            made = [c for c in record.history if c.kind == "insert" and self._is_own(case, c.author)]
            seen = made[-1].values.get(machine.field, (None, None))[1] if made else None
        else:
            seen = record.value_at(version, machine.field)
        if seen is UNKNOWN:
            return None
        found = []
        for with_rejected in (False, True):
            state = seen
            for earlier in self._own_later(case, record, version or 0):
                if with_rejected or not self._was_rejected(earlier.author):
                    state = machine.after(earlier.op, state)
            found.append(state)
        return (*found, seen) if version is None else tuple(found)

    def _judge_delete(self, case: Case, record: Record) -> list[Alternative]:
        """§5 delete against edit, then dependants: what somebody has to look at comes first."""
        version = case.base_version
        others = self._changed_by_others(case, record, version or 0, ())
        if others and self._fields_of_others(case, record, version):
            why = "§5 delete after an unseen edit → conflict"
            return [self._to_inbox(case, "delete", {"edited_since"}, why, record)]
        if self._has_dependants(case, record):
            return [self._reject(case, {"has_dependants"}, "§5 a delete that would leave live dependants")]
        return [Alternative("applied", frozenset({None}), "§5 delete", partial(self._delete, case, record))]

    def _has_dependants(self, case: Case, record: Record) -> bool:
        """Live records that hang on it, in any scope, beside those that its group deletes."""
        if case.context.dependants is not None:
            return case.context.dependants
        hanging = HANGS_ON.get(record.entity.name, ())
        return any(
            other.values.get(name) == record.id
            for other in self.records.values()
            if not other.deleted and other is not record and other.key not in case.with_it
            for entity, name in hanging
            if other.entity.name == entity
        )

    def _delete(self, case: Case, record: Record, verdict: Verdict) -> list[str]:
        self._note_buckets(record, case.now)
        stamp = self._stamp(case, record, case.base_version)
        errors = self._change(record, {}, {(): stamp}, stamp, case.author, "delete", verdict.get("version"))
        self._note_sent(case, record, stamp)
        return errors

    def _nothing(self, case: Case, record: Record, verdict: Verdict) -> list[str]:
        self._note_sent(case, record, NEVER)
        return []

    def _judge_command(self, case: Case, record: Record) -> list[Alternative]:
        """§5 "Status never merges. It moves only by commands, checked against the state machine at apply time"."""
        machine = record.entity.machine
        if machine is None or case.op not in machine.steps or record.state is None:
            return [self._free_command(case, record)]
        moved = self._command(case, record)
        waits = self._to_inbox(case, "command", None, "§5 states that a person made: conflict", record)
        refused = self._reject(case, {"transition_not_allowed"}, "§5 illegal on its own base")
        if machine.is_legal(case.op, record.state):
            return [waits] if self._reassigned(case, record) else [moved]
        states = self._base_states(case, record)
        known = states is not None and not (case.base_version is None and states == (None,) * len(states))
        sources = {state for state in states or () if machine.is_legal(case.op, state)}
        if known and not sources:
            return [refused]
        # What the clock made gives way to a step from where it overtook the record.
        overtaken = machine.clock_states.get(record.state, frozenset())
        sources = sources or machine.steps[case.op][0] & overtaken
        moves = [waits] if self._reassigned(case, record) else [moved]
        if sources and sources <= overtaken:
            return moves
        return [*(moves if sources & overtaken else []), waits, *([refused] if states is None else [])]

    def _reassigned(self, case: Case, record: Record) -> bool:
        """§5 `reassigned`: it was the sender's on the phone's base, and is somebody else's by now."""
        version = case.base_version
        if "assignee_id" not in record.entity.fields or self.company.users[case.user].role in OFFICE:
            return False
        return (
            record.values.get("assignee_id") != case.user
            and bool(version)
            and record.value_at(version or 0, "assignee_id") == case.user
        )

    def _command(self, case: Case, record: Record) -> Alternative:
        # Its arguments are no fields of it.
        elsewhere = self._changed_elsewhere(
            replace(case, mutation=dict(case.mutation, fields={})), record, case.base_version
        )
        status = "merged" if elsewhere else "applied"
        return Alternative(status, frozenset({None}), "§5 command", partial(self._move, case, record))

    def _free_command(self, case: Case, record: Record) -> Alternative:
        """A command that is no step of the machine: the room knows what it does."""
        any_status = "applied|merged|conflict|superseded|rejected"
        return Alternative(any_status, None, "a command of the room", partial(self._freely, case, record))

    def _freely(self, case: Case, record: Record, verdict: Verdict) -> list[str]:
        if verdict["status"] in ("applied", "merged"):
            names = (case.fields.keys() | {"assignee_id"}) & record.entity.fields.keys()
            values = dict.fromkeys(names, UNKNOWN)
            stamp = self._stamp(case, record, case.base_version)
            return self._change(record, values, {}, stamp, case.author, "command", verdict.get("version"))
        return []

    def _move(self, case: Case, record: Record, verdict: Verdict) -> list[str]:
        machine = record.entity.machine
        assert machine is not None
        self._note_buckets(record, case.now)
        stamp = self._stamp(case, record, case.base_version)
        values: dict[str, Any] = dict.fromkeys(case.fields.keys() & record.entity.fields.keys(), UNKNOWN)
        values[machine.field] = machine.steps[case.op][1]
        stamps: dict[Path, Stamp] = {(name,): stamp for name in values}
        errors = self._change(record, values, stamps, stamp, case.author, "command", verdict.get("version"))
        for name, field in record.entity.fields.items():
            if field.merge in ROOMS_OWN and name not in values:
                record.values[name] = UNKNOWN
        self._note_visit(record)
        self._note_sent(case, record, stamp)
        self._note_buckets(record, case.now)
        return errors


def _differs(base: Any, current: Any, sent: Iterable[str], name: str) -> Callable[[Path], bool]:
    """§6: of an unknown version, "the base is the sent `base`, a field without one counts as changed by others"."""
    has_base = name in set(sent)

    def changed(path: Path) -> bool:
        if not has_base:
            return True
        if len(path) == 1:
            return bool(base != current)
        return bool((base or {}).get(path[1]) != (current or {}).get(path[1]))

    return changed


def _maskable(field: Field, value: Any) -> bool:
    """Whether a national id number stands in a text (product.md: outcome ``masked``)."""
    texts = value if isinstance(value, frozenset) else (value,)
    return field.kind in (Kind.TEXT, Kind.TEXTS) and any(
        isinstance(text, str) and NATIONAL_ID.search(text) for text in texts
    )


def _alike(one: Any, other: Any) -> bool:
    return bool(one == other) or one is UNKNOWN


def _may_conflict(options: Mapping[str, tuple[Option, ...]]) -> bool:
    return any("conflict" in option.outcomes for legal in options.values() for option in legal)
