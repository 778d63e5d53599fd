"""The oracle beside a history: told of every commit in its order, asked of every verdict and every phone."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import orjson

from app.sync_api.registry import BY_NAME, REGISTRY
from sync.render import whole_sql
from tests.simulator.company import Company
from tests.simulator.device import Json
from tests.simulator.oracle import MODELLED, UNKNOWN, Author, Context, Oracle

COMPUTED = {"account": ("profile_stage", "completeness")}
"""Columns that the database computes of others; no write of anybody."""
EITHER = Context(permitted=None, valid=None)
"""The rooms' own rules are not the oracle's: it takes a refusal for granted."""


class Witness:
    """Keeps one company's oracle abreast of its database."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.oracle = Oracle({entity.name: entity for entity in REGISTRY.entities})
        self.last_change = 0

    # -- what nobody's phone did

    def people(self) -> None:
        """Who works where; told anew whenever the office has done something."""
        look, oracle = self.company.look, self.oracle
        for unit, parent in look("SELECT id::text, parent_id::text FROM org_units WHERE tenant_id = :t"):
            oracle.upsert_unit(unit, parent=parent)
        for user, role, unit, status in look(
            "SELECT id::text, role, org_unit_id::text, status FROM users WHERE tenant_id = :t"
        ):
            oracle.upsert_user(user, role=role, unit=unit, active=status == "active")
        for row in look(
            "SELECT id::text, parent_id::text, valid_from, valid_to, deleted_at IS NOT NULL FROM territories"
            " WHERE tenant_id = :t"
        ):
            oracle.upsert_territory(row[0], parent=row[1], valid_from=row[2], valid_to=row[3], deleted=row[4])
        for row in look(
            "SELECT id::text, territory_id::text, user_id::text, kind, valid_from, valid_to, deleted_at IS NOT NULL"
            " FROM territory_members WHERE tenant_id = :t"
        ):
            oracle.upsert_member(
                row[0],
                territory=row[1],
                user=row[2],
                kind=row[3],
                valid_from=row[4],
                valid_to=row[5],
                deleted=row[6],
            )
        for row in look(
            "SELECT id::text, from_user_id::text, to_user_id::text, valid_from, valid_to, deleted_at IS NOT NULL"
            " FROM delegations WHERE tenant_id = :t AND work = 'territories'"
        ):
            # Days are the company's, nine hours before those of UTC.
            zone = timedelta(hours=9)
            starts = datetime.combine(row[3], time(), UTC) - zone
            last = row[4] or datetime(2100, 1, 1, tzinfo=UTC).date()
            ends = datetime.combine(last, time(), UTC) - zone + timedelta(days=1)
            oracle.upsert_delegation(
                row[0], from_user=row[1], to_user=row[2], starts=starts, ends=ends, deleted=row[5]
            )

    def catch_up(self, own: Iterable[str] = ()) -> list[str]:
        """Tell the oracle what the ledger has since; gives where the two disagree.

        Args:
            own: Mutations whose effect on their own record the oracle knows already.
        """
        rows = self.company.look(
            "SELECT c.id, c.entity, c.record_id::text, c.version, c.op, c.part, c.stamp_at, c.mutation_id::text,"
            " c.xid::text, c.new IS NULL, c.actor_id::text, c.device_id::text, m.n, m.record_id::text,"
            " ARRAY(SELECT jsonb_object_keys(coalesce(c.old, '{}') || coalesce(c.new, '{}'))) FROM changes c"
            " LEFT JOIN sync_mutations m ON m.tenant_id = c.tenant_id AND m.id = c.mutation_id"
            " WHERE c.tenant_id = :t AND c.id > :last AND c.op <> 'lost' ORDER BY c.id",
            last=self.last_change,
        )
        # A record that several transactions changed since is told of once, as it stands in the end.
        groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
        for row in rows:
            self.last_change = row[0]
            groups[row[1], row[2]].append(row)
        known, errors = set(own), list[str]()
        touched: dict[str, set[str]] = defaultdict(set)
        for (entity, record), changes in groups.items():
            if entity not in MODELLED:
                continue
            touched[entity].add(record)
            others = [c for c in changes if c[7] is None or c[7] not in known or c[13] != record]
            if others:
                self._tell(entity, record, others)
            for change in changes:
                self.oracle.told(entity, record, change[3], _fields_of(entity, change[5], change[14]))
        for entity, records in touched.items():
            for record, truth in self._truth(entity, sorted(records)).items():
                for name in COMPUTED.get(entity, ()):
                    self.oracle.records[entity, record].values[name] = UNKNOWN
                errors += self.oracle.adopt(entity, record, truth)
        return errors

    def _tell(self, entity: str, record: str, changes: list[Any]) -> None:
        last = changes[-1]
        roots = [c for c in changes if c[5] is None]
        kind = "update"
        for change in roots:
            if change[4] == "delete":
                kind = "erase" if change[9] else "delete"
            elif change[4] in ("insert", "restore"):
                kind = change[4]
        by = None
        if last[7] is not None and last[10] is not None:
            by = Author(last[10], last[11], last[7], last[12] or 0)
        truth = self._truth(entity, [record]).get(record, {})
        # A field that the model lost sight of is no change, only because it is told anew.
        names = {name for c in changes for name in _fields_of(entity, c[5], c[14])}
        hidden = COMPUTED.get(entity, ())
        written = {n: v for n, v in truth.items() if n not in hidden and (kind == "insert" or n in names)}
        fields = {} if kind in ("delete", "erase", "restore") else written
        at = max(c[6] for c in changes)
        self.oracle.server_write(entity, record, kind, fields, now=at, version=last[3], by=by)

    def _truth(self, entity: str, records: list[str]) -> dict[str, Json]:
        policy = BY_NAME[entity].policy
        rows = self.company.look(
            f"SELECT t.id::text, {whole_sql(policy)}, t.deleted_at FROM {policy.table} t WHERE t.tenant_id = :t"
            " AND t.id = ANY(CAST(:ids AS uuid[]))",
            ids=records,
        )
        return {row[0]: orjson.loads(row[1]) | {"deleted_at": row[2]} for row in rows}

    # -- what phones did

    def judged(
        self, user: str, device: str, asked: Json, verdicts: list[Json], now: datetime, *, farewell: bool
    ) -> list[str]:
        """Ask the oracle of each verdict of an answer."""
        errors: list[str] = []
        by_id = {v["id"]: v for v in verdicts}
        sent_at = datetime.fromisoformat(asked["sent_at"])
        mutations = sorted((m for m in asked["mutations"] if m["id"] in by_id), key=lambda m: m["n"])
        number = 0
        for start in range(0, len(mutations), 50):
            with self.oracle.transaction():
                chunk = mutations[start : start + 50]
                number = 0
                while number < len(chunk):
                    mutation = chunk[number]
                    group = [mutation]
                    while (
                        mutation["group"] is not None
                        and number + len(group) < len(chunk)
                        and chunk[number + len(group)]["group"] == mutation["group"]
                    ):
                        group.append(chunk[number + len(group)])
                    number += len(group)
                    told = [by_id[m["id"]] for m in group]
                    if farewell:
                        errors += [
                            error
                            for one, verdict in zip(group, told, strict=True)
                            for error in self.oracle.settle(
                                self.oracle.quarantine(user, device, one, now=now), verdict
                            )
                        ]
                    elif mutation["group"] is not None:
                        several = self.oracle.push_group(
                            user, device, group, sent_at=sent_at, now=now, context=EITHER
                        )
                        errors += self.oracle.settle_group(several, told)
                    else:
                        expected = self.oracle.push(
                            user, device, mutation, sent_at=sent_at, now=now, context=EITHER
                        )
                        errors += self.oracle.settle(expected, told[0])
        return errors


def _fields_of(entity: str, part: str | None, columns: list[str]) -> list[str]:
    """The wire fields that a row of the ledger is about."""
    if part is not None:
        return [part]
    fields = BY_NAME[entity].policy.fields
    return [name for name, field in fields.items() if (field.column or name) in columns]
