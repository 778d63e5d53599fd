"""Talking to the server: log in, stay logged in, ask again where no answer came."""

import gzip
import http.client
import json
import random
import time
from collections.abc import Callable
from typing import Any

from examples.phone.store import Store
from examples.phone.transport import Reply, Transport

Json = dict[str, Any]

API = "/api/v1"
TRIES = 6
LONGEST_WAIT_S = 60.0
GZIP_FROM = 1_000  # bytes


class NeedsLogin(Exception):
    """The session is over; the queue stays until the person has logged in again."""


class WorkOfAnother(Exception):
    """Somebody else's unsent work is on this phone."""


class NoAnswer(Exception):
    """The server did not answer, or was too busy, as often as it was asked. Nothing is lost: try later."""


class Refused(Exception):
    """The server refused the whole request, with a stable code."""

    def __init__(self, status: int, code: str, problem: Json) -> None:
        """Keep the problem+json body."""
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.problem = problem


class Client:
    """Sends JSON with the tokens of the store."""

    def __init__(
        self, store: Store, transport: Transport, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Nothing is sent yet."""
        self._store = store
        self._transport = transport
        self._sleep = sleep

    def log_in(self, tenant: str, login: str, password: str, device: Json) -> Json:
        """Register this phone for a person; the server gives the device its id and its tokens."""
        known = self._store.read("device_id")  # a phone that logs in again stays the same device
        device = device | ({"id": known} if known else {})
        body = {"tenant": tenant, "login": login, "password": password, "device": device}
        answer = self._read(self._send("POST", "/auth/login", lambda: body))
        with self._store.transaction():
            self._make_room_for(answer)
            self._keep(answer)
        return answer

    def _make_room_for(self, answer: Json) -> None:
        """What is on the phone belongs to one person, and its cursor to one device.

        Raises:
            WorkOfAnother: Work of somebody else waits here: it must not be sent in this person's name.
        """
        store = self._store
        before, now = store.read("user_id"), answer.get("user_id")
        if before is not None and before != now:
            if store.unsent_count():
                raise WorkOfAnother("Unsent work of another person is on this phone; they have to log in.")
            store.wipe()
        if store.read("device_id") != answer["device_id"]:
            store.write("cursor", None)
        for key in ("locked", "wiped"):
            store.write(key, None)

    def call(
        self, method: str, path: str, build: Callable[[], Json | None] = lambda: None, **headers: str
    ) -> Json:
        """Send as the person who is logged in.

        Args:
            method: GET, POST …
            path: Below ``/api/v1``.
            build: Makes the body, anew for each try: it says how old each mutation is.
            headers: More of them, ``if_match="3"``.

        Raises:
            NeedsLogin: The session is over.
            NoAnswer: No answer after several tries.
            Refused: The request itself is wrong.
        """
        token = self._store.read("access_token")
        if token is None:
            raise NeedsLogin("log in first")
        reply = self._send(method, path, build, token=token, **headers)
        if reply.status == 401:
            self._refresh()
            reply = self._send(method, path, build, token=self._store.read("access_token"), **headers)
        if reply.status == 401:
            raise NeedsLogin(_code(reply))
        return self._read(reply)

    def _refresh(self) -> None:
        """Exchange the refresh token. After a lost answer the same one gets the same successor."""
        token = self._store.read("refresh_token")
        if token is None:
            raise NeedsLogin("log in first")
        reply = self._send("POST", "/auth/refresh", lambda: {"refresh_token": token})
        if reply.status in (401, 403):
            raise NeedsLogin(_code(reply))
        self._keep(self._read(reply))

    def _keep(self, answer: Json) -> None:
        # One transaction: half of the pair would cost the person a login.
        with self._store.transaction():
            for key in ("access_token", "refresh_token", "device_id", "user_id"):
                if key in answer:
                    self._store.write(key, answer[key])
            if answer.get("farewell"):  # locked out; these tokens only let the queue go
                self._store.write("locked", "farewell")

    def _send(
        self, method: str, path: str, build: Callable[[], Json | None], token: str | None = None, **more: str
    ) -> Reply:
        for attempt in range(TRIES):
            headers = {"Accept-Encoding": "gzip", **{k.replace("_", "-").title(): v for k, v in more.items()}}
            if token is not None:
                headers["Authorization"] = f"Bearer {token}"
            content = build()
            body = None if content is None else json.dumps(content, ensure_ascii=False).encode()
            if body is not None:
                headers["Content-Type"] = "application/json"
                if len(body) >= GZIP_FROM:
                    headers["Content-Encoding"] = "gzip"
                    body = gzip.compress(body, mtime=0)
            wait_s = 0.2 * 2**attempt
            try:
                reply = self._transport.send(method, API + path, headers, body)
            except (OSError, http.client.HTTPException):
                pass
            else:
                if reply.status not in (429, 502, 503, 504):
                    return reply
                wait_s = float(reply.headers.get("retry-after") or wait_s)
            if attempt < TRIES - 1:
                # Jitter: after a power cut of the server not all phones come back in one moment.
                self._sleep(min(wait_s, LONGEST_WAIT_S) * random.uniform(1.0, 1.5))  # noqa: S311
        raise NoAnswer(path)

    def _read(self, reply: Reply) -> Json:
        if reply.status >= 400:
            problem = _problem(reply)
            raise Refused(reply.status, problem.get("code", ""), problem)
        answer: Json = json.loads(reply.plain) if reply.body else {}
        return answer


def _problem(reply: Reply) -> Json:
    try:
        found = json.loads(reply.plain)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(reply: Reply) -> str:
    return str(_problem(reply).get("code", reply.status))
