import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.scope import Role
from app.http.api import Blueprint, operations
from tests.http.things import THING, Server

URL = f"/api/v1/things/{THING}"


class TestAllow:
    def test_wants_to_be_told_who(self) -> None:
        with pytest.raises(ValueError, match="anonymous"):
            Blueprint("x", __name__).allow()

    def test_wants_to_be_told_one_thing(self) -> None:
        with pytest.raises(ValueError, match="anonymous"):
            Blueprint("x", __name__).allow("rep", anonymous=True)

    def test_knows_no_made_up_role(self) -> None:
        with pytest.raises(ValueError, match="boss"):
            Blueprint("x", __name__).allow("boss")

    def test_the_rule_can_be_found_under_all_decorators(self, app: Flask) -> None:
        rules = {(o.endpoint, o.method): o.rule for o in operations(app)}

        rule = rules["things.ThingView", "PATCH"]
        assert rule is not None
        assert rule.roles == {Role.MANAGER}


class TestIfMatch:
    @pytest.mark.parametrize("tag", ['"7"', 'W/"7"', '"7:zstd"', '"7-gzip"', '"3", "7"'])
    def test_the_present_version_is_taken(
        self, client: FlaskClient, headers: dict[str, str], tag: str
    ) -> None:
        answer = client.patch(URL, json={"name": "b"}, headers=headers | {"If-Match": tag})

        assert (answer.status_code, answer.headers["ETag"]) == (200, '"8"')

    @pytest.mark.parametrize("tag", ['"6"', '"8"', '"70"', '"-7"', "7", '"abc"', '"7', "x" * 5000, '"٧"'])
    def test_another_version_is_stale(
        self, client: FlaskClient, server: Server, headers: dict[str, str], tag: str
    ) -> None:
        answer = client.patch(URL, json={"name": "b"}, headers=[*headers.items(), ("If-Match", tag)])

        assert (answer.status_code, answer.json["code"]) == (412, "version_stale")
        assert answer.json["details"] == {"version": 7}
        assert server.db.committed == 0

    @pytest.mark.parametrize("tag", [None, "", " ", "*"])
    def test_no_version_is_asked_for(
        self, client: FlaskClient, server: Server, headers: dict[str, str], tag: str | None
    ) -> None:
        sent = headers if tag is None else headers | {"If-Match": tag}

        answer = client.patch(URL, json={"name": "b"}, headers=sent)

        assert (answer.status_code, answer.json["code"]) == (428, "version_required")
        assert server.db.committed == 0

    def test_a_read_answers_its_version(self, client: FlaskClient, headers: dict[str, str]) -> None:
        assert client.get(URL, headers=headers).headers["ETag"] == '"7"'

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_compression_does_not_change_the_tag(
        self, client: FlaskClient, headers: dict[str, str], encoding: str
    ) -> None:
        answer = client.get(URL, headers=headers | {"Accept-Encoding": encoding})

        assert answer.headers["Content-Encoding"] == encoding
        assert answer.headers["ETag"] == '"7"'

    def test_a_view_that_forgets_to_compare_fails(
        self, client: FlaskClient, server: Server, headers: dict[str, str]
    ) -> None:
        server.role = Role.REP

        answer = client.delete("/api/v1/things/careless", headers=headers | {"If-Match": '"1"'})

        assert answer.status_code == 500


class TestTransaction:
    def test_a_commit_that_fails_is_not_answered_with_success(
        self, client: FlaskClient, server: Server, headers: dict[str, str]
    ) -> None:
        server.db.fails_with = RuntimeError("the disk is full")

        answer = client.post("/api/v1/things", json={"name": "a"}, headers=headers)

        assert answer.status_code == 500
        assert server.db.committed == 0
