"""One checker for each invariant of the protocol. Each raises ``Violation`` with the invariant's name."""

import re
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from app.activity.states import TASK_MACHINE
from app.http.services import derive_key
from app.sync_api.registry import BY_NAME
from app.visits.states import VISIT_MACHINE
from sync.cursor import decode
from sync.policy import Merge
from tests.simulator.chance import id_of
from tests.simulator.company import TABLES, Company
from tests.simulator.device import KEEP, Json, Phone

if TYPE_CHECKING:
    from tests.simulator.history import Heard, History

TOKEN = re.compile(rb"(tok|sec)([AB])([0-9]+)x")
PARENTS = {
    "site": ("account_id", "account"),
    "contact": ("account_id", "account"),
    "visit": ("account_id", "account"),
    "activity": ("account_id", "account"),
    "task": ("account_id", "account"),
    "account_contact": ("account_id", "account"),
    "account_relation": ("account_id", "account"),
}
SCOPED = ("account", "site", "contact", "visit", "activity", "task")
RECOMPUTED = {"conflict", "user", "territory"}
"""Entities whose bodies may change without a new version, because they show others' state."""


def broken(invariant: str, what: str) -> None:
    """Stop the history."""
    from tests.simulator.history import Violation

    raise Violation(invariant, what)


# -- of every answer


def i03_a_replay_gives_the_first_verdict(history: "History", heard: "Heard") -> None:
    """The same mutation has one verdict, however often it is delivered."""
    company, user = heard.company, history.user_id(heard.phone)
    for verdict in heard.json["verdicts"]:
        if verdict["code"] == "mutation_id_reused":
            continue
        key = company.mark, user, verdict["id"]
        first = history.first_verdicts.get(key)
        if first is None:
            # The first answer may have been lost on the way; then this one is a replay already.
            history.first_verdicts[key] = verdict
            continue
        if not verdict["replayed"]:
            broken("I3", f"mutation {verdict['id']} was judged a second time: {verdict['status']}")
        for part in ("status", "code", "detail", "version", "fields", "conflict_id"):
            if verdict[part] != first[part]:
                broken("I3", f"replay of {verdict['id']}: {part} {verdict[part]!r} is not {first[part]!r}")


def i03_a_doubled_delivery_has_one_effect(history: "History", phone: Phone, one: Json, two: Json) -> None:
    """The second copy of a request is answered by replays alone."""
    if len(one["verdicts"]) != len(two["verdicts"]):
        broken("I3", "a doubled request got another number of verdicts")


def i04_no_byte_of_a_foreign_record(history: "History", heard: "Heard") -> None:
    """Tokens, ids and removals in the bytes all belong to the user's scope, fields to the user's shape."""
    company, phone = heard.company, heard.phone
    user = history.user_id(phone)
    role = None
    team = _texts_of_the_team(heard) if history.role(phone) in ("manager", "admin") else set()
    for kind, mark, number in set(TOKEN.findall(heard.answer.body)):
        if mark.decode() != company.mark:
            broken("I21", f"{phone.name} was sent a text of company {mark.decode()}")
        record, writer = company.written[int(number)]
        if writer == user or (user, int(number)) in history.told:
            continue  # of their own writing
        if kind == b"sec":
            role = role or history.role(phone)
            if role == "technician":
                broken("I4", f"{phone.name}, a technician, was sent a field outside the shape (of {record})")
        # What was never made is known to nobody but by the items of those who tried.
        made = any(record in stood for stood in history.stood_in.values()) or any(
            known == record for _, known in history.ever[company.mark]
        )
        if int(number) not in team and made and not history.may_see(company, user, record):
            broken("I4", f"{phone.name} was sent a text of {record}, which is outside the scope")
    answer = heard.json
    ids = [(c["entity"], c["id"]) for c in answer["changes"]]
    for entity, record in ids:
        if entity in SCOPED and not history.may_see(company, user, record):
            broken("I4", f"{phone.name} was sent {entity} {record}, which is outside the scope")
    for gone in answer["removed"]:
        known = (user, gone["id"]) in history.ever[company.mark]
        held = (gone["entity"], gone["id"]) in phone.state.records
        if gone["entity"] in SCOPED and not known and not held:
            broken("I4", f"{phone.name} was told of {gone['entity']} {gone['id']}, never in the scope")
    seen = {m["id"]: m for m in heard.asked["mutations"]}
    for verdict in answer["verdicts"]:
        sent = seen.get(verdict["id"])
        shown = verdict["record"] and sent and sent["entity"] in SCOPED
        if shown and not history.may_see(company, user, sent["record_id"]):
            broken("I4", f"{phone.name}'s verdict shows {sent['entity']} {sent['record_id']}, out of scope")


def _texts_of_the_team(heard: "Heard") -> set[int]:
    """What the user's team sent and nobody judged: it goes to its lead with what it is about."""
    items = [
        change["record"]["mine"]
        for change in heard.json["changes"]
        if change["entity"] == "conflict" and change["record"]["account_id"] is None
    ]
    return {int(number) for _, _, number in TOKEN.findall(orjson.dumps(items))}


