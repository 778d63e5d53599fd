"""Restored from a backup: noticed before anything is judged, and nothing that phones know is lost."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from sync.stores.epochs import check_identity
from tests.restore.clusters import Cluster
from tests.restore.company import Company, InHand

AFFECTED = ("writer", "drawer", "reader")
Place = Callable[[str], Path]


class TestDump:
    def test_restored_into_the_same_cluster_under_the_same_name(
        self, cluster: Cluster, database: str, company: Company, backup: Place
    ) -> None:
        file = backup("dump")
        cluster.dump(database, file)
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)

        come_back(company)

    @pytest.mark.more
    def test_restored_and_worked_in_before_the_phones_come_back(
        self, cluster: Cluster, database: str, company: Company, backup: Place
    ) -> None:
        file = backup("dump")
        cluster.dump(database, file)
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)
        company.life_goes_on()

        come_back(company)

    @pytest.mark.more
    def test_restored_into_another_cluster(
        self, cluster: Cluster, other_cluster: Cluster, database: str, company: Company, backup: Place
    ) -> None:
        file = backup("dump")
        cluster.dump(database, file)
        company.after_the_backup()
        with company.down(other_cluster.settings(database)):
            other_cluster.restore_dump(file)

        come_back(company)

    @pytest.mark.more
    def test_restored_twice(self, cluster: Cluster, database: str, company: Company, backup: Place) -> None:
        file = backup("dump")
        cluster.dump(database, file)
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)
        come_back(company)
        drawer = company.phones["drawer"].phone
        drawer.edit(
            "account", company.first, website=company.word(company.first, "https://twice.example.com")
        )
        with company.down(cluster.settings(database)):
            cluster.restore_dump(file)

        # The life between the restores, of which the dump knows nothing, is written down as ended.
        come_back(company, affected=tuple(company.phones), noted=2)


@pytest.mark.more
class TestFiles:
    def test_of_a_base_backup(self, cluster: Cluster, database: str, company: Company, backup: Place) -> None:
        files = backup("base")
        cluster.base_backup(files)
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.put_files(files)

        come_back(company)

    @pytest.mark.parametrize("worked_in", [False, True])
    def test_of_a_stopped_server(
        self, cluster: Cluster, database: str, company: Company, backup: Place, worked_in: bool
    ) -> None:
        files = backup("disk")
        with company.down(cluster.settings(database)):
            cluster.copy_files(files)
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.put_files(files)
        if worked_in:
            company.life_goes_on()

        come_back(company)


@pytest.mark.more
class TestSwappedDatabase:
    @pytest.mark.parametrize("worked_in", [False, True])
    def test_an_older_copy_in_its_place(
        self, cluster: Cluster, database: str, company: Company, worked_in: bool
    ) -> None:
        copy, away = f"{database}_copy", f"{database}_away"
        with company.down(cluster.settings(database)):
            cluster.administer(f"CREATE DATABASE {copy} TEMPLATE {database}")
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.administer(
                f"ALTER DATABASE {database} RENAME TO {away}",
                f"ALTER DATABASE {copy} RENAME TO {database}",
                f"GRANT CREATE ON DATABASE {database} TO fieldmerge_engine",
            )
        if worked_in:
            company.life_goes_on()

        come_back(company)
        cluster.server.drop_database(away)


class TestNothingWasLost:
    def test_a_restart_rebases_nobody(self, cluster: Cluster, database: str, company: Company) -> None:
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.stop()
            cluster.start()

        go_on(company)

    @pytest.mark.more
    def test_a_killed_server_that_recovers_rebases_nobody(
        self, cluster: Cluster, database: str, company: Company
    ) -> None:
        company.after_the_backup()
        with company.down(cluster.settings(database)):
            cluster.kill()

        go_on(company)

    @pytest.mark.more
    def test_a_failover_to_the_last_commit_rebases_nobody(
        self, cluster: Cluster, database: str, company: Company, backup: Place
    ) -> None:
        files = backup("base")
        cluster.base_backup(files)
        company.after_the_backup()
        timeline = cluster.timeline()
        with company.down(cluster.settings(database)):
            cluster.put_files(files, with_log_of=cluster.data)

        assert cluster.timeline() == timeline + 1
        with company.db.engine.connect() as connection:
            assert "timeline" in check_identity(connection)[0]  # the operator is told, and phones are not
        go_on(company)


def come_back(company: Company, affected: Collection[str] = AFFECTED, noted: int = 1) -> None:
    """All phones come to the restored server, the one with unsent work on records unknown there first."""
    epochs, judged = company.epochs(), company.judged()
    for one in company.phones.values():
        one.results.clear()
        del one.record.sent[:], one.record.received[:]

    company.sync("drawer", "absent", "writer", "reader")

    assert noticed(company.phones["drawer"]), "the first request was judged before the restore was noticed"
    assert company.epochs() == epochs + noted
    assert len({one.phone.store.read("epoch") for one in company.phones.values()}) == 1
    assert judged < company.judged()
    assert {name for name, one in company.phones.items() if one.rebases} == set(affected)
    all_is_well(company)


def go_on(company: Company) -> None:
    """All phones come to the same server again, and nobody starts over."""
    epochs = company.epochs()
    for one in company.phones.values():
        one.results.clear()

    company.sync()

    assert company.epochs() == epochs
    assert [name for name, one in company.phones.items() if one.rebases] == []
    assert str(company.lost) in {r["id"] for r in company.phones["reader"].phone.list("account")}
    all_is_well(company)


def all_is_well(company: Company) -> None:
    company.sync()
    company.sync()
    assert company.missing() == []
    assert company.doubled() == []
    assert {name: one.phone.waiting() for name, one in company.phones.items()} == dict.fromkeys(
        company.phones, 0
    )
    assert company.unlike_fresh() == {}


def noticed(one: InHand) -> bool:
    """Whether the first request with work in it was told to start over, and judged not at all."""
    exchanges = zip(one.record.sent, one.record.received, strict=True)
    first: tuple[dict[str, Any], dict[str, Any]] = next(
        (json.loads(body), json.loads(answer.partition(b"\n\n")[2]))
        for (path, body), answer in exchanges
        if path.endswith("/sync")
    )
    request, answer = first
    return bool(request["mutations"]) and answer["directives"] == ["rebase"] and answer["verdicts"] == []
