"""Accounts from other systems, many at a time: what a source did not change itself is left alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app.core.ids import new_id

CREATED: Final = "created"
UPDATED: Final = "updated"
UNCHANGED: Final = "unchanged"

CODE_TAKEN: Final = "account.code_taken"
RECORD_DELETED: Final = "record_deleted"
PARENT_UNKNOWN: Final = "parent_unknown"
PARENT_CYCLE: Final = "account.parent_cycle"

# Columns that a source may fill, with their types; territory and parent come as references.
COLUMNS: Final[Mapping[str, str]] = {
    "code": "text",
    "name": "text",
    "legal_name": "text",
    "business_number": "text",
    "kinds": "text[]",
    "subtype": "text",
    "tier": "text",
    "lifecycle_stage": "text",
    "phone": "text",
    "email": "text",
    "website": "text",
    "postcode": "text",
    "sido": "text",
    "sigungu": "text",
    "address": "text",
    "location": "double precision[]",
    "opening_hours": "text",
    "credit_limit": "numeric",
    "credit_currency": "text",
    "payment_terms": "text",
    "risk_class": "text",
    "tags": "text[]",
    "notes": "text",
    "territory_id": "uuid",
    "parent_id": "uuid",
}
TERRITORY: Final = "territory"
PARENT_CODE: Final = "parent_code"


@dataclass(frozen=True, slots=True)
class ImportedAccount:
    """One checked row of a source.

    Attributes:
        external_id: Its key there.
        sent: What the source says, by field, as JSON values; beside columns ``parent_code`` (an external
            id) and ``territory`` (a name). A column that the file does not have is absent; empty is None.
        territory_id: The territory that ``territory`` names.
    """

    external_id: str
    sent: Mapping[str, Any]
    territory_id: UUID | None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a row: created, updated or unchanged; or the code of its rejection.

    ``waits_for_parent``: its parent is not known yet and is to be set by ``hang_below``.
    """

    outcome: str
    rejected: bool = False
    waits_for_parent: bool = False


# LATERAL … LIMIT 1: one look into an index for each key. A plain join is planned by statistics, and a new
# database has none, so that it read the whole tenant.
_KNOWN = text("""
    SELECT k.external_id, x.record_id, x.last_values, a.live
    FROM unnest(CAST(:external_ids AS text[])) AS k (external_id)
    JOIN LATERAL (
        SELECT record_id, last_values FROM external_refs
        WHERE tenant_id = :tenant AND system = :system AND entity = 'account' AND external_id = k.external_id
        LIMIT 1
    ) AS x ON true
    LEFT JOIN LATERAL (
        SELECT deleted_at IS NULL AS live FROM accounts WHERE tenant_id = :tenant AND id = x.record_id LIMIT 1
    ) AS a ON true
""")
_TAKEN_CODES = text("""
    SELECT k.code FROM unnest(CAST(:codes AS text[])) AS k (code)
    JOIN LATERAL (
        SELECT 1 FROM accounts WHERE tenant_id = :tenant AND deleted_at IS NULL AND code = k.code LIMIT 1
    ) AS a ON true
""")
_VALUES = ", ".join(f"coalesce(r.{c}, '{{}}')" if t == "text[]" else f"r.{c}" for c, t in COLUMNS.items())
_TYPES = ", ".join(f"{c} {t}" for c, t in COLUMNS.items())
_INSERT = text(f"""
    INSERT INTO accounts (tenant_id, id, {", ".join(COLUMNS)})
    SELECT :tenant, r.id, {_VALUES} FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, {_TYPES})
""")  # noqa: S608  (built of constants of this file)
_LOCK = text("""
    SELECT id FROM accounts WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))
    ORDER BY id FOR NO KEY UPDATE
""")
_UPDATE = text(f"""
    UPDATE accounts a SET ({", ".join(COLUMNS)}) =
        (SELECT {", ".join(f"p.{c}" for c in COLUMNS)} FROM jsonb_populate_record(a, r.changes) AS p)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, changes jsonb)
    WHERE a.tenant_id = :tenant AND a.id = r.id
""")  # noqa: S608  (built of constants of this file)
_REMEMBER = text("""
    INSERT INTO external_refs (tenant_id, id, entity, record_id, system, external_id, last_values)
    SELECT :tenant, r.id, 'account', r.record_id, :system, r.external_id, r.sent
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, record_id uuid, external_id text, sent jsonb)
    ON CONFLICT (tenant_id, system, entity, external_id)
    DO UPDATE SET last_values = external_refs.last_values || excluded.last_values, updated_at = now()
""")
_ONE_AT_A_TIME = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('import:' || :tenant || ':' || :system, 0))"
)
_PARENTS_ABOVE = text("""
    WITH RECURSIVE above AS (
        SELECT id, parent_id FROM accounts WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[]))
        UNION
        SELECT a.id, a.parent_id FROM accounts a
        JOIN above ON a.tenant_id = :tenant AND a.id = above.parent_id
    )
    SELECT id, parent_id FROM above
""")


