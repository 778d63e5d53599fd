"""The request of ``POST /sync`` as a whole: refused with a code and judged in no part."""

import gzip
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from flask import Flask

from app.core.clock import clock_at, utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.http.auth import ALGORITHM, TYPE, issue_access_token, token_key
from app.http.services import services
from tests.http.test_strict_json import REFUSED
from tests.sync_api.untouched import untouched
from tests.world import Person, World, wire

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def world(served: Flask, pools: Database) -> World:
    """One company for all tests here: none of them changes anything."""
    return World(served, pools)


@pytest.fixture(scope="module")
def rep(world: World) -> Person:
    world.account()
    person = world.person("rep", world.north)
    person.sync()
    return person


def post(rep: Person, raw: bytes, **headers: str) -> Any:
    return rep.world.app.test_client().post(
        "/api/v1/sync",
        data=raw,
        headers={"Content-Type": "application/json", **rep.headers, **headers},
    )


def task(rep: Person, **parts: Any) -> dict[str, Any]:
    return rep.mutation("create", "task", new_id(), fields={"title": "견적"}) | parts


class TestABodyThatIsNoJsonObject:
    @pytest.mark.parametrize("what", sorted(REFUSED))
    def test_is_refused_as_a_problem(self, world: World, rep: Person, what: str) -> None:
        raw, code = REFUSED[what]

        with untouched(world):
            response = post(rep, raw)

        assert (response.status_code, response.content_type) == (
            413 if code == "body_too_large" else 400,
            PROBLEM,
        )
        assert response.json["code"] == code

    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "text/json"]
    )
    def test_of_another_content_type_is_refused(self, rep: Person, content_type: str) -> None:
        response = post(rep, b'{"schema_version": 1}', **{"Content-Type": content_type})

        assert (response.status_code, response.content_type) == (415, PROBLEM)
        assert response.json["code"] == "unsupported_media_type"

    def test_that_grows_beyond_measure_when_unpacked_is_refused(self, rep: Person) -> None:
        response = post(rep, gzip.compress(b" " * 100_000_000, 9), **{"Content-Encoding": "gzip"})

        assert (response.status_code, response.json["code"]) == (413, "body_too_large")

    def test_packed_twice_is_refused(self, rep: Person) -> None:
        raw = gzip.compress(gzip.compress(b'{"schema_version": 1}'))

        response = post(rep, raw, **{"Content-Encoding": "gzip, gzip"})

        assert (response.status_code, response.json["code"]) == (415, "unsupported_encoding")


ENVELOPES: dict[str, tuple[dict[str, Any], str]] = {
    "no schema version": ({"schema_version": None}, "required"),
    "schema version 0": ({"schema_version": 0}, "value_out_of_range"),
    "a schema version of the future": ({"schema_version": 2**31}, "value_out_of_range"),
    "a schema version as text": ({"schema_version": "1"}, "type_mismatch"),
    "a schema version as boolean": ({"schema_version": True}, "type_mismatch"),
    "an unknown member": ({"device_id": str(uuid4())}, "unknown_field"),
    "limit 0": ({"limit": 0}, "value_out_of_range"),
    "limit -1": ({"limit": -1}, "value_out_of_range"),
    "limit 1e9": ({"limit": 1_000_000_000}, "value_out_of_range"),
    "limit abc": ({"limit": "abc"}, "type_mismatch"),
    "limit 1.5": ({"limit": 1.5}, "type_mismatch"),
    "a byte limit of nothing": ({"limit_bytes": 0}, "value_out_of_range"),
    "a byte limit over the most": ({"limit_bytes": 9 << 20}, "value_out_of_range"),
    "sent_at without a zone": ({"sent_at": "2026-11-21T09:00:00"}, "timestamp_invalid"),
    "sent_at on 30 February": ({"sent_at": "2026-02-30T09:00:00Z"}, "timestamp_invalid"),
    "sent_at now": ({"sent_at": "now"}, "timestamp_invalid"),
    "sent_at as a number": ({"sent_at": 1_763_715_600}, "type_mismatch"),
    "a cursor that is a number": ({"cursor": 7}, "type_mismatch"),
    "an empty cursor": ({"cursor": ""}, "cursor_invalid"),
    "a cursor of nonsense": ({"cursor": "AXsi" * 20}, "cursor_invalid"),
    "a cursor with a NUL": ({"cursor": "a\x00b"}, "char_not_allowed"),
    "a cursor with an emoji": ({"cursor": "🍵"}, "cursor_invalid"),
    "a cursor of 70 kB": ({"cursor": "A" * 70_000}, "too_long"),
    "a client that is a text": ({"client": "android"}, "type_mismatch"),
    "a client that is a list": ({"client": [1]}, "type_mismatch"),
    "an unknown member of the client": ({"client": {"root": True}}, "unknown_field"),
    "a negative pending count": ({"client": {"pending": -1}}, "value_out_of_range"),
    "a pending count as text": ({"client": {"pending": "1"}}, "type_mismatch"),
    "an app version of 600 characters": ({"client": {"app_version": "1" * 600}}, "too_long"),
    "a last error with a lone surrogate": ({"client": {"last_error": "\ud800"}}, "char_not_allowed"),
    "mutations that are no list": ({"mutations": {"id": 1}}, "type_mismatch"),
    "a mutation that is no object": ({"mutations": [7]}, "type_mismatch"),
    "mutations of null": ({"mutations": None}, "type_mismatch"),
}
UNTELLABLE: dict[str, tuple[dict[str, Any], str]] = {
    "without an id": ({"id": None}, "id_not_canonical"),
    "with a number for an id": ({"id": 7}, "id_not_canonical"),
    "with an id in braces": ({"id": "{" + str(uuid4()) + "}"}, "id_not_canonical"),
    "with an id in capitals": ({"id": "ABCDEF00-0000-7000-8000-000000000001"}, "id_not_canonical"),
    "with an id without hyphens": ({"id": uuid4().hex}, "id_not_canonical"),
    "with the nil id": ({"id": "00000000-0000-0000-0000-000000000000"}, "id_not_canonical"),
    "with an id that ends in a newline": ({"id": str(uuid4()) + "\n"}, "id_not_canonical"),
    "with an emoji for an id": ({"id": "🍵"}, "id_not_canonical"),
    "without n": ({"n": None}, "type_mismatch"),
    "with n 0": ({"n": 0}, "value_out_of_range"),
    "with a negative n": ({"n": -1}, "value_out_of_range"),
    "with n 2^63": ({"n": 2**63}, "value_out_of_range"),
    "with n as text": ({"n": "1"}, "type_mismatch"),
    "with n as boolean": ({"n": True}, "type_mismatch"),
    "with n 1.5": ({"n": 1.5}, "type_mismatch"),
}