def i04_only_live_buckets_are_served(history: "History", heard: "Heard") -> None:
    """An account that comes is one of the user's territories of now, or their own, also while no drain has seen it."""
    user, mark = history.user_id(heard.phone), heard.company.mark
    if history.role(heard.phone) == "technician":
        return  # theirs come with visits
    for change in heard.json["changes"]:
        record = change["record"]
        foreign = change["entity"] == "account" and record["owner_id"] != user
        if foreign and (user, record["territory_id"]) not in history.lands[mark]:
            broken(
                "I4",
                f"{heard.phone.name} was sent account {change['id']} of a territory that is not theirs",
            )


def i13_unsent_work_holds_removals(history: "History", heard: "Heard") -> None:
    """Nothing is taken from a phone that has work which the server has not seen, and it is at no checkpoint."""
    if heard.asked["client"].get("pending") and heard.json["cursor"] is not None:
        if heard.json["removed"]:
            broken(
                "I13", f"{heard.phone.name} has unsent work and was told to remove {heard.json['removed']}"
            )
        if not heard.json["has_more"]:
            broken("I13", f"{heard.phone.name} has unsent work and was told of a checkpoint")


def i13_a_checkpoint_is_of_the_live_scope(history: "History", heard: "Heard") -> None:
    """What is subscribed in the feed is what the user has now, or the answer is no checkpoint."""
    if heard.json["has_more"] or heard.json["cursor"] is None:
        return
    user = history.user_id(heard.phone)
    rows = heard.company.look(
        "SELECT bucket FROM sync_subscriptions WHERE tenant_id = :t AND user_id = :u AND bucket LIKE 'territory:%'",
        u=user,
    )
    drained = {row[0].removeprefix("territory:") for row in rows}
    live = {land for who, land in history.lands[heard.company.mark] if who == user}
    if drained != live:
        broken("I13", f"{heard.phone.name} is at a checkpoint of {sorted(drained)}, and has {sorted(live)}")


def i04_a_farewell_gives_nothing(phone: Phone, answer: Json) -> None:
    """A device that is locked out is sent verdicts and nothing else."""
    if answer["changes"] or answer["removed"] or answer["cursor"] is not None:
        broken("I4", f"{phone.name} is locked out and was sent records")
    for verdict in answer["verdicts"]:
        if verdict["record"] is not None:
            broken("I4", f"{phone.name} is locked out and was shown a record")


def i06_groups_are_whole(history: "History", heard: "Heard") -> None:
    """The members of a group are judged together: all are taken, or none is."""
    user, mark = history.user_id(heard.phone), heard.company.mark
    seen = {m["id"]: m for m in heard.asked["mutations"]}
    for verdict in heard.json["verdicts"]:
        group = seen.get(verdict["id"], {}).get("group")
        if group is None or verdict["code"] in ("group_changed", "mutation_id_reused", "quarantined"):
            continue
        members = history.groups.get((mark, user, group), [])
        verdicts = [history.first_verdicts.get((mark, user, m)) for m in members]
        known = [v for v in verdicts if v is not None]
        if any(v["code"] == "quarantined" for v in known) or len(known) < len(members):
            continue
        statuses = {v["status"] for v in known}
        if "rejected" in statuses and statuses & {"applied", "merged", "superseded"}:
            broken("I6", f"group {group} was half applied: {[(v['status'], v['code']) for v in known]}")


def i05_a_checkpoint_has_drained_the_marks(history: "History", heard: "Heard") -> None:
    """An answer that says checkpoint leaves no mark behind that was committed before it."""
    if heard.json["has_more"] or history.hold_drains or heard.json["cursor"] is None:
        return
    if history.poisoned:
        return
    waiting = heard.company.waiting_marks()
    if waiting:
        broken("I5", f"{heard.phone.name} got a checkpoint while {waiting} marks wait")


def i07_a_version_stands_for_one_body(history: "History", heard: "Heard") -> None:
    """The same version of a record has the same body for everybody of a shape."""
    role = history.role(heard.phone)
    for change in heard.json["changes"]:
        if change["entity"] in RECOMPUTED:
            continue
        if change["record"]["version"] != change["version"]:
            broken("I7", f"{change['entity']} {change['id']}: the body is of another version")
        key = (heard.company.mark, change["entity"], change["id"], change["version"], role)
        known = history.bodies.setdefault(key, change["record"])
        if known != change["record"]:
            differing = sorted(k for k in known if known[k] != change["record"].get(k))
            broken("I7", f"{change['entity']} {change['id']} v{change['version']} differs in {differing}")


def i08_a_verdict_shows_its_work(history: "History", heard: "Heard") -> None:
    """The record in a verdict holds what was applied, or a later version."""
    seen = {m["id"]: m for m in heard.asked["mutations"]}
    for verdict in heard.json["verdicts"]:
        sent, record = seen.get(verdict["id"]), verdict["record"]
        if record is None or sent is None or verdict["version"] is None:
            continue
        if record["version"] < verdict["version"]:
            broken("I8", f"the verdict of {verdict['id']} shows an older record than it wrote")
        if record["version"] == verdict["version"] and not _shares_its_version(history, heard, sent, verdict):
            for name, told in verdict["fields"].items():
                same = name in record and _alike(record[name], sent["fields"].get(name))
                if told["outcome"] in ("applied", "equal") and name in record and not same:
                    broken(
                        "I8", f"{verdict['id']}: {name} was applied, and the record shows {record[name]!r}"
                    )


