"""Databases for tests, on the managed local server or on the one that FIELDMERGE_TEST_SERVER names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import localpg
from app import migrating
from app.config import Config

SECRET = "tests-only-7f3kq9z2m5x8c1v4b6n0a3s5d7f9g2h4j"
PARTS = ("owner", "engine", "app")
ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'fieldmerge_owner') THEN
        CREATE ROLE fieldmerge_owner LOGIN CREATEROLE PASSWORD 'x';
        CREATE ROLE fieldmerge_engine LOGIN PASSWORD 'x';
        CREATE ROLE fieldmerge_app LOGIN PASSWORD 'x';
        CREATE ROLE fieldmerge_sql NOLOGIN;
        GRANT fieldmerge_engine TO fieldmerge_owner;
        GRANT fieldmerge_sql TO fieldmerge_owner WITH ADMIN OPTION;
    END IF;
END $$
"""


@contextmanager
def migrated_database() -> Iterator[Config]:
    """Settings of a fresh database with all migrations applied; dropped afterwards."""
    with empty_database() as settings:
        migrating.upgrade(settings)
        yield settings


@contextmanager
def empty_database() -> Iterator[Config]:
    """Settings of a fresh database of the owner, with nothing in it; dropped afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    given = os.environ.get("FIELDMERGE_TEST_SERVER")
    with _on_given(given, name) if given else _on_local(name) as urls:
        yield Config(
            database_owner_url=urls["owner"],
            database_engine_url=urls["engine"],
            database_url=urls["app"],
            secret_key=SECRET,
            unsafe_durability=True,
        )


@contextmanager
def admin_of(config: Config) -> Iterator[psycopg.Connection[Any]]:
    """The superuser's connection to a database made here."""
    database = conninfo_to_dict(config.database_url)["dbname"]
    given = os.environ.get("FIELDMERGE_TEST_SERVER")
    if given:
        with psycopg.connect(make_conninfo(given, dbname=database), autocommit=True) as connection:
            yield connection
        return
    server = localpg.start("test", durable=False)
    try:
        with psycopg.connect(server.urls_for(str(database)).admin, autocommit=True) as connection:
            yield connection
    finally:
        server.release()


@contextmanager
def _on_local(name: str) -> Iterator[dict[str, str]]:
    server = localpg.start("test", durable=False)
    try:
        urls = server.create_database(name)
        yield {part: getattr(urls, part) for part in PARTS}
        server.drop_database(name)
    finally:
        server.release()


@contextmanager
def _on_given(server: str, name: str) -> Iterator[dict[str, str]]:
    where = {k: v for k, v in conninfo_to_dict(server).items() if k in ("host", "port", "hostaddr")}
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(ROLES)
        admin.execute(f"CREATE DATABASE {name} OWNER fieldmerge_owner TEMPLATE template0 ENCODING 'UTF8'")
        admin.execute(f"GRANT CREATE ON DATABASE {name} TO fieldmerge_engine")
        try:
            with psycopg.connect(make_conninfo(server, dbname=name), autocommit=True) as inside:
                inside.execute("ALTER SCHEMA public OWNER TO fieldmerge_owner")
            host, port = where.get("host", ""), where.get("port", "5432")
            yield {p: f"postgresql://fieldmerge_{p}:x@/{name}?host={host}&port={port}" for p in PARTS}
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
