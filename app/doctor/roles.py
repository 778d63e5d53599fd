"""The three database roles: what each must be able to do, and what none may."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import text

from app.doctor.finding import PARTS, VARIABLE, Finding, Subject

SQL_PEOPLE_ADVICE = "As an administrator: GRANT {sql} TO {owner} WITH ADMIN OPTION;"


def three_roles(subject: Subject) -> Iterator[Finding]:
    """Each address has a role of its own."""
    roles = subject.roles
    names = [roles[part] for part in PARTS]
    yield Finding.of(
        len(set(names)) == len(PARTS) and all(names),
        f"Three roles: {', '.join(f'{roles[part]} ({part})' for part in PARTS)}.",
        f"The three addresses do not name three roles: {', '.join(name or '(none)' for name in names)}.",
        f"Give {', '.join(VARIABLE.values())} a role each (docs/operations.md).",
    )


def modest(subject: Subject) -> Iterator[Finding]:
    """Row-level security holds for roles without special rights only."""
    for part in PARTS:
        role = subject.roles[part]
        found = _attributes(subject, part)
        special = [word for word, has in found.items() if has]
        yield Finding.of(
            not special,
            f"{role} has no rights above row-level security.",
            f"{role} is {' and '.join(special)}: row-level security does not hold for it.",
            f"As an administrator: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS;",
        )


def owner_can_migrate(subject: Subject) -> Iterator[Finding]:
    """Migrations make tables, and give the trigger functions to the engine."""
    owner, engine = subject.roles["owner"], subject.roles["engine"]
    yield Finding.of(
        bool(subject.ask("SELECT has_schema_privilege('public', 'CREATE')"))
        and bool(subject.ask("SELECT has_database_privilege(current_database(), 'CREATE')")),
        f"{owner} may make tables and schemas.",
        f"{owner} may not make tables and schemas.",
        f"As an administrator: ALTER DATABASE … OWNER TO {owner}; (and of schema public, on an old database)",
    )
    kind = "SET" if int(subject.ask("SHOW server_version_num")) >= 160_000 else "MEMBER"
    yield Finding.of(
        bool(subject.ask("SELECT pg_has_role(:role, :kind)", role=engine, kind=kind)),
        f"{owner} may act as {engine}.",
        f"{owner} is not a member of {engine}, to which migrations give the trigger functions.",
        f"As an administrator: GRANT {engine} TO {owner} WITH ADMIN OPTION;",
    )


def owner_can_add_people(subject: Subject) -> Iterator[Finding]:
    """`flask sql-user create` makes roles and puts them into the group of people who write SQL."""
    owner, group = subject.roles["owner"], subject.roles["sql"]
    makes_roles = bool(subject.ask("SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user"))
    yield Finding.of(
        makes_roles,
        f"{owner} may make roles for people who write SQL.",
        f"{owner} may not make roles: `flask sql-user create` will fail.",
        f"As an administrator: ALTER ROLE {owner} CREATEROLE;",
    )
    if not makes_roles or not subject.ask("SELECT true FROM pg_roles WHERE rolname = :group", group=group):
        return
    # Until PostgreSQL 15 CREATEROLE alone allows it.
    admits = int(subject.ask("SHOW server_version_num")) < 160_000 or subject.ask(
        "SELECT pg_has_role(:group, 'MEMBER WITH ADMIN OPTION')", group=group
    )
    yield Finding.of(
        bool(admits),
        f"{owner} may put people into {group}.",
        f"{owner} may not put people into {group}: `flask sql-user create` will fail.",
        SQL_PEOPLE_ADVICE.format(sql=group, owner=owner),
    )


def app_is_small(subject: Subject) -> Iterator[Finding]:
    """A hole in the product must not reach further than the rights of the app role."""
    app = subject.roles["app"]
    above = [
        subject.roles[part]
        for part in ("owner", "engine")
        if subject.ask("SELECT pg_has_role(:app, :role, 'MEMBER')", app=app, role=subject.roles[part])
    ]
    yield Finding.of(
        not above,
        f"{app} is a member of no role above it.",
        f"{app} is a member of {' and '.join(above)}: every request has that role's rights.",
        f"As an administrator: REVOKE {', '.join(above)} FROM {app};",
    )


def ledger_is_closed(subject: Subject) -> Iterator[Finding]:
    """The ledger is append-only: requests cannot rewrite history."""
    app = subject.roles["app"]
    if subject.ask("SELECT to_regclass('public.changes')") is None:
        return
    rights = [
        right
        for right in ("UPDATE", "DELETE", "TRUNCATE")
        if subject.ask("SELECT has_table_privilege(:app, 'changes', :right)", app=app, right=right)
    ]
    yield Finding.of(
        not rights,
        f"{app} cannot change the ledger.",
        f"{app} has {', '.join(rights)} on the ledger (table changes).",
        f"REVOKE {', '.join(rights)} ON changes FROM {app};",
    )


def poolers(subject: Subject) -> Iterator[Finding]:
    """The engine listens and holds advisory locks, which a transaction pooler takes away."""
    for part in ("owner", "engine"):
        yield Finding.of(
            not _is_pooled(subject, part),
            f"{VARIABLE[part]} goes straight to PostgreSQL.",
            f"{VARIABLE[part]} goes through a pooler: advisory locks and LISTEN do not work there.",
            "Give it the address of PostgreSQL itself; only DATABASE_URL may be pooled.",
        )
    pooled = _is_pooled(subject, "app")
    told = subject.config.pooled
    yield Finding.of(
        told or not pooled,
        f"DATABASE_URL goes {'through a pooler' if pooled else 'straight to PostgreSQL'}"
        f"{' (FIELDMERGE_PGBOUNCER=1)' if told else ''}.",
        "DATABASE_URL goes through a pooler: prepared statements will fail there.",
        "Set FIELDMERGE_PGBOUNCER=1.",
    )


def _attributes(subject: Subject, part: str) -> dict[str, Any]:
    row = subject.connection(part).execute(
        text("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
    )
    superuser, bypass = row.one()
    return {"a superuser": superuser, "allowed to bypass row-level security": bypass}


def _is_pooled(subject: Subject, part: str) -> bool:
    """A pooler announces a process of its own making, not that of the server behind it."""
    driver: Any = subject.connection(part).connection.driver_connection
    announced: int = driver.info.backend_pid
    return bool(announced != subject.ask("SELECT pg_backend_pid()", by=part))


BEFORE_UPGRADE = (three_roles, modest, owner_can_migrate)
CHECKS = (*BEFORE_UPGRADE, owner_can_add_people, app_is_small, ledger_is_closed, poolers)