def _shares_its_version(history: "History", heard: "Heard", sent: Json, verdict: Json) -> bool:
    """Whether another mutation of the record was judged in the same transaction, so that the version is of both.

    A command of a visit writes to its account, too: when it was last visited.
    """
    user = history.user_id(heard.phone)
    if sent["entity"] == "account" and any(m["entity"] == "visit" for m in heard.asked["mutations"]):
        return True
    return any(
        other["record_id"] == sent["record_id"] and other["id"] != sent["id"]
        for (mark, who, number), other in history.sent_mutations.items()
        if mark == heard.company.mark
        and who == user
        and (known := history.first_verdicts.get((mark, who, number))) is not None
        and known["version"] == verdict["version"]
    )


def i15_nothing_fails_by_itself(history: "History", heard: "Heard") -> None:
    """No sound mutation meets an exception of the server, unless SQL by hand spoilt its record."""
    for verdict in heard.json["verdicts"]:
        sent = history.sent_mutations[heard.company.mark, history.user_id(heard.phone), verdict["id"]]
        if verdict["code"] == "failed" and not history.spoilt:
            broken("I15", f"{sent['op']} of {sent['entity']} failed in the server: {verdict}")


# -- when a phone takes an answer in


def i07_a_version_never_goes_back(history: "History", phone: Phone, asked: Json, answer: Json) -> None:
    """No change is older than what the phone holds, unless the epoch changed."""
    if "rebase" in answer["directives"] or phone.cloned:
        return
    for change in answer["changes"]:
        held = phone.state.records.get((change["entity"], change["id"]))
        if held and not held.stale and change["version"] < held.version:
            broken(
                "I7",
                f"{phone.name}: {change['entity']} {change['id']} v{held.version} → v{change['version']}",
            )


def i16_no_answer_without_progress(history: "History", phone: Phone, asked: Json, answer: Json) -> None:
    """An answer judges every mutation of its request."""
    missing = {m["id"] for m in asked["mutations"]} - {v["id"] for v in answer["verdicts"]}
    if missing and "rebase" not in answer["directives"]:
        broken("I16", f"{phone.name}: no verdict for {sorted(missing)}")


def epoch_that_ended(history: "History", phone: Phone, token: str | None) -> str | None:
    """The present epoch, if a cursor of it names drains, or judged mutations, that the database never had."""
    if token is None or not history.restored or phone.locked_out:
        return None
    company = history.company_of(phone)
    device = UUID(phone.device_id)
    key = derive_key(history.server.config.secret_key, "sync-cursor")
    cursor = decode(token, key, tenant_id=company.id, device_id=device)
    present, floor = company.look(
        "SELECT (SELECT id FROM sync_epochs WHERE ended_at IS NULL), floor FROM sync_heads WHERE tenant_id = :t"
    )[0]
    if cursor.epoch != present or cursor.lowest < floor:
        return None
    held = set(company.look("SELECT position, nonce FROM sync_drain WHERE tenant_id = :t"))
    judged = company.look(
        "SELECT highest_n FROM sync_devices WHERE tenant_id = :t AND device_id = :d", d=device
    )
    unheard = {drain for drain in cursor.drains if drain[0]} - held
    return str(present) if unheard or cursor.highest_n > (judged[0][0] if judged else 0) else None


def i18_old_schemas_never_null_fields(history: "History", phone: Phone, asked: Json, answer: Json) -> None:
    """Bodies have the same fields for a shape, whatever schema version the phone speaks."""
    for change in answer["changes"]:
        held = phone.state.records.get((change["entity"], change["id"]))
        if held is None or history.setup.get("schema_changes"):
            continue
        if phone.state.shape == getattr(phone, "shape_of_records", phone.state.shape):
            lost = held.record.keys() - change["record"].keys()
            if lost and not held.stale and not history.report.done["role"]:
                broken("I18", f"{change['entity']} {change['id']} lost the fields {sorted(lost)}")


# -- at a checkpoint


def i06_transactions_are_whole(history: "History", phone: Phone) -> None:
    """Accounts that every SQL transaction writes together are together, and say the same."""
    if history.poisoned:
        return
    view = phone.state.records
    for first, second in history.pairs:
        one, two = (view.get(("account", str(id_of(symbol)))) for symbol in (first, second))
        # A technician holds accounts one by one, for the visits there.
        if (one is None) != (two is None) and history.role(phone) != "technician":
            broken("I6", f"{phone.name} holds one of {first} and {second} without the other")
        if one and two and one.record["subtype"] != two.record["subtype"]:
            broken("I6", f"{phone.name}: {first} and {second} are of two transactions")


def i09_no_dangling_reference(history: "History", phone: Phone) -> None:
    """Every child's parent is on the phone."""
    view = phone.state.records
    for (entity, record), held in view.items():
        if entity in PARENTS:
            name, parent = PARENTS[entity]
            wanted = held.record.get(name)
            # What SQL by hand spoilt cannot be rendered in a bucket that it moves to; its children can.
            if wanted is not None and (parent, wanted) not in view and wanted not in history.poisoned:
                broken("I9", f"{phone.name}: {entity} {record} points to {parent} {wanted}, not on the phone")


