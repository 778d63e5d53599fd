"""The roles and the database as deploy/postgresql makes them on a server that has none (docs/operations.md)."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from app import migrating
from app.doctor.examination import examined
from tests.documents.units import DEPLOY
from tests.restore.clusters import ROLE_OF_SQL_PEOPLE, Cluster

pytestmark = pytest.mark.more

ROLES = ("owner", "engine", "app")


@pytest.fixture
def bare(state: Path) -> Cluster:
    """A server without the roles of the product."""
    assert state.is_dir()
    cluster = Cluster("bare")
    with psycopg.connect(cluster.urls("postgres").admin) as connection:
        names = connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE 'fieldmerge%'"
        ).fetchall()
    for (name,) in names:
        cluster.server.drop_database(name)
    cluster.administer(
        *(f"DROP OWNED BY fieldmerge_{role} CASCADE" for role in ROLES),
        f"DROP ROLE IF EXISTS {ROLE_OF_SQL_PEOPLE}",
        *(f"DROP ROLE fieldmerge_{role}" for role in ROLES),
    )
    return cluster


def test_they_are_all_that_the_migrations_and_the_doctor_ask_for(bare: Cluster) -> None:
    urls = bare.urls("fieldmerge")
    passwords = {role: conninfo_to_dict(getattr(urls, role))["password"] for role in ROLES}
    words = [word for role, password in passwords.items() for word in ("-v", f"{role}_password={password}")]
    file = DEPLOY / "postgresql" / "roles.sql"
    bare.run("psql", "-X", "--quiet", *words, f"--dbname={bare.urls('postgres').admin}", "-f", file)
    config = bare.config("fieldmerge")

    migrating.upgrade(config)

    # The tests' servers do without durability, of which "PostgreSQL" would complain.
    assert [one for topic, one in examined(config) if not one.ok and topic != "PostgreSQL"] == []
