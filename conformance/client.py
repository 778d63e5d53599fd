"""A small client: requests that are written down, and a device that checks every answer it takes."""

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

import urllib3

from conformance.errors import Broken, NoServer, expect

Json = dict[str, Any]

API: Final = "/api/v1"
STATUSES: Final = frozenset({"applied", "merged", "superseded", "conflict", "rejected"})
REASONS: Final = frozenset({"deleted", "out_of_scope", "window"})
OUTCOMES: Final = frozenset({"applied", "equal", "combined", "superseded", "conflict", "masked"})
SECRETS: Final = ("password", "access_token", "refresh_token", "cursor")
MOST_PAGES: Final = 2_000
# How often a server may say that more is to come and give nothing yet: it is about to sequence what changed the scope.
MOST_STANDSTILLS: Final = 50
STANDSTILL_S: Final = 0.2
SHOWN_CHARS: Final = 1_500
TRIES: Final = 5
MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``json`` is None where the body is none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def code(self) -> str:
        """The stable code of a refusal."""
        found = self.json
        return str(found.get("code", "")) if isinstance(found, dict) else ""


@dataclass(slots=True)
class Wire:
    """Connections to one server, and what was said over them since the scenario began."""

    base_url: str
    timeout_s: float = 30.0
    said: list[Json] = field(default_factory=list)
    _pool: urllib3.PoolManager = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Nothing connects before the first request."""
        self.base_url = self.base_url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=8, retries=False, timeout=urllib3.Timeout(total=self.timeout_s)
        )

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        raw: bytes | None = None,
        if_match: str | None = None,
        **more: str,
    ) -> Answer:
        """One request; after 503 and 429 it is asked again, as the protocol says.

        Args:
            method: Of HTTP.
            path: From the root on.
            body: To be sent as JSON.
            token: An access token.
            raw: A body as it is, instead.
            if_match: A version in quotes.
            more: Headers, with ``_`` for ``-``.

        Raises:
            NoServer: There was no answer.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        content = raw
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
        if content is not None:
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if if_match is not None:
            headers["If-Match"] = if_match
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        for left in reversed(range(TRIES)):
            answer = self._once(method, path, content, headers)
            if answer.status not in (429, 503) or not left or path.endswith("/auth/login"):
                break
            time.sleep(min(float(answer.headers.get("retry-after") or 1), 5))
        return answer

    def _once(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        try:
            found = self._pool.request(method, self.base_url + path, body=content, headers=dict(headers))
        except urllib3.exceptions.HTTPError as error:
            raise NoServer(
                f"No answer from {self.base_url}: {_said(error, self.timeout_s)} ({method} {path.split('?')[0]})"
            ) from error
        answer = Answer(found.status, {k.lower(): v for k, v in found.headers.items()}, found.data)
        self.said.append(
            {
                "asked": f"{method} {path.split('?')[0]}",
                "sent": _shown(content),
                "status": answer.status,
                "answered": _shown(answer.body),
            }
        )
        return answer

    def stream(self, address: str, token: str) -> urllib3.BaseHTTPResponse:
        """Open a stream of events and leave it open.

        Raises:
            NoServer: There was no answer.
        """
        where = address if address.startswith("http") else self.base_url + address
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        try:
            return self._pool.request("GET", where, headers=headers, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise NoServer(f"No answer from {where}: {_said(error, self.timeout_s)}") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()


def _said(error: urllib3.exceptions.HTTPError, timeout_s: float) -> str:
    """Why there was no answer, for people."""
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "there is no host of that name"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "nobody listens there"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return f"nothing came within {timeout_s:.0f} s"
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"no secure connection: {error}"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    return f"{type(error).__name__}: {error}"


def _shown(body: bytes | None) -> Any:
    """A body for the report: short, and without secrets."""
    if not body:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return body[:SHOWN_CHARS].decode(errors="replace")
    text = json.dumps(_without_secrets(found), ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}… ({len(text)} characters)"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            k: "…" if k in SECRETS and isinstance(v, str) else _without_secrets(v) for k, v in value.items()
        }
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def now() -> datetime:
    """The clock of this machine, aware UTC."""
    return datetime.now(UTC)


def wire_time(moment: datetime) -> str:
    """A time as it goes over the wire."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """An id as phones mint it."""
    return str(uuid4())


@dataclass(slots=True)
class Device:
    """One app of one person, as the protocol wants it. It checks the form of every answer."""

    wire: Wire
    tenant: str
    login: str
    password: str = field(repr=False)
    skew: timedelta = timedelta(0)
    id: str = ""
    user_id: str = ""
    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    cursor: str | None = None
    epoch: str = ""
    events: str | None = None
    records: dict[tuple[str, str], Json] = field(default_factory=dict)
    n: Iterator[int] = field(default_factory=lambda: count(1))
    rebased: int = 0

    def log_in(self) -> Answer:
        """Log in; a device that was here before stays the same."""
        device: Json = {"name": "conformance", "platform": "conformance"}
        if self.id:
            device["id"] = self.id
        body = {"tenant": self.tenant, "login": self.login, "password": self.password, "device": device}
        answer = self.wire.ask("POST", f"{API}/auth/login", body)
        if answer.status == 200:
            told = answer.json
            self.access, self.refresh = told["access_token"], told["refresh_token"]
            self.id, self.user_id = told["device_id"], told.get("user_id", "")
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> Answer:
        """One request below ``/api/v1`` as this person; an expired token is refreshed once."""
        answer = self.wire.ask(method, API + path, body, token=self.access, raw=raw)
        if answer.status == 401 and answer.code == "token_expired":
            told = self.wire.ask("POST", f"{API}/auth/refresh", {"refresh_token": self.refresh}).json
            self.access, self.refresh = told["access_token"], told["refresh_token"]
            answer = self.wire.ask(method, API + path, body, token=self.access, raw=raw)
        return answer

    # -- mutations

    def mutation(self, op: str, entity: str, record_id: str, **parts: Any) -> Json:
        """A mutation with the next ``n``."""
        made: Json = {
            "id": new_id(),
            "n": next(self.n),
            "entity": entity,
            "record_id": record_id,
            "op": op,
            "occurred_at": wire_time(now() + self.skew),
            "age_ms": 0,
        }
        if self.epoch:
            made["epoch"] = self.epoch
        return made | parts

    def change(self, path: str, fields: Json, version: int) -> Answer:
        """PATCH over REST, on a version that was read."""
        return self.wire.ask("PATCH", API + path, fields, token=self.access, if_match=f'"{version}"')

    def edit(self, entity: str, record_id: str, fields: Json, **parts: Any) -> Json:
        """An update based on what the device holds."""
        held = self.records[entity, record_id]
        base = {name: held.get(name) for name in fields}
        parts = {"base_version": held["version"], "fields": fields, "base": base} | parts
        return self.mutation("update", entity, record_id, **parts)

    def delete(self, entity: str, record_id: str, **parts: Any) -> Json:
        """A delete of the version that the device holds."""
        parts = {"base_version": self.records[entity, record_id]["version"]} | parts
        return self.mutation("delete", entity, record_id, **parts)

    def command(self, entity: str, record_id: str, name: str, arguments: Json, **parts: Any) -> Json:
        """A command based on what the device holds."""
        parts = {"base_version": self.records[entity, record_id]["version"], "fields": arguments} | parts
        return self.mutation(name, entity, record_id, **parts)

    # -- syncing

    def body(self, mutations: Sequence[Json] = (), **more: Any) -> Json:
        """A request as the device would send it now."""
        return {
            "schema_version": 1,
            "cursor": self.cursor,
            "sent_at": wire_time(now() + self.skew),
            "mutations": list(mutations),
            "client": {"app_version": "1.0", "platform": "conformance", "pending": 0},
        } | more

    def post(self, mutations: Sequence[Json] = (), **more: Any) -> Answer:
        """One raw sync request, of which nothing is taken."""
        return self.ask("POST", "/sync", self.body(mutations, **more))

    def sync(self, *mutations: Json, **more: Any) -> list[Json]:
        """Sync to the checkpoint and take everything; gives the verdicts.

        Raises:
            Broken: An answer is not as the protocol says.
        """
        verdicts: list[Json] = []
        waiting = list(mutations)
        stood_still = 0
        if self.cursor is None and waiting:
            self.sync()
        for _ in range(MOST_PAGES):
            answer = self.post(waiting, **more)
            expect(answer.status == 200, "A sync is answered 200", status=answer.status, code=answer.code)
            told = answer.json
            was = self.cursor
            self.take(told, waiting)
            verdicts += told["verdicts"]
            judged = {one["id"] for one in told["verdicts"]}
            waiting = [one for one in waiting if one["id"] not in judged]
            if not told["has_more"]:
                return verdicts
            if self.cursor == was and not told["verdicts"]:
                stood_still += 1
                is_page = bool(told["changes"] or told["removed"])
                goes_on = not is_page and stood_still <= MOST_STANDSTILLS
                expect(goes_on, "While has_more is true the cursor goes on")
                time.sleep(STANDSTILL_S)
        raise Broken(f"A checkpoint comes within {MOST_PAGES} pages")

    def push(self, mutation: Json) -> Json:
        """Sync with one mutation; its verdict."""
        (verdict,) = self.sync(mutation)
        return verdict

    def settle(self) -> None:
        """Sync to the checkpoint, and compare what is held with the server's digest."""
        self.sync()
        self.check_digest()

    def take(self, told: Json, sent: Sequence[Json] = ()) -> None:
        """Apply one answer, having looked whether it is one.

        Raises:
            Broken: It is none.
        """
        lacking = {
            "verdicts",
            "changes",
            "removed",
            "cursor",
            "has_more",
            "directives",
            "epoch",
        } - told.keys()
        expect(not lacking, "An answer has all its members", lacking=sorted(lacking))
        _check_verdicts(told["verdicts"], sent)
        if "rebase" in told["directives"]:
            self.records.clear()
            self.rebased += 1
        changed = [(one["entity"], one["id"]) for one in told["changes"]]
        expect(len(set(changed)) == len(changed), "A record stands once in an answer", changes=changed[:20])
        both = set(changed) & {(one["entity"], one["id"]) for one in told["removed"]}
        expect(not both, "A record is changed or removed, never both", both=sorted(both))
        for removed in told["removed"]:
            expect(removed["reason"] in REASONS, "A removal has one of the known reasons", removed=removed)
            self.records.pop((removed["entity"], removed["id"]), None)
        for change in told["changes"]:
            self._take(change)
        self.cursor, self.epoch = told["cursor"], told["epoch"]
        self.events = told.get("events")

    def _take(self, change: Json) -> None:
        key = change["entity"], change["id"]
        record, held = change["record"], self.records.get(key)
        same = record.get("version") == change["version"] and record.get("id") == change["id"]
        expect(same, "A change names the id and version of its record", change=key)
        if held is None or change["version"] >= held["version"]:
            self.records[key] = record

    def check_digest(self) -> None:
        """Compare what is held with what the server says that it gave.

        Raises:
            Broken: They differ.
        """
        for _ in range(5):
            answer = self.ask("GET", f"/sync/digest?cursor={quote(self.cursor or '', safe='')}")
            if answer.status != 409:
                break
            self.sync()
        expect(answer.status == 200, "The digest is told at a checkpoint", status=answer.status)
        theirs = {name: one for name, one in answer.json["entities"].items() if one["count"]}
        ours = self.digest()
        differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        expect(
            not differing,
            "At a checkpoint the device holds exactly what the server says that it should",
            differing=[(name, ours.get(name), theirs.get(name)) for name in differing[:5]],
        )

    def digest(self) -> Json:
        """Counts and sums of what is held, by entity."""
        found: Json = {}
        for (entity, record_id), record in self.records.items():
            mark = hashlib.sha256(f"{record_id}:{record['version']}".encode()).digest()[:8]
            held = found.setdefault(entity, {"count": 0, "sum": 0})
            held["count"] += 1
            held["sum"] = (held["sum"] + int.from_bytes(mark, "big")) % (1 << 64)
        return {name: {"count": one["count"], "sum": str(one["sum"])} for name, one in found.items()}

    def held(self, entity: str, record_id: str) -> Json | None:
        """The device's copy of a record."""
        return self.records.get((entity, record_id))

    def all(self, entity: str) -> list[Json]:
        """The records of one entity."""
        return [record for (kind, _), record in self.records.items() if kind == entity]


def _check_verdicts(verdicts: Sequence[Json], sent: Sequence[Json]) -> None:
    if not sent:
        expect(not verdicts, "Only what was sent is judged", verdicts=[one["id"] for one in verdicts])
        return
    asked, told = [one["id"] for one in sent], [one["id"] for one in verdicts]
    expect(
        not told or sorted(told) == sorted(asked), "Each mutation gets one verdict", asked=asked, told=told
    )
    for one in verdicts:
        expect(one["status"] in STATUSES, "A verdict is one of the five", verdict=one)
        outcomes = {member.get("outcome") for member in (one.get("fields") or {}).values()}
        expect(
            outcomes <= OUTCOMES, "A field has one of the known outcomes", outcomes=sorted(map(str, outcomes))
        )
        if one["status"] == "rejected":
            expect(one["code"], "A rejection has a stable code", verdict=one)