class TestAnUnsoundEnvelope:
    @pytest.mark.parametrize("what", ENVELOPES)
    def test_is_refused_and_nothing_in_it_judged(self, world: World, rep: Person, what: str) -> None:
        parts, code = ENVELOPES[what]

        body = {"schema_version": 1, "cursor": rep.cursor, "mutations": [task(rep)], **parts}
        with untouched(world):
            response = post(rep, json.dumps(body).encode())

        assert (response.status_code, response.content_type) == (400, PROBLEM)
        assert response.json["code"] == code
        assert world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []

    @pytest.mark.parametrize("what", UNTELLABLE)
    def test_with_a_mutation_that_could_not_be_answered(self, world: World, rep: Person, what: str) -> None:
        parts, code = UNTELLABLE[what]

        with untouched(world):
            response = rep.post_sync(mutations=[task(rep), task(rep, **parts)])

        assert (response.status_code, response.json["code"]) == (400, code)
        assert response.json["details"]["pointer"].startswith("/mutations/1")
        assert world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []

    @pytest.mark.parametrize("count", [501, 20_000])
    def test_with_more_mutations_than_the_limit(self, world: World, rep: Person, count: int) -> None:
        with untouched(world):
            response = rep.post_sync(mutations=[{"id": "x"}] * count)

        assert (response.status_code, response.json["code"]) == (400, "too_many_mutations")

    def test_names_the_place_of_the_first_fault(self, rep: Person) -> None:
        response = rep.post_sync(client={"pending": "x"})

        assert response.json["details"]["pointer"] == "/client/pending"


class TestACursor:
    @pytest.fixture
    def colleague(self, world: World) -> Person:
        person = world.person("rep", world.north)
        person.sync()
        return person

    def refused(self, rep: Person, cursor: str | None) -> None:
        response = rep.post_sync(cursor=cursor)
        assert (response.status_code, response.json["code"]) == (400, "cursor_invalid")

    def test_of_another_person_is_refused(self, rep: Person, colleague: Person) -> None:
        self.refused(rep, colleague.cursor)

    def test_of_another_device_of_the_same_person_is_refused(self, world: World, rep: Person) -> None:
        tablet = world.second_phone(rep)
        tablet.sync()

        self.refused(rep, tablet.cursor)

    def test_of_another_tenant_is_refused(self, world: World, rep: Person) -> None:
        other = World(world.app, world.db)
        stranger = other.person("rep", other.north)
        stranger.sync()

        self.refused(rep, stranger.cursor)

    def test_cut_short_is_refused(self, rep: Person) -> None:
        assert rep.cursor
        self.refused(rep, rep.cursor[:-8])

    @pytest.mark.parametrize("place", [0, 10, 40, -1])
    def test_with_a_letter_changed_is_refused(self, rep: Person, place: int) -> None:
        assert rep.cursor
        letters = list(rep.cursor)
        letters[place] = "A" if letters[place] != "A" else "B"
        self.refused(rep, "".join(letters))