def upsert_imported(
    session: Session, tenant_id: UUID, system: str, accounts: Sequence[ImportedAccount]
) -> list[Written]:
    """Write one batch of checked rows, set-based: new ones whole, known ones only where the source changed.

    Args:
        session: Open session of the tenant, writing as ``import:<system>``; the caller commits.
        tenant_id: Of the session.
        system: Name of the source; external ids are unique in it.
        accounts: At most a few thousand, each external id once; checked by ``rules.wrong_fields``.

    Returns:
        What became of each, in the same order.
    """
    session.execute(_ONE_AT_A_TIME, {"tenant": str(tenant_id), "system": system})
    keys = {"tenant": tenant_id, "system": system}
    known = _known(session, keys, accounts)
    taken = set(
        session.scalars(
            _TAKEN_CODES,
            {"tenant": tenant_id, "codes": [a.sent["code"] for a in accounts if a.external_id not in known]},
        )
    )
    ids = {a.external_id: new_id() for a in accounts if a.external_id not in known}
    batch = _Batch(session, keys, _parent_ids(session, keys, accounts, known))
    results = []
    for account in accounts:
        ref = known.get(account.external_id)
        if ref is not None:
            results.append(batch.update(account, ref))
        elif account.sent["code"] in taken:
            results.append(Written(CODE_TAKEN, rejected=True))
        else:
            results.append(batch.create(account, ids[account.external_id]))
    batch.write()
    return results


