"""Row-level security is forced on everybody: who can save all, and who only thinks so (docs/operations.md)."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from localpg.cluster import child_environment
from tests.documents.fences import HOUSE, the_fence
from tests.restore.clusters import Cluster
from tests.restore.company import Company
from tests.restore.test_first_roles import ELSEWHERE
from tests.restore.test_restore import come_back
from tests.world import World

Place = Callable[[str], Path]
pytestmark = pytest.mark.more

PAGE = "docs/operations.md"
TABLES = ("accounts", "changes", "sync_feed", "sync_mutations", "sync_epochs", "sync_drain")


def run(cluster: Cluster, script: str, place: Path, **variables: str) -> str:
    path = f"{cluster.server.binaries.directory}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=place,
        env=child_environment() | {"PATH": path} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def backup_role(cluster: Cluster) -> Iterator[str]:
    """As the page makes it; gives its address without a database."""
    admin = cluster.urls("postgres").admin
    made = f'{the_fence(PAGE, "backup-role.sql").typed}\nprintf %s "$BACKUP_PASSWORD"'
    told = run(cluster, made, HOUSE, ADMIN_URL=admin)
    yield make_conninfo(admin, user="fieldmerge_backup", password=told.splitlines()[-1], dbname="")
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
        here = f"@/{database}?{cluster.urls(database).admin.partition('?')[2]}"
        lines = the_fence(PAGE, "BACKUP_URL").typed
        assert ELSEWHERE in lines
        password = str(conninfo_to_dict(backup_role)["password"])
        run(cluster, lines.replace(ELSEWHERE, here), file.parent, BACKUP_PASSWORD=password)
        (file.parent / "fieldmerge.dump").rename(file)
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)

        assert counted(cluster, database) == before
        company.sync()
        assert company.unlike_fresh() == {}
        assert all(number > 0 for number in before.values())


class TestAnotherDatabase:
    def test_holds_every_row_of_every_company_and_phones_notice_the_epoch(
        self, cluster: Cluster, database: str, company: Company, backup: Place, backup_role: str
    ) -> None:
        World(company.app, company.db).account(name="다른 회사의 거래처")
        file, other = backup("dump"), f"{database}_restored"
        address = make_conninfo(backup_role, dbname=database)
        cluster.run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={address}")
        before = counted_by_company(cluster, database)
        company.after_the_backup()

        with company.down(cluster.settings(other)):
            cluster.administer(
                f"CREATE DATABASE {other} OWNER fieldmerge_owner TEMPLATE template0"
                " ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
                f"GRANT CREATE ON DATABASE {other} TO fieldmerge_engine",
            )
            cluster.run("pg_restore", "--exit-on-error", f"--dbname={cluster.urls(other).admin}", file)

        assert counted_by_company(cluster, other) == before
        assert len({company_id for _, company_id in before}) == 2
        come_back(company)
        assert counted_by_company(cluster, database) != before
        company.close()
        cluster.server.drop_database(other)


def counted_by_company(cluster: Cluster, database: str) -> dict[tuple[str, str], int]:
    """Rows of every table of a company, by table and company, as the superuser sees them."""
    tables = """
        SELECT table_name FROM information_schema.columns
        WHERE column_name = 'tenant_id' AND table_schema = 'public'
        """
    with psycopg.connect(cluster.urls(database).admin) as connection:
        return {
            (table, str(company)): number
            for (table,) in connection.execute(tables).fetchall()
            for company, number in connection.execute(
                sql.SQL("SELECT tenant_id, count(*) FROM {} GROUP BY 1").format(sql.Identifier(table))
            ).fetchall()
        }


def counted(cluster: Cluster, database: str) -> dict[str, int]:
    """Rows of some tables, as the superuser sees them."""
    with psycopg.connect(cluster.urls(database).admin) as connection:
        found = {}
        for table in TABLES:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None
            found[table] = int(row[0])
    return found
