"""What the migrations made: at head, closed by row-level security, captured by triggers."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from sqlalchemy import text

from app import migrating
from app.doctor.finding import Finding, Subject
from app.sync_api.registry import REGISTRY

# Which database role is which tenant's: the owner's own table, to which nobody else has rights.
WITHOUT_POLICIES: Final = ("sql_users",)
TRIGGERS: Final = ("sync_after", "sync_before", "sync_truncate")

UNPROTECTED = text(
    """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity) AND c.relname <> ALL (:exempt)
      AND (c.relname = 'tenants' OR EXISTS (
          SELECT FROM pg_attribute a
          WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped))
    ORDER BY c.relname
    """
)
ALWAYS = text(
    """
    SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal AND t.tgenabled = 'A'
    """
)


def migrations(subject: Subject) -> Iterator[Finding]:
    """The database is at the revision that this code was written for."""
    found, wanted = migrating.applied(subject.owner), migrating.newest()
    yield Finding.of(
        found == wanted,
        f"Migrations are applied up to {_named(wanted)}.",
        f"The database is at {_named(found)}, this code needs {_named(wanted)}.",
        "flask db upgrade (if the database is the newer one: with its code, or deploy that here)",
    )


def row_level_security(subject: Subject) -> Iterator[Finding]:
    """No table of a tenant can be read past its policies, not even by the owner."""
    if not migrating.applied(subject.owner):
        return
    open_tables = list(subject.owner.execute(UNPROTECTED, {"exempt": list(WITHOUT_POLICIES)}).scalars())
    yield Finding.of(
        not open_tables,
        "Row-level security is forced on every table of a tenant.",
        f"Row-level security is not forced on {', '.join(open_tables)}.",
        "ALTER TABLE … ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; and find out who took it away.",
    )


def capture(subject: Subject) -> Iterator[Finding]:
    """Every write to a synced table is captured, also by replication roles."""
    if not migrating.applied(subject.owner):
        return
    always = {(table, trigger) for table, trigger in subject.owner.execute(ALWAYS)}
    wanted = product(captured_tables(), TRIGGERS)
    missing = [f"{table}.{trigger}" for table, trigger in wanted if (table, trigger) not in always]
    yield Finding.of(
        not missing,
        f"{len(captured_tables())} synced tables are captured, whoever writes them.",
        f"Writes may go uncaptured; triggers are missing or not ENABLE ALWAYS: {', '.join(missing)}.",
        "ALTER TABLE … ENABLE ALWAYS TRIGGER …; then sync the devices anew for what was missed.",
    )


def captured_tables() -> list[str]:
    """Tables of the synced entities and of their parts."""
    entities = {entity.table for entity in REGISTRY.entities}
    parts = {field.table for entity in REGISTRY.entities for field in entity.fields.values() if field.table}
    return sorted(entities | parts)


def _named(revisions: set[str]) -> str:
    return ", ".join(sorted(revisions)) or "no revision at all"


CHECKS = (migrations, row_level_security, capture)
