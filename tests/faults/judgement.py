"""The end of every run: phones drain and pull, then what they were told is looked for in the tables."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from examples.phone import HttpTransport, Phone
from tests.faults.people import Company, Device, Json, Town
from tests.faults.report import Row
from tests.world import PASSWORD

TEXTS = ("address", "sido", "sigungu", "opening_hours", "subtype", "website", "postcode", "tier", "email")
"""Fields of ``account`` that phones write as whole texts; their columns have the same names."""
TABLES = {"account": "accounts", "contact": "contacts", "activity": "activities"}


@dataclass
class Findings:
    """What was wrong, one sentence each."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    def row(self, scenario: str, acknowledged: int, rounds: int, **notes: object) -> Row:
        """As a line of the table."""
        said = [
            f"{kind}: {sentence}"
            for kind in ("lost", "doubled", "stuck", "unequal", "leaked")
            for sentence in getattr(self, kind)[:4]
        ]
        return Row(
            scenario,
            "yes",
            rounds,
            acknowledged,
            len(self.lost),
            len(self.doubled),
            len(self.stuck),
            len(self.unequal),
            len(self.leaked),
            notes={name.replace("_", " "): str(value) for name, value in notes.items()},
            said=said,
        )


def judge(town: Town, admin: psycopg.Connection[Any], url: str, doubts: Sequence[str] = ()) -> Findings:
    """The end-of-run protocol; everything works again, and no phone is at work.

    Args:
        town: Whose phones.
        admin: The superuser, past row-level security.
        url: Of the service itself, for the phones that compare.
        doubts: What a proxy saw in answers to doubled requests.
    """
    found = Findings()
    found.doubled += doubts
    for device in town.devices:
        complaint = device.drain_queue()
        if complaint is not None:
            found.stuck.append(complaint)
    for _ in range(2):  # the second round sees what the first one's last phones did to the others' records
        for device in town.devices:
            if not device.settle():
                found.stuck.append(f"{device.login}: no checkpoint in calm weather")
    for company in town.companies:
        _acknowledgements(company, admin, found)
        _ledger_gives_the_table(company, admin, found)
        _phones(company, admin, url, found)
    return found


def _acknowledgements(company: Company, admin: psycopg.Connection[Any], found: Findings) -> None:
    """I1 and I3: what was acknowledged is there, and once."""
    changes: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for mutation_id, *rest in admin.execute(
        "SELECT mutation_id::text, op, new, winner, part FROM changes"
        " WHERE tenant_id = %s AND mutation_id IS NOT NULL",
        [company.id],
    ):
        changes[mutation_id].append(tuple(rest))
    stored = {
        row[0]: row[1:]
        for row in admin.execute(
            "SELECT id::text, status, payload IS NOT NULL FROM sync_mutations WHERE tenant_id = %s",
            [company.id],
        )
    }
    items = {
        row[0] for row in admin.execute("SELECT id::text FROM conflicts WHERE tenant_id = %s", [company.id])
    }
    for device in company.devices:
        found.doubled += [f"{one} was judged twice" for one in device.journal.judged_twice]
        for mutation_id, heard in device.journal.heard.items():
            found.lost += [
                f"{device.login}: {heard.sent['entity']} {heard.sent['op']} n={heard.sent['n']}: {why}"
                for why in _missing(
                    heard.sent, heard.verdict, stored.get(mutation_id), changes[mutation_id], items
                )
            ]
    for mutation_id, count in admin.execute(
        "SELECT mutation_id::text, count(DISTINCT xid) FROM changes WHERE tenant_id = %s"
        " AND mutation_id IS NOT NULL GROUP BY 1 HAVING count(DISTINCT xid) > 1",
        [company.id],
    ):
        found.doubled.append(f"{mutation_id} wrote in {count} transactions")


def _missing(
    sent: Json, verdict: Json, kept: tuple[Any, ...] | None, rows: list[tuple[Any, ...]], items: set[str]
) -> list[str]:
    """What is not kept of one acknowledged mutation."""
    status = verdict["status"]
    if verdict["code"] == "mutation_id_reused":
        return ["taken for another mutation of the same id"]
    if kept is None or kept[0] != status:
        return [f"the server knows {kept and kept[0]!r}, the phone was told {status!r}"]
    if status == "rejected":
        return [] if kept[1] else ["rejected, and its payload is gone"]
    if verdict["conflict_id"] is not None and verdict["conflict_id"] not in items:
        return ["its inbox item does not exist"]
    if status == "conflict":
        return [] if verdict["conflict_id"] is not None else ["a conflict without an inbox item"]
    if sent["op"] == "create":
        return [] if rows else ["made, and not in the ledger"]
    return [
        f"{name} is {told['outcome']}, and not in the ledger"
        for name, told in (verdict["fields"] or {}).items()
        if not _field_is_kept(name, told["outcome"], sent["fields"].get(name), rows)
    ]


