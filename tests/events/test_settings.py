"""Where the process listens, what phones are told, and what the doctor says of it."""

from dataclasses import replace

import pytest
from sqlalchemy import make_url

from app.config import Config, ConfigInvalid
from app.doctor.examination import examined
from tests.cli.conftest import flask_command, variables_of


def from_env(config: Config, **variables: str) -> Config:
    return Config.from_env(variables_of(config, **variables))


class TestAddresses:
    def test_it_listens_where_requests_connect(self, migrated: Config) -> None:
        assert from_env(migrated).listen_url == migrated.database_url

    def test_behind_a_pooler_it_listens_nowhere_by_itself(self, migrated: Config) -> None:
        assert from_env(migrated, FIELDMERGE_PGBOUNCER="1").listen_url == ""

    def test_behind_a_pooler_it_listens_where_it_is_told(self, migrated: Config) -> None:
        direct = {"FIELDMERGE_PGBOUNCER": "1", "FIELDMERGE_EVENTS_DATABASE_URL": "postgresql://direct/x"}

        assert from_env(migrated, **direct).listen_url == "postgresql://direct/x"

    @pytest.mark.parametrize("url", ["", "/api/v1/sync/events", "https://pings.example.com/e"])
    def test_phones_are_told_a_path_or_an_address(self, migrated: Config, url: str) -> None:
        assert from_env(migrated, FIELDMERGE_EVENTS_URL=url).events_url == url

    @pytest.mark.parametrize("url", ["pings.example.com", "javascript:alert(1)", "ftp://x/", "/" + 200 * "x"])
    def test_anything_else_is_refused(self, migrated: Config, url: str) -> None:
        with pytest.raises(ConfigInvalid, match="FIELDMERGE_EVENTS_URL"):
            from_env(migrated, FIELDMERGE_EVENTS_URL=url)

    def test_the_process_refuses_to_listen_through_a_pooler(self, migrated: Config) -> None:
        done = flask_command("events", "run", env=variables_of(migrated, FIELDMERGE_PGBOUNCER="1"))

        assert done.exit_code == 1
        assert "FIELDMERGE_EVENTS_DATABASE_URL" in done.stderr


class TestDoctor:
    def said(self, config: Config) -> list[tuple[bool, str]]:
        return [(finding.ok, finding.text) for topic, finding in examined(config) if topic == "Live pings"]

    def test_hears_what_it_notifies(self, migrated: Config) -> None:
        assert self.said(migrated) == [(True, "LISTEN works: phones can be pinged.")]

    def test_finds_an_address_on_which_nothing_is_heard(self, migrated: Config) -> None:
        elsewhere = make_url(migrated.database_url).set(database="postgres").render_as_string(False)

        ((ok, text),) = self.said(replace(migrated, events_database_url=elsewhere))

        assert not ok
        assert "LISTEN does not work" in text

    def test_finds_an_address_that_does_not_connect(self, migrated: Config) -> None:
        nowhere = make_url(migrated.database_url).set(database="absent").render_as_string(False)

        ((ok, text),) = self.said(replace(migrated, events_database_url=nowhere))

        assert not ok
        assert "does not connect" in text

    def test_says_that_pings_are_off_behind_a_pooler(self, migrated: Config) -> None:
        ((ok, text),) = self.said(replace(migrated, pooled=True))

        assert ok
        assert "off" in text
