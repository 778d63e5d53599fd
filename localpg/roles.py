"""The three roles and the database, as an administrator would make them with psql."""

from dataclasses import dataclass
from typing import LiteralString
from urllib.parse import quote

import psycopg
from psycopg import sql

from localpg.errors import LocalPostgresError
from localpg.state import APP, DATABASE, ENGINE, OWNER, SUPERUSER, Memory

# None may pass row-level security. The owner makes roles for people who work in SQL.
_ROLES: dict[str, LiteralString] = {
    OWNER: "LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION NOCREATEDB CREATEROLE",
    ENGINE: "LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION NOCREATEDB NOCREATEROLE",
    APP: "LOGIN NOSUPERUSER NOBYPASSRLS NOREPLICATION NOCREATEDB NOCREATEROLE",
}


@dataclass(frozen=True)
class Urls:
    """libpq addresses of one database, by role: ``postgresql://user:password@/db?host=…&port=…``.

    Attributes:
        owner: Owns the database; migrations (DATABASE_OWNER_URL).
        engine: Sequencer and jobs (DATABASE_ENGINE_URL).
        app: Requests (DATABASE_URL).
        admin: The superuser, for making databases and for looking into things; not for the product.
    """

    owner: str
    engine: str
    app: str
    admin: str


def urls_of(memory: Memory, database: str) -> Urls:
    """The addresses of a database on the server; it need not exist yet."""
    place = f"host={quote(memory.socket_directory, safe='')}&port={memory.tcp_port or 5432}"

    def url(role: str) -> str:
        return f"postgresql://{role}:{memory.passwords[role]}@/{quote(database, safe='')}?{place}"

    return Urls(owner=url(OWNER), engine=url(ENGINE), app=url(APP), admin=url(SUPERUSER))


def connect_admin(memory: Memory, database: str = "postgres") -> psycopg.Connection:
    """Connect as superuser, in autocommit.

    Raises:
        LocalPostgresError: The server does not let us in.
    """
    try:
        return psycopg.connect(urls_of(memory, database).admin, autocommit=True, connect_timeout=30)
    except psycopg.OperationalError as error:
        raise LocalPostgresError(f"PostgreSQL runs but refuses the connection: {error}") from error


def ensure_roles_and_database(memory: Memory) -> None:
    """Make what is missing; safe to repeat after an interrupted first start."""
    with connect_admin(memory) as connection:
        present = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        for role, rights in _ROLES.items():
            if role not in present:
                statement = sql.SQL("CREATE ROLE {} {} PASSWORD {}")
                password = sql.Literal(memory.passwords[role])
                connection.execute(statement.format(sql.Identifier(role), sql.SQL(rights), password))
        # The owner hands functions to the engine role, which takes membership in it, and the right to
        # pass it on; from PostgreSQL 16 on CREATEROLE alone no longer implies either.
        statement = sql.SQL("GRANT {} TO {} WITH ADMIN OPTION")
        connection.execute(statement.format(sql.Identifier(ENGINE), sql.Identifier(OWNER)))
        if not _exists(connection, DATABASE):
            create_database(connection, DATABASE)


def create_database(connection: psycopg.Connection, name: str, template: str | None = None) -> None:
    """Create a database of the owner, in which the engine may make a schema of its own.

    Args:
        connection: The superuser's, in autocommit.
        name: The new database.
        template: A database to copy, to which nobody is connected; None for an empty one.

    Raises:
        psycopg.Error: It exists already, or the template is in use.
    """
    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
    source = sql.Identifier(template or "template1")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER), source))
    statement = sql.SQL("GRANT CREATE ON DATABASE {} TO {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(ENGINE)))


def drop_database(connection: psycopg.Connection, name: str) -> None:
    """Drop a database if it is there, ending the connections to it."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _exists(connection: psycopg.Connection, database: str) -> bool:
    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database])
    return found.fetchone() is not None
