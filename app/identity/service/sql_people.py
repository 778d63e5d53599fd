"""People who write SQL by hand: a database role each, bound to one tenant, named in the ledger."""

import re
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql
from psycopg.pq.abc import PGconn
from sqlalchemy import Connection, text

from app.core.errors import NotFound
from app.identity.service.errors import RoleNameInvalid, RoleNameTaken

NAME = re.compile(r"[a-z][a-z0-9_]{1,30}")
RESERVED = ("pg_", "fieldmerge")
MEMBER_OF = "fieldmerge_sql"


@dataclass(frozen=True, slots=True)
class SqlUser:
    """A person's database role."""

    name: str
    tenant_id: UUID


def create_sql_user(connection: Connection, name: str, tenant_id: UUID, password: str) -> SqlUser:
    """Make a role that may log in, sees one tenant only, and whose writes carry its name.

    Args:
        connection: As the owner role, in a transaction; the caller commits.
        name: 2 to 31 lower-case letters, digits and underscores; it is what histories show.
        tenant_id: Whose rows.
        password: Of the role.

    Raises:
        RoleNameInvalid: The name has another form or is reserved.
        RoleNameTaken: The cluster has such a role.
    """
    if not NAME.fullmatch(name) or name.startswith(RESERVED):
        raise RoleNameInvalid(
            "Use 2 to 31 lower-case letters, digits and underscores; not pg_… and not fieldmerge…."
        )
    if connection.scalar(text("SELECT true FROM pg_roles WHERE rolname = :name"), {"name": name}):
        raise RoleNameTaken(f"There is a database role {name} already.")
    role, group = sql.Identifier(name), sql.Identifier(MEMBER_OF)
    database = sql.Identifier(connection.scalar(text("SELECT current_database()")) or "")
    create = sql.SQL("CREATE ROLE {} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT 5 PASSWORD {}")
    _run(connection, create.format(role, sql.Literal(_scram(connection, name, password))))
    _run(connection, sql.SQL("GRANT {} TO {}").format(group, role))
    # Forgotten transactions hold back clean-up, and a lock that waits blocks phones.
    for setting, value in (("idle_in_transaction_session_timeout", "10min"), ("lock_timeout", "5s")):
        alter = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        _run(connection, alter.format(role, database, sql.Identifier(setting), sql.Literal(value)))
    connection.execute(
        text("INSERT INTO sql_users (role_name, tenant_id) VALUES (:name, :tenant)"),
        {"name": name, "tenant": tenant_id},
    )
    return SqlUser(name, tenant_id)


def drop_sql_user(connection: Connection, name: str) -> None:
    """Take a person's role away; the ledger keeps the name.

    Raises:
        NotFound: No person has such a role.
    """
    dropped = connection.execute(
        text("DELETE FROM sql_users WHERE role_name = :name RETURNING role_name"), {"name": name}
    ).first()
    if dropped is None:
        raise NotFound(f"There is no SQL user {name}.")
    _run(connection, sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def list_sql_users(connection: Connection) -> list[SqlUser]:
    """All of them, by name; as the owner role."""
    rows = connection.execute(text("SELECT role_name, tenant_id FROM sql_users ORDER BY role_name"))
    return [SqlUser(name, tenant_id) for name, tenant_id in rows]


def _scram(connection: Connection, name: str, password: str) -> str:
    """The verifier, made here, so that the password itself reaches no log of the server."""
    pgconn: PGconn = connection.connection.driver_connection.pgconn  # type: ignore[union-attr]
    return pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()


def _run(connection: Connection, statement: sql.Composed) -> None:
    """Names of roles cannot be bind parameters; psycopg quotes them."""
    driver = connection.connection.driver_connection
    connection.exec_driver_sql(statement.as_string(driver).replace("%", "%%"))
