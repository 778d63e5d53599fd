"""A server that says what a test wants."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from examples.phone import Reply
from examples.phone.transport import plain

ACCOUNT = "01930000-0000-7000-8000-000000000001"
VISIT = "01930000-0000-7000-8000-000000000002"
EPOCH = "11111111-1111-4111-8111-111111111111"

Json = dict[str, Any]


class ScriptedServer:
    """A transport that answers from a script; without one, with an empty page.

    Attributes:
        script: Answers for the next calls of ``/sync``: a JSON object, a Reply, or an exception.
        requests: Bodies of the sync requests, as sent.
        calls: All calls, as method and path.
    """

    def __init__(self) -> None:
        self.script: list[Json | Reply | BaseException] = []
        self.requests: list[Json] = []
        self.calls: list[tuple[str, str]] = []
        self.tokens: list[str | None] = []
        self.judges = True
        self.refreshed: list[Json | Reply | BaseException] = []
        self.logged_in: list[Json] = []
        self.logins: list[Json | Reply | BaseException] = []
        self.digests: list[Json | Reply | BaseException] = []
        self.repairs: list[Json | Reply | BaseException] = []
        self.repairs_asked: list[Json] = []
        self.keep_days = 7
        self.now = datetime.now(UTC)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        self.calls.append((method, path))
        content = json.loads(plain(body, headers.get("Content-Encoding"))) if body else {}
        self.tokens.append(headers.get("Authorization"))
        if path.endswith("/auth/login"):
            self.logged_in.append(content)
            return given(self.logins.pop(0) if self.logins else tokens())
        if path.endswith("/auth/refresh"):
            return given(self.refreshed.pop(0))
        if path.endswith("/sync/schema"):
            return reply({"windows": {"keep_acknowledged_days": self.keep_days}})
        if "/sync/digest" in path:
            return given(self.digests.pop(0))
        if path.endswith("/sync/repair"):
            self.repairs_asked.append(content)
            return given(self.repairs.pop(0))
        self.requests.append(content)
        default = page(
            server_time=self.time(),
            verdicts=[verdict(m) for m in content["mutations"]] if self.judges else [],
        )
        answer = self.script.pop(0) if self.script else default
        return given({"server_time": self.time()} | answer if isinstance(answer, dict) else answer)

    def time(self) -> str:
        """The server's clock, which is right whatever the phones' say."""
        return self.now.isoformat().replace("+00:00", "Z")

    def close(self) -> None:
        pass


def given(answer: Json | Reply | BaseException) -> Reply:
    if isinstance(answer, BaseException):
        raise answer
    return answer if isinstance(answer, Reply) else reply(answer)


def tokens(user: str = "u1", device: str = "d1") -> Json:
    return {"access_token": "a1", "refresh_token": "r1", "device_id": device, "user_id": user}


def reply(body: Json, status: int = 200, **headers: str) -> Reply:
    return Reply(status, {k.replace("_", "-"): v for k, v in headers.items()}, json.dumps(body).encode())


def page(**parts: Any) -> Json:
    whole = {"verdicts": [], "changes": [], "removed": [], "epoch": EPOCH, "cursor": "c1", "has_more": False}
    return whole | {"directives": []} | parts


def change(record_id: str, version: int, /, entity: str = "account", **fields: Any) -> Json:
    record = {"id": record_id, "version": version, **fields}
    return {"entity": entity, "id": record_id, "version": version, "record": record}


def verdict(mutation: Json, **parts: Any) -> Json:
    whole = {"id": mutation["id"], "status": "applied", "code": None, "detail": None, "version": 1}
    return whole | {"record": None, "fields": {}, "conflict_id": None, "replayed": False} | parts