def i12_deleted_records_stay_away(history: "History", phone: Phone) -> None:
    """What the server has deleted is on no phone that is at a checkpoint."""
    if history.hold_drains or not history.deleted:
        return
    company = history.company_of(phone)
    for entity, table in TABLES.items():
        held = [r for e, r in phone.state.records if e == entity and r in history.deleted]
        if not held:
            continue
        rows = company.look(
            f"SELECT id FROM {table} WHERE tenant_id = :t AND id = ANY(CAST(:ids AS uuid[])) AND deleted_at IS NULL",
            ids=held,
        )
        ghosts = set(held) - {str(row[0]) for row in rows}
        if ghosts:
            broken("I12", f"{phone.name} holds deleted {entity} {sorted(ghosts)}")


def i13_scope_arrives_and_leaves_whole(history: "History", phone: Phone) -> None:
    """At a checkpoint the phone holds exactly the live accounts, sites and contacts of its user's scope."""
    if history.hold_drains or history.poisoned:
        return
    company, user = history.company_of(phone), history.user_id(phone)
    wanted = {e: set() for e in ("account", "site", "contact")}
    for (who, record), (entity, lives) in history.present[company.mark].items():
        if who == user and lives and entity in wanted:
            wanted[entity].add(record)
    if not history.faults_stopped and history.role(phone) == "technician":
        return  # their accounts come and go with windows, which the scheduler moves now and then
    for entity, records in wanted.items():
        held = {r for e, r in phone.state.records if e == entity}
        if held != records:
            lacking, ghosts = sorted(records - held), sorted(held - records)
            broken("I13", f"{phone.name}: {entity} lacking {lacking}, ghosts {ghosts}")


# -- at the end


def i16_a_queue_drains_in_few_rounds(history: "History", phone: Phone) -> None:
    """After the faults stop, a queue is empty after ⌈queue/limit⌉ + 2 rounds, one more for each group."""
    waiting = phone.waiting()
    groups = len({q.body["group"] for q in waiting} - {None})
    allowed = ceil(len(waiting) / phone.push_limit) + 2 + groups
    if history.restored:  # then work that was acknowledged goes once more
        allowed = ceil(len(phone.state.queue) / phone.push_limit) + 4 + groups
    for number in range(10_000):
        if not phone.waiting():
            return
        if number >= allowed:
            broken("I16", f"{phone.name}: {len(phone.waiting())} mutations wait after {allowed} rounds")
        if history.round(phone) == "out":
            history.say_farewell(phone)
            return


def i01_no_acknowledged_edit_is_lost(history: "History") -> None:
    """Each acknowledged field is current, or in the ledger with its winner, or in the inbox, or listed as rejected."""
    for mark, company in history.companies.items():
        changes = defaultdict(list)
        for row in company.look(
            "SELECT mutation_id::text, op, new, winner, entity, record_id::text, part FROM changes"
            " WHERE tenant_id = :t AND mutation_id IS NOT NULL"
        ):
            changes[row[0]].append(row[1:])
        stored = {
            (str(r[0]), str(r[1])): r[2:]
            for r in company.look(
                "SELECT user_id, id, status, code, payload, conflict_id::text FROM sync_mutations WHERE tenant_id = :t"
            )
        }
        inbox = {
            str(r[0]): r[1]
            for r in company.look("SELECT id, losers::text FROM conflicts WHERE tenant_id = :t")
        }
        for (where, user, mutation_id), verdict in history.first_verdicts.items():
            if where != mark:
                continue
            sent = history.sent_mutations[mark, user, mutation_id]
            kept = stored.get((user, mutation_id))
            if kept is None or kept[0] != verdict["status"]:
                broken("I1", f"the server forgot its verdict {verdict['status']} on {mutation_id}")
            if verdict["status"] == "rejected":
                if kept[2] is None:
                    broken("I1", f"the payload of rejected {mutation_id} is gone")
                continue
            conflict = verdict["conflict_id"]
            if conflict is not None and conflict not in inbox:
                broken("I1", f"the inbox item {conflict} of {mutation_id} does not exist")
            if verdict["status"] == "conflict" and conflict is None:
                broken("I1", f"{mutation_id} is a conflict without an inbox item")
            _fields_are_kept(verdict, sent, changes[mutation_id])


def _fields_are_kept(verdict: Json, sent: Json, rows: list[Any]) -> None:
    if sent["op"] == "create" and verdict["status"] == "applied" and not rows:
        broken("I1", f"create {verdict['id']} was applied and left no change")
    if sent["op"] not in ("update", "create"):
        return
    for name, told in verdict["fields"].items():
        outcome = told["outcome"]
        if outcome == "applied" and sent["op"] == "update":
            wrote = any(
                op != "lost" and (part == name or name in (new or {})) for op, new, _, _, _, part in rows
            )
            if not wrote:
                broken("I1", f"{name} of {verdict['id']} was applied and is not in the ledger")
            value = sent["fields"].get(name)
            if isinstance(value, str) and name not in ("planned_start", "planned_end"):
                news = [new[name] for op, new, *_ in rows if op != "lost" and new and name in new]
                if news and not any(_alike(value, found) for found in news):
                    broken("I1", f"{name} of {verdict['id']}: {value!r} was applied as {news!r}")
        kept = any(op == "lost" and name in (new or {}) and winner for op, new, winner, *_ in rows)
        if outcome == "superseded" and not kept:
            broken("I1", f"{name} of {verdict['id']} lost, and neither value nor winner is in the ledger")