class TestATokenThat:
    def answered(self, rep: Person, token: str | None, *, first: bool = False) -> Any:
        """The code of the refusal, of an edit or of a first sync."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body: dict[str, Any] = {"schema_version": 1, "cursor": None}
        if not first:
            body |= {"cursor": rep.cursor, "mutations": [task(rep)]}
        with untouched(rep.world):
            response = rep.world.app.test_client().post("/api/v1/sync", json=body, headers=headers)
        assert (response.status_code, response.content_type) == (401, PROBLEM)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert rep.world.sql("SELECT 1 FROM sync_mutations WHERE tenant_id = :tenant") == []
        return response.json["code"]

    def test_is_missing(self, rep: Person) -> None:
        assert self.answered(rep, None) == "unauthenticated"

    @pytest.mark.parametrize("token", ["x", "a.b.c", "null", "é"])
    def test_is_nonsense(self, rep: Person, token: str) -> None:
        assert self.answered(rep, token) == "token_invalid"

    def test_has_expired(self, rep: Person) -> None:
        with clock_at(utc_now() + timedelta(minutes=16)):
            assert self.answered(rep, rep.token) == "token_expired"

    @pytest.mark.parametrize(
        "changed",
        [
            {"aud": "other"},
            {"iss": "other"},
            {"tid": str(uuid4())},
            {"sub": str(uuid4())},
            {"did": str(uuid4())},
            {"exp": "never"},
        ],
    )
    def test_names_something_else(self, rep: Person, changed: dict[str, Any]) -> None:
        config = services(rep.world.app).config
        claims = jwt.decode(rep.token, options={"verify_signature": False}) | changed
        forged = jwt.encode(claims, token_key(config), algorithm=ALGORITHM, headers={"typ": TYPE})

        assert self.answered(rep, forged, first=True) in ("token_invalid", "auth.session_ended")

    def test_is_signed_with_another_key_or_none(self, rep: Person) -> None:
        claims = jwt.decode(rep.token, options={"verify_signature": False})
        for token in (
            jwt.encode(claims, "x" * 40, algorithm=ALGORITHM, headers={"typ": TYPE}),
            jwt.encode(claims, None, algorithm="none", headers={"typ": TYPE}),
        ):
            assert self.answered(rep, token) == "token_invalid"

    def test_is_of_nobodys_device_may_not_sync(self, rep: Person) -> None:
        config = services(rep.world.app).config
        token = issue_access_token(config, rep.world.id, rep.id, None, utc_now())

        response = rep.world.app.test_client().post(
            "/api/v1/sync",
            json={"schema_version": 1, "cursor": None},
            headers={"Authorization": f"Bearer {token}"},
        )

        assert (response.status_code, response.json["code"]) == (403, "device_required")


class TestTheAnswer:
    def test_holds_what_the_protocol_says_and_nothing_else(self, rep: Person) -> None:
        answer = rep.post_sync().json

        assert set(answer) == {
            "verdicts",
            "changes",
            "removed",
            "epoch",
            "cursor",
            "has_more",
            "server_time",
            "budget",
            "events",
            "directives",
        }

    def test_of_a_verdict_holds_what_the_protocol_says(self, world: World, rep: Person) -> None:
        person = world.person("rep", world.north)
        person.sync()
        (verdict,) = person.post_sync(mutations=[person.mutation("delete", "task", new_id())]).json[
            "verdicts"
        ]

        assert set(verdict) == {
            "id",
            "status",
            "code",
            "detail",
            "version",
            "record",
            "fields",
            "conflict_id",
            "replayed",
        }

    @pytest.mark.parametrize(
        ("change", "reason"),
        [("deleted_at = now()", "deleted"), ("territory_id = :south", "out_of_scope")],
    )
    def test_of_a_removal_names_the_record_and_holds_nothing_of_it(
        self, world: World, change: str, reason: str
    ) -> None:
        person, account = world.person("rep", world.north), world.account(name="지워질 고객")
        person.sync()
        world.sql(
            f"UPDATE accounts SET {change}, name = '새 이름' WHERE tenant_id = :tenant AND id = :id",
            id=account,
            **({"south": world.south} if "south" in change else {}),
        )

        answer = person.post_sync()

        assert answer.json["removed"] == [{"entity": "account", "id": str(account), "reason": reason}]
        assert "지워질" not in answer.text
        assert "새 이름" not in answer.text
        kept = world.engine_sql(
            "SELECT count(*), count(body) FROM sync_feed WHERE tenant_id = :tenant AND gone IS NOT NULL"
            " AND record_id = :id",
            id=account,
        )
        assert kept[0][0] > 0
        assert kept[0][1] == 0

    def test_is_packed_where_the_phone_can_unpack_it(self, world: World, rep: Person) -> None:
        for n in range(30):
            world.account(name=f"고객 {n}")
        body = {"schema_version": 1, "cursor": None, "sent_at": wire(utc_now())}
        plain = post(rep, json.dumps(body).encode())
        packed = post(
            rep,
            gzip.compress(json.dumps(body).encode()),
            **{"Content-Encoding": "gzip", "Accept-Encoding": "gzip"},
        )

        assert packed.headers["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(packed.data))["changes"] == plain.json["changes"]
