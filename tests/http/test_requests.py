"""Whole requests that no honest client sends: the right problem, nothing changed, never a 5xx."""

import gzip
import io
import json
from typing import Any

import pytest
from backports import zstd
from flask.testing import FlaskClient

from tests.http.test_strict_json import REFUSED, quickest
from tests.http.things import THING, Server

MB = 1024 * 1024
PATH = "/api/v1/things"
DECENT = b'{"name": "a"}'


def is_problem(answer: Any, status: int, code: str) -> bool:
    found = (answer.status_code, answer.mimetype, answer.json["code"], answer.json["status"])
    return found == (status, "application/problem+json", code, status)


@pytest.fixture
def post(client: FlaskClient, headers: dict[str, str]) -> Any:
    """Sends raw bytes to an operation that takes a body."""

    def send(raw: bytes, **more: str) -> Any:
        sent = (
            headers | {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in more.items()}
        )
        return client.post(PATH, data=raw, headers=sent)

    return send


class TestBodies:
    @pytest.mark.parametrize("what", REFUSED)
    def test_a_body_that_is_not_decent_json_is_refused(self, post: Any, server: Server, what: str) -> None:
        raw, code = REFUSED[what]

        answer = post(raw)

        assert is_problem(answer, 413 if code == "body_too_large" else 400, code)
        assert quickest(lambda: post(raw)) < 0.2
        assert server.db.committed == 0

    def test_a_decent_body_is_taken(self, post: Any, server: Server) -> None:
        assert post(DECENT).status_code == 201
        assert server.db.committed == 1

    @pytest.mark.parametrize(
        "media_type",
        [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=euc-kr",
            "application/json; charset=utf-16",
            "application/xml",
            "application/jsonx",
            "application/merge-patch+json",
        ],
    )
    def test_another_media_type_is_refused(self, post: Any, server: Server, media_type: str) -> None:
        answer = post(DECENT, Content_Type=media_type)

        assert is_problem(answer, 415, "unsupported_media_type")
        assert server.db.committed == 0

    @pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=UTF-8"])
    def test_json_is_taken_however_it_is_written(self, post: Any, media_type: str) -> None:
        assert post(DECENT, Content_Type=media_type).status_code == 201

    @pytest.mark.parametrize(
        ("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress), ("identity", bytes)]
    )
    def test_a_compressed_body_is_taken(self, post: Any, encoding: str, compress: Any) -> None:
        assert post(compress(DECENT), Content_Encoding=encoding).status_code == 201

    @pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
    def test_another_encoding_is_refused(self, post: Any, encoding: str) -> None:
        assert is_problem(post(DECENT, Content_Encoding=encoding), 415, "unsupported_encoding")

    def test_gzip_inside_gzip_is_no_json(self, post: Any) -> None:
        answer = post(gzip.compress(gzip.compress(DECENT)), Content_Encoding="gzip")

        assert is_problem(answer, 400, "encoding_invalid")

    @pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
    def test_a_bomb_is_refused_before_it_goes_off(self, post: Any, encoding: str, compress: Any) -> None:
        bomb = compress(b'{"name": "' + b"a" * (100 * MB) + b'"}')

        answer = post(bomb, Content_Encoding=encoding)

        assert is_problem(answer, 413, "body_too_large")
        assert quickest(lambda: post(bomb, Content_Encoding=encoding)) < 0.2

    def test_a_body_over_8_mb_without_length_is_refused(
        self, client: FlaskClient, headers: dict[str, str]
    ) -> None:
        stream = io.BytesIO(b'{"name": "' + b"a" * (9 * MB))

        answer = client.post(
            PATH,
            input_stream=stream,
            headers=headers | {"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
            environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
        )

        assert is_problem(answer, 413, "body_too_large")

    def test_a_length_over_8_mb_is_refused_unread(self, client: FlaskClient, headers: dict[str, str]) -> None:
        stream = io.BytesIO(DECENT)

        answer = client.post(
            PATH,
            input_stream=stream,
            headers=headers | {"Content-Type": "application/json"},
            environ_overrides={"CONTENT_LENGTH": str(9 * MB)},
        )

        assert is_problem(answer, 413, "body_too_large")
        assert stream.tell() == 0

    @pytest.mark.parametrize("length", [3, 10_000])
    def test_a_length_that_lies_is_refused(
        self, client: FlaskClient, headers: dict[str, str], length: int
    ) -> None:
        answer = client.post(
            PATH,
            input_stream=io.BytesIO(DECENT),
            headers=headers | {"Content-Type": "application/json"},
            environ_overrides={"CONTENT_LENGTH": str(length)},
        )

        assert answer.status_code == 400
        assert answer.mimetype == "application/problem+json"

    def test_a_length_beside_a_transfer_encoding_is_refused(self, post: Any) -> None:
        answer = post(DECENT, Transfer_Encoding="chunked")

        assert is_problem(answer, 400, "request_malformed")

    def test_wrong_fields_are_named_by_pointer_and_code(self, post: Any, server: Server) -> None:
        answer = post(json.dumps({"count": "12", "x": 1, "version": 3, "tags": ["a", 5]}).encode())

        assert is_problem(answer, 422, "validation_failed")
        assert sorted((error["pointer"], error["code"]) for error in answer.json["errors"]) == [
            ("/count", "type_mismatch"),
            ("/name", "required"),
            ("/tags/1", "type_mismatch"),
            ("/version", "read_only_field"),
            ("/x", "unknown_field"),
        ]
        assert server.db.committed == 0

    def test_wrong_fields_are_explained_in_the_language_of_the_caller(self, post: Any) -> None:
        answer = post(b"{}", Accept_Language="ko")

        assert answer.json["errors"] == [
            {"pointer": "/name", "code": "required", "detail": "꼭 있어야 하는 항목입니다."}
        ]

    def test_a_formula_is_stored_as_it_is(self, post: Any) -> None:
        assert post(b'{"name": "=HYPERLINK(1)"}').json["name"] == "=HYPERLINK(1)"


class TestAddresses:
    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=-1",
            "limit=1000000000",
            "limit=abc",
            "limit=",
            "limit=1.5",
            "ready=1",
            "ready=yes",
        ],
    )
    def test_a_bad_query_is_refused(self, client: FlaskClient, headers: dict[str, str], query: str) -> None:
        answer = client.get(f"{PATH}?{query}", headers=headers)

        assert is_problem(answer, 422, "validation_failed")
        assert answer.json["errors"][0]["in"] == "query"

    def test_a_filter_that_is_not_declared_is_refused(
        self, client: FlaskClient, headers: dict[str, str]
    ) -> None:
        answer = client.get(f"{PATH}?margin=5", headers=headers)

        assert [(e["pointer"], e["code"]) for e in answer.json["errors"]] == [("/margin", "unknown_field")]

    def test_a_repeated_filter_is_read_as_a_list(self, client: FlaskClient, headers: dict[str, str]) -> None:
        answer = client.get(f"{PATH}?tag=a&tag=b&ready=true", headers=headers)

        assert "['a', 'b']" in answer.json[0]["name"]

    @pytest.mark.parametrize(
        "record_id",
        [
            f"{THING}%0a",
            f"{THING}%0d%0aX-Evil:%201",
            "%F0%9F%98%80",
            "..%2f..%2fetc%2fpasswd",
            "%00",
            "%2e%2e",
            "{" + str(THING) + "}",
            str(THING).replace("-", ""),
            "1 OR 1=1",
            "%ff%fe",
            "00000000-0000-0000-0000-000000000000",
        ],
    )
    def test_an_id_that_is_none_is_answered_as_an_unknown_one(
        self, client: FlaskClient, headers: dict[str, str], record_id: str
    ) -> None:
        assert is_problem(client.get(f"{PATH}/{record_id}", headers=headers), 404, "not_found")

    @pytest.mark.parametrize(
        "path", ["/api/v1/../v1/things", "//api/v1/things", "/api/v1/things/", "/API/V1/x"]
    )
    def test_a_trick_with_the_path_finds_nothing(
        self, client: FlaskClient, headers: dict[str, str], path: str
    ) -> None:
        assert client.get(path, headers=headers).status_code in (308, 404)

    def test_an_address_of_64_kb_is_refused(self, client: FlaskClient, headers: dict[str, str]) -> None:
        answer = client.get(f"{PATH}?sort={'a' * 64_000}", headers=headers)

        assert is_problem(answer, 414, "uri_too_long")

    @pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND", "BREW", "CONNECT"])
    def test_an_unknown_verb_is_refused(
        self, client: FlaskClient, headers: dict[str, str], method: str
    ) -> None:
        answer = client.open(PATH, method=method, headers=headers)

        assert is_problem(answer, 405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]

    def test_a_body_on_a_read_changes_nothing(self, client: FlaskClient, headers: dict[str, str]) -> None:
        assert client.get(PATH, data=b"{", headers=headers).status_code == 200