def i02_phones_equal_the_server(history: "History") -> None:
    """Each phone at its checkpoint equals a first sync of its user, and the server's own lists."""
    firsts: dict[tuple[str, str], Any] = {}
    for phone in list(history.phones.values()):
        company = history.company_of(phone)
        if phone.locked_out:
            continue
        key = company.mark, phone.user
        if key not in firsts:
            other = history.fresh(phone)
            firsts[key] = None if other is None else other.view()
            if other is not None:
                i02_a_first_sync_equals_the_lists(history, other)
        if firsts[key] is None:
            continue
        witness = history.witnesses.get(company.mark)
        if witness is not None:
            errors = witness.oracle.compare(history.user_id(phone), history.now, firsts[key])
            if errors:
                broken("I2", f"a first sync of {phone.user}, by the oracle: {'; '.join(errors[:4])}")
        compare(phone.name, phone.view(), firsts[key])


def compare(name: str, view: dict[Any, Json], first: dict[Any, Json]) -> None:
    """A phone's records against those of a first sync."""
    lacking, ghosts = sorted(first.keys() - view.keys()), sorted(view.keys() - first.keys())
    if lacking or ghosts:
        broken("I2", f"{name} lacks {lacking} and has the ghosts {ghosts}")
    for key, record in first.items():
        if view[key] != record:
            differing = sorted(f for f in record if record[f] != view[key].get(f))
            broken(
                "I2",
                f"{name}: {key} differs in {differing}: {[(view[key].get(f), record[f]) for f in differing]}",
            )


def i02_a_first_sync_equals_the_lists(history: "History", phone: Phone) -> None:
    """What a first sync gives is what the tables hold in the user's scope; own visits and tasks are all there."""
    company, user = history.company_of(phone), history.user_id(phone)
    view = phone.state.records
    quarantined = {
        str(r[0]) for r in company.look("SELECT record_id FROM sync_quarantine WHERE tenant_id = :t")
    }
    present = history.present[company.mark]
    for entity, table in TABLES.items():
        held = {r: h for (e, r), h in view.items() if e == entity}
        rows = company.look(
            f"SELECT id::text, version, deleted_at IS NOT NULL FROM {table} WHERE tenant_id = :t"
        )
        versions = {r[0]: (r[1], r[2]) for r in rows}
        for record, one in held.items():
            if record in quarantined:
                continue
            if record not in versions or versions[record][1]:
                broken("I2", f"{phone.name} was given {entity} {record}, which is deleted")
            if versions[record][0] != one.version:
                broken(
                    "I2",
                    f"{phone.name}: {entity} {record} v{one.version}, the table has v{versions[record][0]}",
                )
        # The children of what SQL by hand spoilt stay where they were until it is mended.
        if entity in ("account", "site", "contact") and not history.poisoned:
            wanted = {r for (u, r), (e, lives) in present.items() if u == user and e == entity and lives}
            if wanted - quarantined != held.keys() - quarantined:
                broken("I2", f"{phone.name}: {entity} {sorted(wanted ^ held.keys())} differ from the scope")
    mine = company.look(
        "SELECT v.id::text FROM visits v WHERE v.tenant_id = :t AND v.assignee_id = :u AND v.deleted_at IS NULL"
        " AND v.planned_start >= CAST(:now AS timestamptz) - interval '3 days'"
        " AND v.planned_start < CAST(:now AS timestamptz) + interval '14 days'",
        u=user,
        now=history.now,
    )
    wanted = {r[0] for r in mine if (user, r[0]) in present} - quarantined
    lacking = wanted - {r for e, r in view if e == "visit"}
    if lacking:
        broken("I2", f"{phone.name} lacks own visits {sorted(lacking)}")
    tasks = company.look(
        "SELECT id::text, account_id FROM tasks WHERE tenant_id = :t AND assignee_id = :u AND deleted_at IS NULL",
        u=user,
    )
    wanted = {r[0] for r in tasks if (user, r[0]) in present} - quarantined
    held_tasks = {r for e, r in view if e == "task"}
    if wanted != held_tasks - quarantined:
        broken("I2", f"{phone.name}: own tasks {sorted(wanted ^ held_tasks)} differ")


def i03_every_mutation_wrote_once(history: "History") -> None:
    """Whatever a mutation wrote, it wrote in one transaction; a replay of everything writes nothing."""
    for mark, company in history.companies.items():
        twice = company.look(
            "SELECT mutation_id::text, count(DISTINCT xid) FROM changes WHERE tenant_id = :t"
            " AND mutation_id IS NOT NULL GROUP BY 1 HAVING count(DISTINCT xid) > 1"
        )
        if twice:
            broken("I3", f"mutations that wrote in several transactions: {[tuple(r) for r in twice]}")
        before = company.look("SELECT coalesce(max(id), 0) FROM changes WHERE tenant_id = :t")[0][0]
        asked_for = set()
        for phone in list(history.phones.values()):
            if history.home[phone.name] is not company or phone.locked_out or phone.state.cursor is None:
                continue
            user = history.user_id(phone)
            if user in asked_for:
                continue
            asked_for.add(user)
            all_sent = [
                m
                for (where, who, _), m in history.sent_mutations.items()
                if where == mark and who == user and (where, who, m["id"]) in history.first_verdicts
            ]
            if all_sent:
                asked = phone.request(history.now) | {"mutations": list(reversed(all_sent))[:500]}
                answer = history.send(phone, asked)
                if answer.status == 200:
                    phone.apply(asked, answer.json, history.now)
        after = company.look("SELECT coalesce(max(id), 0) FROM changes WHERE tenant_id = :t")[0][0]
        if after != before:
            broken("I3", f"replays wrote {after - before} changes")


