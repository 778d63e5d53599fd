"""Row-level security is forced on everybody: who can save the whole database, and who only thinks so."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.restore.clusters import Cluster
from tests.restore.company import Company

Place = Callable[[str], Path]
pytestmark = pytest.mark.more

TABLES = ("accounts", "changes", "sync_feed", "sync_mutations", "sync_epochs", "sync_drain")


@pytest.fixture
def backup_role(cluster: Cluster) -> Iterator[str]:
    """As docs/operations.md makes it; gives its address without a database."""
    cluster.administer(
        "CREATE ROLE fieldmerge_backup LOGIN BYPASSRLS PASSWORD 'x'",
        "GRANT pg_read_all_data TO fieldmerge_backup",
    )
    yield make_conninfo(cluster.urls("postgres").admin, user="fieldmerge_backup", password="x", dbname="")
    cluster.administer("DROP ROLE fieldmerge_backup")


class TestDump:
    @pytest.mark.parametrize("part", ["owner", "engine", "app"])
    def test_is_refused_to_the_roles_of_the_product_and_never_silently_short(
        self, cluster: Cluster, database: str, company: Company, backup: Place, part: str
    ) -> None:
        address = getattr(cluster.urls(database), part)

        done = cluster.try_to_run("pg_dump", f"--dbname={address}", f"--file={backup('refused')}")

        assert done.returncode != 0
        assert "row-level security" in done.stderr or "permission denied" in done.stderr

    def test_by_a_role_that_reads_everything_past_the_policies_is_whole(
        self, cluster: Cluster, database: str, company: Company, backup: Place, backup_role: str
    ) -> None:
        file = backup("whole")
        before = counted(cluster, database)
        cluster.run(
            "pg_dump",
            "--format=custom",
            f"--file={file}",
            f"--dbname={make_conninfo(backup_role, dbname=database)}",
        )
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)

        assert counted(cluster, database) == before
        company.sync()
        assert company.unlike_fresh() == {}
        assert all(number > 0 for number in before.values())


def counted(cluster: Cluster, database: str) -> dict[str, int]:
    """Rows of some tables, as the superuser sees them."""
    with psycopg.connect(cluster.urls(database).admin) as connection:
        found = {}
        for table in TABLES:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None
            found[table] = int(row[0])
    return found