def hang_below(
    session: Session, tenant_id: UUID, system: str, pairs: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Set parents that were not known when their children were written.

    Args:
        session: As for ``upsert_imported``.
        tenant_id: Of the session.
        system: Name of the source.
        pairs: (external id, external id of the parent), at most a few thousand.

    Returns:
        External id → ``parent_unknown`` or ``account.parent_cycle``, for those that stay as they are.
    """
    session.execute(_ONE_AT_A_TIME, {"tenant": str(tenant_id), "system": system})
    keys = {"tenant": tenant_id, "system": system}
    pairs = list(pairs)
    ids = _ids(session, keys, {code for pair in pairs for code in pair})
    parent_of = _parents_above(session, tenant_id, ids.values())
    failed: dict[str, str] = {}
    changes, remembered = [], []
    for external_id, parent_code in pairs:
        child, parent = ids.get(external_id), ids.get(parent_code)
        if child is None or parent is None:
            failed[external_id] = PARENT_UNKNOWN
        elif _lies_below(parent, child, parent_of):
            failed[external_id] = PARENT_CYCLE
        else:
            parent_of[child] = parent
            changes.append({"id": child, "changes": {"parent_id": parent}})
            remembered.append(_remembered(external_id, child, {PARENT_CODE: parent_code}))
    _execute(session, _UPDATE, keys, changes)
    _execute(session, _REMEMBER, keys, remembered)
    return failed


class _Batch:
    """Rows of one batch on their way into the tables."""

    def __init__(self, session: Session, keys: Mapping[str, Any], parent_ids: dict[str, UUID]) -> None:
        self.session = session
        self.keys = keys
        self.parent_ids = parent_ids
        self.inserts: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.refs: list[dict[str, Any]] = []

    def create(self, account: ImportedAccount, account_id: UUID) -> Written:
        """A new account. A parent that came before is set at once: nothing hangs below a new account yet."""
        parent_code = account.sent.get(PARENT_CODE)
        parent_id = self.parent_ids.get(parent_code) if parent_code else None
        waits = parent_code is not None and parent_id is None
        self.inserts.append(
            {**account.sent, "id": account_id, "territory_id": account.territory_id, "parent_id": parent_id}
        )
        self._remember(account, account_id, waits)
        self.parent_ids[account.external_id] = account_id
        return Written(CREATED, waits_for_parent=waits)

    def update(self, account: ImportedAccount, ref: Row[Any]) -> Written:
        """The fields that the source changed since it was read last; others may have been edited here."""
        if not ref.live:
            return Written(RECORD_DELETED, rejected=True)
        news = {f: v for f, v in account.sent.items() if f not in ref.last_values or ref.last_values[f] != v}
        if not news:
            return Written(UNCHANGED)
        changes = {field: value for field, value in news.items() if field in COLUMNS}
        for field in ("kinds", "tags"):
            if field in changes and changes[field] is None:
                changes[field] = []
        if TERRITORY in news:
            changes["territory_id"] = account.territory_id
        waits = news.get(PARENT_CODE) is not None
        if PARENT_CODE in news and not waits:
            changes["parent_id"] = None
        if changes:
            self.changes.append({"id": ref.record_id, "changes": changes})
            self._remember(account, ref.record_id, waits)
        return Written(UPDATED if changes else UNCHANGED, waits_for_parent=waits)

    def write(self) -> None:
        """Send everything, one statement for each table and kind of write."""
        _execute(self.session, _INSERT, self.keys, self.inserts)
        _execute(self.session, _UPDATE, self.keys, self.changes)
        _execute(self.session, _REMEMBER, self.keys, self.refs)

    def _remember(self, account: ImportedAccount, account_id: UUID, waits: bool) -> None:
        # A parent that could not be set is not remembered, so that the next run tries again.
        sent = {f: v for f, v in account.sent.items() if not (waits and f == PARENT_CODE)}
        self.refs.append(_remembered(account.external_id, account_id, sent))


def _remembered(external_id: str, account_id: UUID, sent: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": new_id(), "record_id": account_id, "external_id": external_id, "sent": sent}


def _execute(session: Session, statement: Any, keys: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    if statement is _UPDATE:
        session.execute(_LOCK, {"tenant": keys["tenant"], "ids": [row["id"] for row in rows]})
    parameters = {"tenant": keys["tenant"], "rows": orjson.dumps(rows).decode()}
    session.execute(statement, parameters | ({"system": keys["system"]} if statement is _REMEMBER else {}))


def _known(
    session: Session, keys: Mapping[str, Any], accounts: Sequence[ImportedAccount]
) -> dict[str, Row[Any]]:
    found = session.execute(_KNOWN, {**keys, "external_ids": [a.external_id for a in accounts]})
    return {row.external_id: row for row in found}


def _parent_ids(
    session: Session,
    keys: Mapping[str, Any],
    accounts: Sequence[ImportedAccount],
    known: Mapping[str, Row[Any]],
) -> dict[str, UUID]:
    """Parents that new rows name and that are there already."""
    codes = {
        code for a in accounts if a.external_id not in known and (code := a.sent.get(PARENT_CODE)) is not None
    }
    return _ids(session, keys, codes)


def _ids(session: Session, keys: Mapping[str, Any], external_ids: set[str]) -> dict[str, UUID]:
    """Live accounts by external id."""
    if not external_ids:
        return {}
    found = session.execute(_KNOWN, {**keys, "external_ids": sorted(external_ids)})
    return {row.external_id: row.record_id for row in found if row.live}


def _parents_above(session: Session, tenant_id: UUID, ids: Iterable[UUID]) -> dict[UUID, UUID | None]:
    """Parent of each account and of all above; the accounts are held against other writers of parents."""
    parameters = {"tenant": tenant_id, "ids": list(ids)}
    above = session.execute(_PARENTS_ABOVE, parameters)
    session.execute(_LOCK, {"tenant": tenant_id, "ids": [row.id for row in above]})
    return {row.id: row.parent_id for row in session.execute(_PARENTS_ABOVE, parameters)}


def _lies_below(account: UUID, top: UUID, parent_of: Mapping[UUID, UUID | None]) -> bool:
    """Whether *account* is *top* or lies below it."""
    seen: set[UUID] = set()
    at: UUID | None = account
    while at is not None and at not in seen:
        if at == top:
            return True
        seen.add(at)
        at = parent_of.get(at)
    return False