def _confirmed(company: Company) -> dict[tuple[str, str, str], list[tuple[Any, str]]]:
    """Stamps of the mutations that found their value there already, by field."""
    found: dict[tuple[str, str, str], list[tuple[Any, str]]] = defaultdict(list)
    for entity, record, name, at, mutation in company.look(
        "SELECT m.entity, m.record_id::text, f.key, m.stamp_at, m.id::text FROM sync_mutations m"
        " CROSS JOIN jsonb_each(m.fields) f WHERE m.tenant_id = :t AND f.value ->> 'outcome' = 'equal'"
        " AND m.stamp_at IS NOT NULL"
    ):
        found[entity, record, name].append((at, mutation))
    return found


def i10_the_later_stamp_stays(history: "History") -> None:
    """Of the writes of a ``last_write`` field none gives way to an earlier one, in whatever order they came.

    So the merged state is that of the latest stamps, which do not depend on the order of arrival. What only
    confirmed a value stands in no ledger, and counts. After a restore the base of older work is unknown, and
    nothing lifts its stamps.
    """
    if history.restored:
        return
    for company in history.companies.values():
        newest: dict[tuple[str, str, str], tuple[Any, str]] = {}
        confirmed = _confirmed(company)
        rows = company.look(
            "SELECT c.entity, c.record_id::text, c.op, c.new, c.stamp_at, coalesce(c.mutation_id::text, ''), m.op"
            " FROM changes c LEFT JOIN sync_mutations m ON m.tenant_id = c.tenant_id AND m.id = c.mutation_id"
            " WHERE c.tenant_id = :t AND c.part IS NULL ORDER BY c.id"
        )
        for entity, record, op, new, at, mutation, how in rows:
            fields = BY_NAME[entity].policy.fields if entity in BY_NAME else {}
            for name in new or {}:
                if name not in fields or fields[name].merge is not Merge.LAST_WRITE:
                    continue
                key = entity, record, name
                if op == "lost":
                    winners = [newest[key], *confirmed.get(key, ())] if key in newest else []
                    if winners and (at, mutation) >= max(winners):
                        broken("I10", f"{entity} {record}: {name} of {mutation} was the later one, and lost")
                    continue
                if how == "update" and key in newest and (at, mutation) < newest[key]:
                    broken("I10", f"{entity} {record}: {name} of {mutation} is older than what it replaced")
                newest[key] = max((at, mutation), newest.get(key, (at, mutation)))


def i10_nobody_is_overwritten_unasked(history: "History") -> None:
    """An ``ask`` field is only written by somebody who had seen the value that it replaces, or by a decision."""
    for company in history.companies.values():
        rows = company.look(
            "SELECT c.entity, c.record_id::text, c.old, c.new, m.payload -> 'base', m.id::text, c.version"
            " FROM changes c JOIN sync_mutations m ON m.tenant_id = c.tenant_id AND m.id = c.mutation_id"
            " WHERE c.tenant_id = :t AND c.op = 'update' AND c.part IS NULL AND m.op = 'update' ORDER BY c.id"
        )
        mine: dict[tuple[str, str], set[str]] = defaultdict(set)
        for (mark, user, _), sent in history.sent_mutations.items():
            if mark == company.mark:
                for name, value in sent["fields"].items():
                    mine[sent["record_id"], name].add(f"{user}/{value}")
        writers = {m: u for (mark, u, m) in history.sent_mutations if mark == company.mark}
        for entity, record, old, new, base, mutation, _ in rows:
            fields = BY_NAME[entity].policy.fields
            for name in new:
                if name not in fields or fields[name].merge is not Merge.ASK or name not in (base or {}):
                    continue
                own = f"{writers.get(mutation)}/{old.get(name)}" in mine[record, name]
                if not own and not _alike(base[name], old.get(name)) and old.get(name) != new[name]:
                    broken(
                        "I10", f"{entity} {record}: {name} of {mutation} replaced {old.get(name)!r} unseen"
                    )


def i11_skew_changes_nothing(history: "History") -> None:
    """Each mutation is stamped with the time when it was really made, or just above what it was based on."""
    for company in history.companies.values():
        stamps: dict[tuple[str, str], list[Any]] = defaultdict(list)
        rows = company.look(
            "SELECT entity, record_id::text, mutation_id::text, actor_id::text, stamp_at FROM changes"
            " WHERE tenant_id = :t ORDER BY id"
        )
        own = {
            str(r[0]): (r[1], str(r[2]), r[3])
            for r in company.look(
                "SELECT id, entity, record_id, stamp_at FROM sync_mutations WHERE tenant_id = :t"
                " AND stamp_at IS NOT NULL"
            )
        }
        for entity, record, mutation, actor, at in rows:
            made = history.made.get((company.mark, actor, mutation)) if mutation else None
            about = own.get(mutation) if mutation else None
            if (
                made is not None
                and about is not None
                and entity != "conflict"
                and about[:2] == (entity, record)
            ):
                tolerance = timedelta(milliseconds=2)
                if at < made - tolerance:
                    broken("I11", f"{mutation} of {entity} {record}, made {made}, was stamped {at}")
                above = [
                    s for s in (*stamps[entity, record], *_of_others(own, entity, record, mutation)) if s < at
                ]
                raised = any(at - s <= timedelta(microseconds=2) for s in above)
                if at > made + tolerance and not raised:
                    broken("I11", f"{mutation} of {entity} {record}, made {made}, was stamped {at}")
            stamps[entity, record].append(at)


