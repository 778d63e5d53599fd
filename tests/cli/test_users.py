"""`flask user disable` and `enable`: who may come in, and what becomes of the phones."""

import pytest

from tests.cli.conftest import Run
from tests.world import PASSWORD, Person, World


@pytest.fixture
def rep(world: World) -> Person:
    person = world.person("rep", world.north)
    person.sync()
    return person


def log_in(world: World, person: Person) -> tuple[int, str | None]:
    """Status and code."""
    answer = world.app.test_client().post(
        "/api/v1/auth/login",
        json={
            "tenant": world.code,
            "login": person.login,
            "password": PASSWORD,
            "device": {"name": "Galaxy", "platform": "android"},
        },
    )
    return answer.status_code, answer.json.get("code")


class TestDisable:
    def test_closes_the_account_at_the_next_request(self, flask: Run, world: World, rep: Person) -> None:
        done = flask("user", "disable", rep.login.upper(), "--tenant", world.code)

        assert (done.exit_code, done.output) == (0, f"{rep.login} is closed.\n")
        assert rep.post_sync().status_code == 401
        assert log_in(world, rep) == (401, "auth.user_disabled")

    def test_is_shown_in_the_list(self, flask: Run, world: World, rep: Person) -> None:
        flask("user", "disable", rep.login, "--tenant", world.code)

        assert f"{rep.login}\trep\tdisabled" in flask("user", "list", "--tenant", world.code).output

    def test_leaves_everybody_else_alone(self, flask: Run, world: World, rep: Person) -> None:
        colleague = world.person("rep", world.north)

        flask("user", "disable", rep.login, "--tenant", world.code)

        assert colleague.post_sync().status_code == 200

    def test_may_be_said_twice(self, flask: Run, world: World, rep: Person) -> None:
        flask("user", "disable", rep.login, "--tenant", world.code)

        assert flask("user", "disable", rep.login, "--tenant", world.code).exit_code == 0

    def test_of_the_last_administrator_fails_in_words(self, flask: Run, world: World) -> None:
        admin = world.person("admin")

        done = flask("user", "disable", admin.login, "--tenant", world.code)

        assert (done.exit_code, "Traceback" in done.output) == (1, False)
        assert "[user.last_admin]" in done.output
        assert admin.call("GET", "/api/v1/auth/me").status_code == 200


class TestEnable:
    def test_lets_the_person_log_in_anew(self, flask: Run, world: World, rep: Person) -> None:
        flask("user", "disable", rep.login, "--tenant", world.code)

        done = flask("user", "enable", rep.login, "--tenant", world.code)

        assert (done.exit_code, done.output) == (0, f"{rep.login} is open.\n")
        assert log_in(world, rep) == (200, None)

    def test_brings_no_old_session_back(self, flask: Run, world: World, rep: Person) -> None:
        flask("user", "disable", rep.login, "--tenant", world.code)
        flask("user", "enable", rep.login, "--tenant", world.code)

        assert rep.post_sync().status_code == 401

    def test_of_an_open_account_changes_nothing(self, flask: Run, world: World, rep: Person) -> None:
        done = flask("user", "enable", rep.login, "--tenant", world.code)

        assert done.exit_code == 0
        assert rep.post_sync().status_code == 200


@pytest.mark.parametrize("command", ["disable", "enable"])
class TestBoth:
    def test_of_an_unknown_person_fail_in_words(self, flask: Run, world: World, command: str) -> None:
        done = flask("user", command, "nobody", "--tenant", world.code)

        assert (done.exit_code, "There is no user nobody" in done.output) == (1, True)

    def test_know_nobody_of_another_company(
        self, flask: Run, world: World, rep: Person, command: str
    ) -> None:
        other = World(world.app, world.db)

        done = flask("user", command, rep.login, "--tenant", other.code)

        assert done.exit_code == 1
        assert rep.post_sync().status_code == 200

    def test_name_the_operator_in_the_ledger(
        self, flask: Run, world: World, rep: Person, command: str
    ) -> None:
        flask("user", "disable", rep.login, "--tenant", world.code)
        flask("user", command, rep.login, "--tenant", world.code)

        (last,) = world.sql(
            "SELECT actor_kind FROM changes WHERE tenant_id = :tenant AND entity = 'user' AND record_id = :id"
            " ORDER BY id DESC LIMIT 1",
            id=rep.id,
        )
        assert last == ("cli",)
