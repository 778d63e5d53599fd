"""A phone at the native door: pulls, pushes; reads of an answer only what the next request needs."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from app.core.ids import new_id
from benchmarks.client import BOTH, Answer, Connection

PAGE_RECORDS = 10_000
PAGE_BYTES = 8 << 20
BATCH = 500
LATER = (HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
MOST_TRIES = 20
SETTLED = re.compile(rb'"status":"(?:applied|merged)"')


class NotServed(Exception):
    """The server answered otherwise than it has to."""


@dataclass(frozen=True, slots=True)
class Target:
    """A record to be edited, as the phone last saw it."""

    id: str
    version: int


class Phone:
    """One device of one user, on one connection."""

    def __init__(self, url: str, token: str) -> None:
        """Connect; the device is signed in already."""
        self.url = url
        self.connection = Connection(url)
        self.authorization = f"Bearer {token}"
        self.cursor: str | None = None
        self.n = 0
        self.told_to_retry = 0

    def asks(self, mutations: Sequence[Any] = (), *, accept: str = BOTH, cursor: str | None = None) -> bytes:
        """The bytes of a sync from *cursor* on, by default from where the phone is."""
        body = {
            "schema_version": 1,
            "cursor": cursor or self.cursor,
            "mutations": list(mutations),
            "limit": PAGE_RECORDS,
            "limit_bytes": PAGE_BYTES,
        }
        return self.connection.request(
            "POST",
            "/api/v1/sync",
            json.dumps(body, separators=(",", ":")).encode(),
            authorization=self.authorization,
            accept=accept,
        )

    def follow(self, body: bytes) -> bool:
        """Take up the cursor of an answer; gives whether there is more."""
        tail = body[body.rfind(b'"cursor":') :]
        found = re.match(rb'"cursor":"([^"]+)"', tail)
        self.cursor = found[1].decode() if found else None
        return b'"has_more":true' in tail

    def pull(self, *, accept: str = BOTH) -> list[bytes]:
        """Everything that is new, page by page, decompressed."""
        pages, more = [], True
        while more:
            pages.append(_good(self.connection.ask(self.asks(accept=accept))).body)
            more = self.follow(pages[-1])
        return pages

    def first_sync(self, *, accept: str = BOTH) -> list[bytes]:
        """The same from nothing."""
        self.cursor = None
        return self.pull(accept=accept)

    def edits(self, targets: Sequence[Target]) -> list[dict[str, Any]]:
        """One mutation of two fields for each record."""
        return [self._edit(target) for target in targets]

    def push(self, targets: Sequence[Target]) -> None:
        """Edit records in as few requests as the server takes, and take in what comes back."""
        mutations = self.edits(targets)
        for start in range(0, len(mutations), BATCH):
            batch = mutations[start : start + BATCH]
            body = self._ask_until_served(self.asks(batch))
            settled = len(SETTLED.findall(body))
            if settled != len(batch):
                raise NotServed(f"of {len(batch)} edits {settled} were applied: {body[:500]!r}")
            if self.follow(body):
                self.pull()

    def push_one(self, target: Target) -> None:
        """Edit one record."""
        self.push([target])

    def _ask_until_served(self, request: bytes) -> bytes:
        for _ in range(MOST_TRIES):
            answer = self.connection.ask(request)
            if answer.status not in LATER:
                return _good(answer).body
            self.told_to_retry += 1
        raise NotServed(f"told to retry {MOST_TRIES} times: {answer.status}")

    def _edit(self, target: Target) -> dict[str, Any]:
        self.n += 1
        return {
            "id": str(new_id()),
            "n": self.n,
            "entity": "account",
            "record_id": target.id,
            "op": "update",
            "base_version": target.version,
            "fields": {"phone": f"+8225550{self.n % 1000:03d}", "opening_hours": f"월-금 09:00-{self.n}"},
            "occurred_at": datetime.now(UTC).isoformat(),
        }


def count_records(pages: Sequence[bytes]) -> int:
    """Changes in the pages of a pull."""
    return sum(page.count(b'{"entity":"account","id":"') for page in pages)


def _good(answer: Answer) -> Answer:
    if answer.status != HTTPStatus.OK:
        raise NotServed(f"{answer.status} {answer.body[:500]!r}")
    return answer