def _of_others(own: Any, entity: str, record: str, mutation: str) -> list[Any]:
    return [at for name, (e, r, at) in own.items() if (e, r) == (entity, record) and name != mutation]


def i12_nothing_rises_by_itself(history: "History") -> None:
    """Each undelete in the ledger was asked for: by a decision, or by hand."""
    for company in history.companies.values():
        rows = company.look(
            "SELECT c.entity, c.record_id, c.mutation_id, m.op FROM changes c LEFT JOIN sync_mutations m"
            " ON m.tenant_id = c.tenant_id AND m.id = c.mutation_id WHERE c.tenant_id = :t AND c.op = 'restore'"
        )
        for entity, record, mutation, op in rows:
            if mutation is not None and op not in ("resolve", "apply"):
                broken("I12", f"{entity} {record} was restored by {op} {mutation}")


def i14_status_moves_by_the_machine(history: "History") -> None:
    """Statuses in the ledger follow the state machines."""
    for company in history.companies.values():
        for entity, machine in (("visit", VISIT_MACHINE), ("task", TASK_MACHINE)):
            legal = {(s, to) for sources, to in machine.steps.values() for s in sources}
            if entity == "visit":
                legal |= {("planned", "missed")} | {
                    ("missed", to) for s, to in legal if s in ("planned", "en_route")
                }
            rows = company.look(
                "SELECT record_id, old ->> 'status', new ->> 'status', actor_kind, actor_name FROM changes"
                " WHERE tenant_id = :t AND entity = :e AND op = 'update' AND part IS NULL AND new ? 'status'",
                e=entity,
            )
            for record, old, new, kind, actor in rows:
                if (old, new) not in legal and not (kind == "import" or actor == "sim"):
                    broken("I14", f"{entity} {record} went from {old} to {new} by {kind} {actor}")
                if new == "missed" and kind != "job":
                    broken("I14", f"{entity} {record} was called missed by {kind}")
        over = company.look(
            "SELECT v.id FROM visits v JOIN visit_tasks t ON t.tenant_id = v.tenant_id AND t.visit_id = v.id"
            " WHERE v.tenant_id = :t AND v.planned_end < v.planned_start"
        )
        if over:
            broken("I14", f"visits end before they start: {over}")


def i17_the_ledger_gives_the_tables(history: "History") -> None:
    """Replaying the ledger gives every row; versions have no gaps and one transaction each."""
    for company in history.companies.values():
        rows = company.look(
            "SELECT entity, record_id::text, version, op, part, part_id::text, new, xid::text FROM changes"
            " WHERE tenant_id = :t AND op <> 'lost' ORDER BY id"
        )
        state: dict[tuple[str, str], Json] = {}
        parts: dict[tuple[str, str, str], Json] = {}
        versions: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for entity, record, version, op, part, part_id, new, xid in rows:
            versions[entity, record][version].add(xid)
            if part is None:
                if op == "insert":
                    state[entity, record] = dict(new)
                elif op == "delete" and new is None:
                    state.pop((entity, record), None)
                else:
                    state.setdefault((entity, record), {}).update(new or {})
            elif op == "delete":
                parts.pop((entity, part, part_id), None)
            elif op == "insert":
                parts[entity, part, part_id] = dict(new)
            else:
                parts.setdefault((entity, part, part_id), {}).update(new or {})
        for key, found in versions.items():
            numbers = sorted(found)
            if numbers != list(range(1, len(numbers) + 1)):
                broken("I17", f"versions of {key} in the ledger: {numbers}")
            if any(len(xids) > 1 for xids in found.values()):
                broken("I17", f"one version of {key} stands for several transactions")
            if len({next(iter(x)) for x in found.values()}) != len(found):
                broken("I17", f"one transaction took several versions of {key}")
        _tables_equal(company, state, versions)
        tasks = {
            r[0]: r[1]
            for r in company.look("SELECT id::text, to_jsonb(x) FROM visit_tasks x WHERE tenant_id = :t")
        }
        _rows_equal("task of a visit", tasks, {k[2]: v for k, v in parts.items() if k[1] == "tasks"})


def _tables_equal(company: Company, state: Any, versions: Any) -> None:
    for entity, table in TABLES.items():
        rows = company.look(f"SELECT id::text, to_jsonb(x), version FROM {table} x WHERE tenant_id = :t")
        _rows_equal(entity, {r[0]: r[1] for r in rows}, {k[1]: v for k, v in state.items() if k[0] == entity})
        for record, _, version in rows:
            if max(versions[entity, record], default=0) != version:
                broken(
                    "I17",
                    f"{entity} {record} is v{version}, the ledger ends at {max(versions[entity, record])}",
                )