class TestHeaders:
    def test_every_answer_forbids_sniffing_storing_and_framing(self, client: FlaskClient) -> None:
        answer = client.get(PATH)

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]

    def test_https_is_asked_to_stay(self, client: FlaskClient) -> None:
        assert "Strict-Transport-Security" in client.get(PATH, base_url="https://crm.example").headers
        assert "Strict-Transport-Security" not in client.get(PATH).headers

    def test_other_origins_get_no_leave(self, client: FlaskClient) -> None:
        answer = client.get(PATH, headers={"Origin": "https://evil.example"})

        assert "Access-Control-Allow-Origin" not in answer.headers

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_large_answers_are_compressed(
        self, client: FlaskClient, headers: dict[str, str], encoding: str
    ) -> None:
        answer = client.get(f"{PATH}/{THING}", headers=headers | {"Accept-Encoding": encoding})

        assert answer.headers["Content-Encoding"] == encoding
        assert len(answer.data) < 500

    def test_small_answers_are_not(self, client: FlaskClient) -> None:
        answer = client.get(PATH, headers={"Accept-Encoding": "zstd, gzip"})

        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.json["code"] == "unauthenticated"

    def test_a_sane_request_id_is_kept(self, client: FlaskClient) -> None:
        answer = client.get(PATH, headers={"X-Request-Id": "phone-7.abc_123"})

        assert answer.headers["X-Request-Id"] == answer.json["request_id"] == "phone-7.abc_123"

    @pytest.mark.parametrize("sent", ["", "short", "a" * 65, "<script>alert</script>", "한국어한국어한국어"])
    def test_another_request_id_is_replaced(self, client: FlaskClient, sent: str) -> None:
        answer = client.get(PATH, headers=[("X-Request-Id", sent)])

        assert answer.headers["X-Request-Id"] not in ("", sent)
