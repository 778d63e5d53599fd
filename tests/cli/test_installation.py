"""Which installation a command works on."""

from pathlib import Path

import pytest

import localpg
from app.cli.installation import NoInstallation, find_installation, start_local
from app.config import Config, ConfigInvalid
from localpg import Urls
from tests.cli.conftest import variables_of

LOCAL = Urls(owner="postgresql://o@/f", engine="postgresql://e@/f", app="postgresql://a@/f", admin="")
GIVEN = Config("postgresql://a@/x", "postgresql://e@/x", "postgresql://o@/x", "k3y-" * 8 + "0123456789")


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A state directory, with a local server that seems to run."""
    monkeypatch.setenv("FIELDMERGE_STATE", str(tmp_path))
    monkeypatch.setattr(localpg, "running_urls", lambda _name: LOCAL)
    return tmp_path


class TestFindInstallation:
    def test_takes_what_the_environment_names(self, local: Path) -> None:
        found = find_installation(variables_of(GIVEN))

        assert (found.config.database_url, found.is_local) == (GIVEN.database_url, False)

    def test_never_completes_half_an_environment_from_the_local_server(self, local: Path) -> None:
        with pytest.raises(ConfigInvalid, match="DATABASE_ENGINE_URL"):
            find_installation({"DATABASE_URL": GIVEN.database_url})

    def test_takes_the_local_server_where_nothing_is_named(self, local: Path) -> None:
        found = find_installation({})

        assert found.is_local
        assert found.config.database_owner_url == LOCAL.owner

    def test_hands_the_same_settings_to_child_processes(self, local: Path) -> None:
        found = find_installation({})

        assert Config.from_env(found.variables) == found.config

    def test_keeps_the_local_secret_to_its_owner(self, local: Path) -> None:
        first, second = find_installation({}), find_installation({})

        assert first.config.secret_key == second.config.secret_key
        assert (local / "secret-key").stat().st_mode & 0o077 == 0
        assert [path.name for path in local.iterdir()] == ["secret-key"]

    def test_says_how_to_get_one(self, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(localpg, "running_urls", lambda _name: None)

        with pytest.raises(NoInstallation, match="make demo"):
            find_installation({})


def test_a_local_server_that_cannot_start_says_why(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_BIN", str(local))

    with pytest.raises(localpg.LocalPostgresError, match="PG_BIN"):
        start_local(lambda _sentence: None, {})