def _field_is_kept(name: str, outcome: str, value: Any, rows: list[tuple[Any, ...]]) -> bool:
    if outcome == "applied":
        news = [new[name] for op, new, _, _ in rows if op != "lost" and new and name in new]
        wrote = bool(news) or any(op != "lost" and part == name for op, _, _, part in rows)
        return wrote and (not isinstance(value, str) or not news or value in news)
    if outcome == "superseded":
        return any(op == "lost" and name in (new or {}) and winner for op, new, winner, _ in rows)
    return True


def _ledger_gives_the_table(company: Company, admin: psycopg.Connection[Any], found: Findings) -> None:
    """The last value in the ledger is the current one: nothing wrote past it, and nothing of it went missing."""
    last: dict[str, Json] = defaultdict(dict)
    for record_id, new in admin.execute(
        "SELECT record_id::text, new FROM changes WHERE tenant_id = %s AND entity = 'account' AND part IS NULL"
        " AND op IN ('insert', 'update') ORDER BY id",
        [company.id],
    ):
        last[record_id] |= {name: value for name, value in (new or {}).items() if name in TEXTS}
    columns = ", ".join(TEXTS)
    for record_id, *values in admin.execute(
        f"SELECT id::text, {columns} FROM accounts WHERE tenant_id = %s",
        [company.id],
    ):
        for name, value in zip(TEXTS, values, strict=True):
            if last[record_id].get(name) != value:
                found.lost.append(
                    f"account {record_id}: {name} is {value!r}, the ledger ends with {last[record_id].get(name)!r}"
                )


def _phones(company: Company, admin: psycopg.Connection[Any], url: str, found: Findings) -> None:
    """I2 and I4: phones equal a first sync, each other, and the tables; nothing foreign ever reached them."""
    firsts: dict[str, dict[tuple[str, str], Json]] = {}
    shared: dict[str, tuple[str, dict[Any, Json]]] = {}
    tables = {
        entity: {
            row[0]: row[1]
            for row in admin.execute(
                f"SELECT id::text, version FROM {table} WHERE tenant_id = %s AND deleted_at IS NULL",
                [company.id],
            )
        }
        for entity, table in TABLES.items()
    }
    for device in company.devices:
        held = device.held()
        if device.login not in firsts:
            firsts[device.login] = first_sync(company, device, url)
        found.unequal += _differences(device.login, held, firsts[device.login], "a first sync")
        alike = {key: body for key, body in held.items() if key[0] in TABLES}
        other, records = shared.setdefault(device.mark, (device.login, alike))
        found.unequal += _differences(device.login, alike, records, other)
        for entity, versions in tables.items():
            mine = {key[1]: body["version"] for key, body in held.items() if key[0] == entity}
            wrong = [one for one, version in mine.items() if versions.get(one) != version]
            found.unequal += [f"{device.login}: {entity} {one} is not as in the table" for one in wrong]
            if device.mark == "ns" and mine.keys() != versions.keys():
                found.unequal.append(
                    f"{device.login}: {len(versions)} {entity} in the table, {len(mine)} held"
                )
        found.unequal += [f"{device.login}: digest: {entity} {one}" for entity, one in device.mended()]
        foreign = device.journal.canaries - company.allowed(device)
        found.leaked += [f"{device.login} was sent a text of {mark}" for mark in sorted(foreign)]


def first_sync(company: Company, device: Device, url: str) -> dict[tuple[str, str], Json]:
    """What a new phone of the same person is given."""
    phone = Phone("http://service", transport=HttpTransport(url), name="fresh", sleep=lambda _: None)
    try:
        phone.log_in(company.code, device.login, PASSWORD)
        phone.sync()
        return {
            (entity, record_id): body
            for entity in {name for name, _ in phone.store.versions()}
            for record_id, body in phone.store.records(entity).items()
        }
    finally:
        phone.close()


def _differences(
    who: str, held: dict[tuple[str, str], Json], other: dict[tuple[str, str], Json], whom: str
) -> list[str]:
    return [
        f"{who}: {key[0]} {key[1]} differs from that of {whom}"
        f" ({json.dumps(held.get(key), ensure_ascii=False)[:80]})"
        for key in sorted(held.keys() | other.keys())
        if held.get(key) != other.get(key)
    ]
