"""Many rows written with one statement."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Dialect, FromClause, TextClause, text
from sqlalchemy.orm import Session


def write_rows(
    session: Session, table: FromClause, tenant_id: UUID, changes: Mapping[UUID, Mapping[str, Any]]
) -> dict[UUID, int]:
    """Set columns of rows that the caller holds; a statement for each set of columns.

    What the session holds of them in memory is not changed.

    Args:
        session: Open session of the tenant.
        table: Of records that phones hold.
        tenant_id: Whose.
        changes: By id, typed values by column; none is empty.

    Returns:
        The versions, by id.
    """
    alike: dict[tuple[str, ...], list[UUID]] = defaultdict(list)
    for record_id, values in changes.items():
        alike[tuple(sorted(values))].append(record_id)
    found: dict[UUID, int] = {}
    for columns, ids in alike.items():
        rows = [{"id": record_id, **changes[record_id]} for record_id in ids]
        statement = _update(table, columns, session.connection().dialect)
        values = {
            "tenant": tenant_id,
            "ids": f"{{{','.join(map(str, ids))}}}",
            "rows": orjson.dumps(rows, default=str).decode(),
        }
        found |= {row[0]: row[1] for row in _sent(session, statement, values)}
    return found


SENDER = "sender"
"""In ``Session.info``: sends statements in one message, behind others that wait for the next one."""


def _sent(session: Session, statement: TextClause, values: Mapping[str, Any]) -> Iterable[Any]:
    send = session.info.get(SENDER)
    return session.execute(statement, values) if send is None else send([(statement, values)])[0]


@lru_cache(maxsize=1024)
def _update(table: FromClause, columns: tuple[str, ...], dialect: Dialect) -> TextClause:
    """By the rows' keys, whatever the planner thinks of the table; the values as JSON, which knows every type."""
    types = ", ".join(f"{name} {table.c[name].type.compile(dialect)}" for name in columns)
    return text(
        f"UPDATE {table} t SET {', '.join(f'{name} = r.{name}' for name in columns)}"  # noqa: S608
        f" FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, {types})"
        " WHERE t.tenant_id = :tenant AND t.id = ANY(CAST(:ids AS uuid[])) AND t.id = r.id"
        " RETURNING t.id, t.version"
    )
