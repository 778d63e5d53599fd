"""A company's rows as a backup has them: taken aside, and put back as a restore does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.sql import SQL, Composable, Identifier, Literal

from app.http.services import services
from tests.servers import admin_of
from tests.world import World

TABLES = """
SELECT c.relname, array_agg(a.attname ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
GROUP BY c.relname HAVING 'tenant_id' = ANY(array_agg(a.attname)) ORDER BY 1
"""
TRIGGERS = """
SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled <> 'D' AND c.relnamespace = 'public'::regnamespace
"""


def backup(world: World) -> Callable[[], None]:
    """Take all rows of the company aside; gives what puts them back. Epochs are of all companies, and stay."""
    config = services(world.app).config
    schema = f"backup_{world.id.hex[:12]}"
    with admin_of(config) as admin:
        tables = admin.execute(TABLES).fetchall()
        admin.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        for name, columns in tables:
            admin.execute(
                SQL("CREATE TABLE {} AS SELECT {} FROM {} WHERE tenant_id = {}").format(
                    Identifier(schema, name), _listed(columns), Identifier(name), Literal(world.id)
                )
            )

    def restore() -> None:
        with admin_of(config) as admin, admin.transaction(), _without_triggers(admin):
            for name, columns in tables:
                admin.execute(
                    SQL("DELETE FROM {} WHERE tenant_id = {}").format(Identifier(name), Literal(world.id))
                )
                admin.execute(
                    SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM {}").format(
                        Identifier(name), _listed(columns), Identifier(schema, name)
                    )
                )
            admin.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))

    return restore


@contextmanager
def _without_triggers(admin: psycopg.Connection[tuple[object, ...]]) -> Iterator[None]:
    admin.execute("SET LOCAL session_replication_role = replica")  # keeps references from being looked at
    triggers = admin.execute(TRIGGERS).fetchall()
    for table, name, _ in triggers:
        admin.execute(SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(_id(table), _id(name)))
    yield
    for table, name, enabled in triggers:
        always = SQL("ENABLE ALWAYS" if enabled == "A" else "ENABLE")
        admin.execute(SQL("ALTER TABLE {} {} TRIGGER {}").format(_id(table), always, _id(name)))


def _id(name: object) -> Identifier:
    return Identifier(str(name))


def _listed(columns: list[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))
