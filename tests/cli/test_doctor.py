"""`flask doctor`: each thing that can be wrong is found, and said with what to do."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from app.config import Config
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.doctor import backlog, roles, schema, server
from app.doctor.examination import StartRefused, refuse_unsafe_start
from app.doctor.finding import Check, Finding, connect, connected
from tests.cli.conftest import Run, flask_command, variables_of
from tests.servers import admin_of, empty_database, migrated_database
from tests.world import World


@pytest.fixture(scope="module")
def untouched() -> Iterator[Config]:
    """A migrated database on which no other test leaves its marks and alarms."""
    with migrated_database() as config:
        yield config


def findings(config: Config, check: Check) -> list[Finding]:
    with connected(config) as subject:
        return list(check(subject))


def the_bad_one(config: Config, check: Check) -> Finding:
    """The one finding that is bad; all of them say what to do."""
    bad = [finding for finding in findings(config, check) if not finding.ok]
    assert len(bad) == 1, bad
    assert bad[0].advice
    return bad[0]


@contextmanager
def meanwhile(config: Config, part: str, do: str, undo: str, **values: object) -> Iterator[None]:
    """A change of the database that is taken back."""
    with connect(config, part) as connection:
        connection.execute(text(do), values)
        try:
            yield
        finally:
            connection.execute(text(undo), values)


@contextmanager
def by_superuser(config: Config, do: str, undo: str) -> Iterator[None]:
    """The same by an administrator of the test server."""
    with admin_of(config) as connection:
        connection.execute(do.encode())
        try:
            yield
        finally:
            connection.execute(undo.encode())


def lossy(config: Config) -> Config:
    """The same, with requests that do not wait for the disk."""
    return dataclasses.replace(
        config,
        database_url=f"{config.database_url}&options=-c%20synchronous_commit%3Doff",
        unsafe_durability=False,
    )


class TestCommand:
    def test_finds_nothing_wrong_but_the_durability_of_tests(self, untouched: Config) -> None:
        done = flask_command("doctor", env=variables_of(untouched))

        bad = [line for line in done.output.splitlines() if "✗" in line]
        assert [line for line in bad if "power cut" not in line and "✗." not in line] == []
        assert done.exit_code == (1 if bad else 0)
        for topic in ("Configuration", "Connections", "Roles", "PostgreSQL", "Schema", "Sync"):
            assert topic in done.output

    def test_says_what_is_missing_and_what_would_be_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FIELDMERGE_STATE", str(tmp_path))

        done = flask_command("doctor", env={})

        assert done.exit_code == 1
        assert "No database is named" in done.output
        assert "would use a local PostgreSQL" in done.output

    def test_says_which_setting_is_missing(self, flask: Run) -> None:
        done = flask("doctor", FIELDMERGE_SECRET_KEY="")

        assert done.exit_code == 1
        assert "✗ Set FIELDMERGE_SECRET_KEY" in done.output

    def test_says_which_address_does_not_answer(self, flask: Run) -> None:
        done = flask("doctor", DATABASE_ENGINE_URL="postgresql://engine@/none?host=/nowhere")

        assert done.exit_code == 1
        assert "✗ DATABASE_ENGINE_URL does not connect" in done.output
        assert "✓ DATABASE_URL connects" in done.output


class TestRoles:
    def test_one_role_for_two_purposes(self, migrated: Config) -> None:
        config = dataclasses.replace(migrated, database_engine_url=migrated.database_url)

        assert "do not name three roles" in the_bad_one(config, roles.three_roles).text

    def test_requests_with_the_rights_of_the_engine(self, migrated: Config) -> None:
        config = dataclasses.replace(migrated, database_url=migrated.database_owner_url)

        assert "member of" in the_bad_one(config, roles.app_is_small).text

    def test_an_owner_that_is_not_in_the_engine(self, migrated: Config) -> None:
        config = dataclasses.replace(migrated, database_owner_url=migrated.database_url)

        bad = [finding.advice for finding in findings(config, roles.owner_can_migrate) if not finding.ok]
        assert any("GRANT fieldmerge_engine TO fieldmerge_app" in advice for advice in bad)

    def test_a_ledger_that_requests_can_change(self, migrated: Config) -> None:
        with meanwhile(
            migrated,
            "owner",
            "GRANT UPDATE ON changes TO fieldmerge_app",
            "REVOKE UPDATE ON changes FROM fieldmerge_app",
        ):
            assert "UPDATE on the ledger" in the_bad_one(migrated, roles.ledger_is_closed).text

    def test_all_is_well(self, migrated: Config) -> None:
        for check in roles.CHECKS:
            assert all(finding.ok for finding in findings(migrated, check)), check.__name__


class TestIdentity:
    CHANGED = "UPDATE sync_epochs SET identity = identity || '{\"timeline\": 99}' WHERE ended_at IS NULL"

    def test_the_database_of_the_present_epoch_is_known_again(self, untouched: Config) -> None:
        (found,) = findings(untouched, backlog.identity)

        assert found.ok

    def test_another_database_is_an_alarm_until_the_operator_accepts_it(self, untouched: Config) -> None:
        with connect(untouched, "engine") as connection:
            connection.execute(text(self.CHANGED))
        assert "timeline" in the_bad_one(untouched, backlog.identity).text
        refuse_unsafe_start(untouched)  # an alarm for people; it stops nobody

        done = flask_command("doctor", "--accept-database", env=variables_of(untouched))

        assert "perhaps an older copy" not in done.output
        assert findings(untouched, backlog.identity)[0].ok


class TestServer:
    def test_a_commit_that_does_not_wait_for_the_disk(self, migrated: Config) -> None:
        found = the_bad_one(lossy(migrated), server.durability)

        assert "synchronous_commit of role fieldmerge_app" in found.text

    @pytest.mark.parametrize("part", ["owner", "engine", "app"])
    @pytest.mark.parametrize(
        "place", ["ROLE fieldmerge_{part} IN DATABASE {database}", "DATABASE {database}"]
    )
    def test_a_setting_of_a_role_or_of_the_database_that_does_not_wait_for_the_disk(
        self, migrated: Config, part: str, place: str
    ) -> None:
        database = make_url(migrated.database_url).database
        where = place.format(part=part, database=database)
        with by_superuser(
            migrated,
            f"ALTER {where} SET synchronous_commit = off",
            f"ALTER {where} RESET synchronous_commit",
        ):
            assert (
                f"synchronous_commit of role fieldmerge_{part}"
                in the_bad_one(migrated, server.durability).text
            )
            with pytest.raises(StartRefused, match=f"role fieldmerge_{part}"):
                refuse_unsafe_start(dataclasses.replace(migrated, unsafe_durability=False))
            refuse_unsafe_start(migrated)  # started with the setting for tests

    def test_somebody_whose_sql_does_not_wait_for_the_disk(self, migrated: Config) -> None:
        database = make_url(migrated.database_url).database
        name = f"hasty_{new_id().hex[:8]}"
        with by_superuser(
            migrated,
            f"CREATE ROLE {name} LOGIN IN ROLE fieldmerge_sql; ALTER ROLE {name} SET synchronous_commit = off",
            f"DROP ROLE {name}",
        ):
            assert f"role {name}" in the_bad_one(migrated, server.durability).text
            # What is set for the role in this database is narrower.
            setting = f"ALTER ROLE {name} IN DATABASE {database}"
            with by_superuser(migrated, f"{setting} SET synchronous_commit = local", f"{setting} RESET ALL"):
                assert name not in findings(migrated, server.durability)[0].text

    def test_a_pooler_without_an_end_to_hanging_transactions(self, migrated: Config) -> None:
        config = dataclasses.replace(migrated, pooled=True)

        assert "ALTER ROLE fieldmerge_app" in the_bad_one(config, server.idle_transactions).advice

    def test_a_pooler_whose_role_ends_hanging_transactions(self, migrated: Config) -> None:
        options = "&options=-c%20idle_in_transaction_session_timeout%3D60s"
        config = dataclasses.replace(migrated, pooled=True, database_url=f"{migrated.database_url}{options}")

        (found,) = findings(config, server.idle_transactions)
        assert found.ok

    def test_without_a_pooler_every_connection_of_a_request_sets_it(
        self, migrated: Config, pools: Database
    ) -> None:
        (found,) = findings(migrated, server.idle_transactions)
        with pools.app.connect() as connection:
            timeout = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar()

        assert (found.ok, timeout) == (True, "1min")

    def test_a_clock_that_is_wrong(self, migrated: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "utc_now", lambda: utc_now() - timedelta(minutes=5))

        assert "+300" in the_bad_one(migrated, server.clock).text

    def test_a_time_zone_that_nobody_knows(self, migrated: Config, world: World) -> None:
        with meanwhile(
            migrated,
            "engine",
            "UPDATE tenants SET time_zone = 'Asia/Atlantis' WHERE id = :tenant",
            "UPDATE tenants SET time_zone = 'Asia/Seoul' WHERE id = :tenant",
            tenant=world.id,
        ):
            found = the_bad_one(migrated, server.time_zones)

        assert "Asia/Atlantis in the database, Asia/Atlantis in Python" in found.text

    def test_a_forgotten_transaction(self, migrated: Config, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server, "OLD_TRANSACTION", timedelta(milliseconds=1))

        with connect(migrated, "engine") as forgotten:
            forgotten.execute(text("BEGIN"))

            assert "has been open for" in the_bad_one(migrated, server.old_transactions).text


class TestSchema:
    def test_a_database_that_was_never_migrated(self) -> None:
        with empty_database() as config:
            found = the_bad_one(config, schema.migrations)

        assert "no revision at all" in found.text
        assert "flask db upgrade" in found.advice

    def test_a_table_without_forced_row_level_security(self, migrated: Config) -> None:
        with meanwhile(
            migrated,
            "owner",
            "ALTER TABLE sites NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE sites FORCE ROW LEVEL SECURITY",
        ):
            assert "not forced on sites" in the_bad_one(migrated, schema.row_level_security).text

    def test_a_trigger_that_replication_would_skip(self, migrated: Config) -> None:
        with meanwhile(
            migrated,
            "owner",
            "ALTER TABLE sites ENABLE TRIGGER sync_after",
            "ALTER TABLE sites ENABLE ALWAYS TRIGGER sync_after",
        ):
            assert "sites.sync_after" in the_bad_one(migrated, schema.capture).text


class TestSync:
    def test_changes_that_nobody_sequences(self, untouched: Config) -> None:
        with meanwhile(
            untouched,
            "engine",
            "INSERT INTO sync_pending (tenant_id, entity, record_id, marked_at)"
            " VALUES (:tenant, 'account', :id, now() - interval '1 hour')",
            "DELETE FROM sync_pending WHERE record_id = :id",
            tenant=new_id(),
            id=new_id(),
        ):
            found = the_bad_one(untouched, backlog.unsequenced)

        assert "the oldest for 1:00:" in found.text

    def test_a_record_in_quarantine(self, untouched: Config) -> None:
        with meanwhile(
            untouched,
            "engine",
            "INSERT INTO sync_quarantine (tenant_id, entity, record_id, sqlstate, message)"
            " VALUES (:tenant, 'account', :id, '22012', 'division by zero')",
            "DELETE FROM sync_quarantine WHERE record_id = :id",
            tenant=new_id(),
            id=new_id(),
        ):
            assert "division by zero" in the_bad_one(untouched, backlog.quarantine).text

    def test_an_alarm(self, untouched: Config) -> None:
        with meanwhile(
            untouched,
            "engine",
            "INSERT INTO sync_alarms (tenant_id, kind) VALUES (:tenant, 'mark_without_row')",
            "DELETE FROM sync_alarms",
            tenant=new_id(),
        ):
            assert "mark_without_row (1)" in the_bad_one(untouched, backlog.alarms).text


class TestStart:
    def test_is_refused_where_acknowledged_edits_can_be_lost(self, migrated: Config) -> None:
        with pytest.raises(StartRefused, match="power cut"):
            refuse_unsafe_start(lossy(migrated))

    def test_is_allowed_there_to_tests(self, migrated: Config) -> None:
        refuse_unsafe_start(dataclasses.replace(lossy(migrated), unsafe_durability=True))

    def test_is_refused_before_the_migrations(self) -> None:
        with empty_database() as config, pytest.raises(StartRefused, match="flask db upgrade"):
            refuse_unsafe_start(config)
