"""The roles and the database as docs/operations.md makes them on a server that has none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.documents.fences import HOUSE, the_fence
from tests.restore.clusters import ROLE_OF_SQL_PEOPLE, Cluster

pytestmark = pytest.mark.more

ROLES = ("owner", "engine", "app")
PAGE = "docs/operations.md"
ELSEWHERE = "@db.example.com:5432/fieldmerge?sslmode=verify-full&sslrootcert=system"
"""What stands in the page for the address of the reader's own server."""


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
    admin = bare.urls("postgres").admin
    here = "@/fieldmerge?" + admin.partition("?")[2]
    settings = the_fence(PAGE, "fieldmerge_app:$APP_PASSWORD").typed
    assert settings.count(ELSEWHERE) == len(ROLES)
    flask = f'flask() {{ {sys.executable} -m flask "$@"; }}'
    script = "\n".join((flask, the_fence(PAGE, "roles.sql").typed, settings.replace(ELSEWHERE, here)))

    done = subprocess.run(
        ["sh", "-euc", script.replace("flask doctor", "flask doctor || test $? = 1")],
        cwd=HOUSE,
        env={
            "PATH": f"{bare.server.binaries.directory}:{os.environ['PATH']}",
            "PYTHONUTF8": "1",
            "ADMIN_URL": admin,
            "FIELDMERGE_UNSAFE_DURABILITY": "for-tests-only",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Row-level security is forced on every table of a tenant." in done.stdout
    # The tests' servers do without durability, of which the doctor complains.
    assert [one for one in re.findall("✗ (.*)", done.stdout) if "power cut" not in one] == []
