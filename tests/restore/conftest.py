"""A state directory of the drills' own; clusters and companies in it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import localpg
from app import migrating
from tests.restore.clusters import ROLE_OF_SQL_PEOPLE, Cluster
from tests.restore.company import Company

_serial = count(1)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """Where servers and backups live; the servers are stopped and all is deleted in the end."""
    directory = Path(tempfile.mkdtemp(prefix="fm-restore-"))
    directory.chmod(0o711)
    (directory / "backups").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIELDMERGE_STATE", str(directory / "servers"))
        yield directory
        for name in os.listdir(directory / "servers"):
            localpg.reset(name)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def cluster(state: Path) -> Cluster:
    """A server with a migrated database that others are made of."""
    cluster = Cluster("first")
    cluster.server.create_database("migrated")
    migrating.upgrade(cluster.config("migrated"))
    return cluster


@pytest.fixture(scope="module")
def other_cluster(cluster: Cluster) -> Cluster:
    """Another server with the roles, and nothing in it."""
    other = Cluster("second")
    other.administer(f"DROP ROLE IF EXISTS {ROLE_OF_SQL_PEOPLE}", *cluster.roles_of_sql_people())
    return other


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    """The name of a database of the test's own, on the first cluster."""
    name = f"crm{next(_serial)}"
    cluster.server.create_database(name, template="migrated")
    yield name
    cluster.server.drop_database(name)


@pytest.fixture
def company(cluster: Cluster, database: str) -> Iterator[Company]:
    """Four phones whose work is in the database."""
    company = Company(cluster.config(database))
    company.before_the_backup()
    yield company
    for one in company.phones.values():
        one.phone.close()
    company.close()


@pytest.fixture
def backup(state: Path) -> Callable[[str], Path]:
    """Names a place for a backup."""
    return lambda name: state / "backups" / f"{name}-{next(_serial)}"