def _rows_equal(what: str, table: dict[str, Json], ledger: dict[str, Json]) -> None:
    if table.keys() != ledger.keys():
        broken(
            "I17",
            f"{what}: rows without ledger or ledger without rows: {sorted(table.keys() ^ ledger.keys())}",
        )
    for record, row in table.items():
        for name, value in ledger[record].items():
            if name in row and row[name] != value:
                broken("I17", f"{what} {record}: {name} is {row[name]!r}, by the ledger {value!r}")


def i19_a_restore_is_noticed(history: "History") -> None:
    """After a restore every phone is in the present epoch, and acknowledged work that it kept is there again."""
    if not history.restored:
        return
    present = str(
        next(iter(history.companies.values())).look("SELECT id FROM sync_epochs WHERE ended_at IS NULL")[0][0]
    )
    for phone in history.phones.values():
        company = history.company_of(phone)
        if phone.locked_out:
            continue
        if phone.state.epoch != present:
            broken("I19", f"{phone.name} is in an ended epoch")
        stored = {
            str(row[0])
            for row in company.look(
                "SELECT id FROM sync_mutations WHERE tenant_id = :t AND user_id = :u",
                u=history.user_id(phone),
            )
        }
        for queued in phone.state.queue:
            recent = queued.judged is not None and history.now - queued.judged <= KEEP
            if queued.verdict is not None and recent and queued.body["id"] not in stored:
                broken(
                    "I19", f"{phone.name}: the server forgot {queued.body['id']} and was not sent it again"
                )


def i21_companies_never_touch(history: "History") -> None:
    """Rows of one company were written by its own people alone."""
    for company in history.companies.values():
        people = set(company.people.values())
        for table in ("changes", "sync_mutations"):
            column = "actor_id" if table == "changes" else "user_id"
            rows = company.look(f"SELECT DISTINCT {column}::text FROM {table} WHERE tenant_id = :t")
            strangers = {r[0] for r in rows if r[0]} - people
            if strangers:
                broken("I21", f"{table} of {company.mark} names strangers: {strangers}")
        marks = company.look(
            "SELECT name || coalesce(notes, '') || coalesce(address, '') FROM accounts WHERE tenant_id = :t"
        )
        other = "B" if company.mark == "A" else "A"
        if any(f"tok{other}" in row[0] for row in marks):
            broken("I21", f"a text of company {other} stands in company {company.mark}")


def i22_received_is_the_sum_of_verdicts(history: "History") -> None:
    """The metric: mutations received are verdicts given."""
    from app.sync_api.metrics import MUTATIONS, VERDICTS

    received = sum(s.value for m in MUTATIONS.collect() for s in m.samples if s.name.endswith("_total"))
    given = sum(s.value for m in VERDICTS.collect() for s in m.samples if s.name.endswith("_total"))
    if received != given:
        broken("I22", f"received {received}, verdicts {given}")


def _alike(one: Any, other: Any) -> bool:
    """Whether two wire values are the same in substance."""
    if isinstance(one, str) and isinstance(other, str):
        return (
            one.strip() == other.strip()
            or _number(one) == _number(other) is not None
            or one[:19] == other[:19]
        )
    if isinstance(one, list) and isinstance(other, list):
        if all(isinstance(x, str) for x in (*one, *other)):
            return sorted(one) == sorted(other)
        return [x.get("id") for x in one] == [x.get("id") for x in other]
    return one == other or not isinstance(one, type(other))


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


ON_ANSWER: list[Callable[..., None]] = [
    i03_a_replay_gives_the_first_verdict,
    i04_no_byte_of_a_foreign_record,
    i05_a_checkpoint_has_drained_the_marks,
    i07_a_version_stands_for_one_body,
    i08_a_verdict_shows_its_work,
    i06_groups_are_whole,
    i04_only_live_buckets_are_served,
    i13_unsent_work_holds_removals,
    i13_a_checkpoint_is_of_the_live_scope,
    i15_nothing_fails_by_itself,
]
ON_APPLY: list[Callable[..., None]] = [
    i07_a_version_never_goes_back,
    i16_no_answer_without_progress,
    i18_old_schemas_never_null_fields,
]
AT_CHECKPOINT: list[Callable[..., None]] = [
    i06_transactions_are_whole,
    i09_no_dangling_reference,
    i12_deleted_records_stay_away,
    i13_scope_arrives_and_leaves_whole,
]
AT_THE_END: list[Callable[..., None]] = [
    i01_no_acknowledged_edit_is_lost,
    i02_phones_equal_the_server,
    i03_every_mutation_wrote_once,
    i10_the_later_stamp_stays,
    i10_nobody_is_overwritten_unasked,
    i11_skew_changes_nothing,
    i12_nothing_rises_by_itself,
    i14_status_moves_by_the_machine,
    i17_the_ledger_gives_the_tables,
    i19_a_restore_is_noticed,
    i21_companies_never_touch,
    i22_received_is_the_sum_of_verdicts,
]
__all__ = ["AT_CHECKPOINT", "AT_THE_END", "ON_ANSWER", "ON_APPLY", "UUID", "broken", "compare", "orjson"]
