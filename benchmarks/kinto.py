"""Kinto beside us: in an environment of its own, on the same PostgreSQL server, doing the same work."""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.client import Answer, Connection
from benchmarks.peer import Web, peer
from benchmarks.phone import LATER, MOST_TRIES, NotServed, Target
from localpg import state_root

LOCK = Path(__file__).parents[1] / "requirements" / "bench-kinto.lock"
BUCKET = "/v1/buckets/bench"
BATCH = 25  # its own limit, kinto.batch_max_requests
POOL = 10
# The cheapest of its ways to say who asks: a MAC of what was sent, no database. Backends as it is operated.
INI = f"""
[app:main]
use = egg:kinto
kinto.storage_backend = kinto.core.storage.postgresql
kinto.permission_backend = kinto.core.permission.postgresql
kinto.cache_backend = kinto.core.cache.postgresql
kinto.storage_pool_size = {POOL}
kinto.storage_max_overflow = {POOL}
kinto.permission_pool_size = {POOL}
kinto.permission_max_overflow = {POOL}
kinto.cache_pool_size = {POOL}
kinto.cache_max_overflow = {POOL}
kinto.batch_max_requests = {BATCH}
kinto.storage_max_fetch_size = 1000000
kinto.bucket_create_principals = system.Authenticated
multiauth.policies = basicauth

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = plain

[logger_root]
level = ERROR
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = ERROR
formatter = plain

[formatter_plain]
format = %(levelname)s %(name)s %(message)s
"""
# 437 bytes each, of texts like those of our accounts (benchmarks/company.py), as varied.
RECORDS = """
    INSERT INTO objects (id, parent_id, resource_name, last_modified, deleted, data)
    SELECT gen_random_uuid()::text, %(parent)s, 'record', from_epoch(%(at)s + n), false, jsonb_build_object(
        'code', %(name)s || n, 'name', '(주)' || substr(stems, digit[1] * 2 + 1, 2) || '상사 ' || n,
        'phone', '+8210' || lpad((abs(hashint4(n)::bigint) %% 100000000)::text, 8, '0'), 'sido', '서울특별시',
        'address', substr(stems, digit[3] * 2 + 1, 2) || '로 ' || abs(hashint4(n)::bigint) %% 999 || '번길 '
                   || digit[4] + 1, 'opening_hours', '월-금 09:00-18:00',
        'credit_limit', (abs(hashint4(-n)::bigint) %% 90000 * 1000)::text, 'credit_currency', 'KRW',
        'tags', jsonb_build_array('vip', substr(stems, digit[5] * 2 + 1, 2)),
        'notes', '오전 방문 선호 ' || substr(stems, digit[6] * 2 + 1, 2))
    FROM generate_series(%(first)s::integer, %(last)s::integer) AS n,
         LATERAL (SELECT array_agg((n / (k * 7) + n * k) %% 16) AS digit FROM generate_series(1, 6) AS k) AS d,
         (SELECT '가람나래다솜라온마루바다사랑아름자연차오카리타래파란하늘해솔윤슬' AS stems) AS s
"""
TOUCH = """
    WITH newest AS (SELECT as_epoch(max(last_modified)) AS at FROM objects WHERE parent_id = %(parent)s),
    few AS (SELECT id, row_number() OVER () AS n FROM
            (SELECT id FROM objects WHERE parent_id = %(parent)s LIMIT %(count)s) AS first)
    UPDATE objects SET data = data || jsonb_build_object('notes', (data->>'notes') || '.'),
           last_modified = from_epoch(newest.at + few.n)
    FROM newest, few WHERE objects.parent_id = %(parent)s AND objects.id = few.id
"""
LOADED_AT_MS = 1_700_000_000_000


def installed(tell: Callable[[str], None]) -> str:
    """The Python of Kinto's environment, made of the hashed lock file on the first call."""
    home = state_root() / "kinto"
    python, stamp = home / "bin" / "python", home / "lock.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="ascii") != wanted:
        tell(f"Installing Kinto into {home} (the first time takes a minute) …")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
        stamp.write_text(wanted, encoding="ascii")
    return str(python)


def versions(python: str) -> dict[str, str]:
    """Of Kinto and of what it serves with."""
    code = "import importlib.metadata as m, json; print(json.dumps({n: m.version(n) for n in %r}))"
    names = ("kinto", "psycopg2-binary", "pyramid", "gunicorn")
    told = subprocess.run([python, "-c", code % (names,)], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(told.stdout)
    return found


@contextmanager
def serving(python: str, database: str, folder: Path) -> Iterator["Kinto"]:
    """Kinto with its tables in *database*, until the end of the block."""
    ini, log = folder / "kinto.ini", folder / "kinto.log"
    ini.write_text(INI, encoding="utf-8")
    env = {f"KINTO_{part}_URL": database for part in ("STORAGE", "PERMISSION", "CACHE")}
    env |= {"KINTO_USERID_HMAC_SECRET": secrets.token_hex(), "PYTHONWARNINGS": "ignore"}
    migrate = [str(Path(python).with_name("kinto")), "migrate", "--ini", str(ini)]
    subprocess.run(migrate, check=True, env=os.environ | env, cwd=folder, capture_output=True)
    with (
        peer(python, ["--paste", str(ini)], env, log, "/v1/__lbheartbeat__") as web,
        psycopg.connect(database, autocommit=True) as office,
    ):
        kinto = Kinto(web, office)
        kinto.put(BUCKET)
        yield kinto


@dataclass
class Kinto:
    """The running peer, and a connection of the office to its tables."""

    web: Web
    office: psycopg.Connection[Any]

    def client(self, collection: str) -> "KintoClient":
        """A client of one collection, on a connection of its own."""
        return KintoClient(self, collection)

    def put(self, path: str) -> None:
        """Make a bucket or a collection."""
        client = self.client("none")
        answer = client.connection.ask(client.request("PUT", path, b"{}"))
        if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise NotServed(f"{path}: {answer.status} {answer.raw[:300]!r}")
        client.connection.close()

    def fill(self, collection: str, accounts: int) -> None:
        """A collection with as many records, written to its table: by its door this would take minutes."""
        self.put(f"{BUCKET}/collections/{collection}")
        for first in range(0, accounts, 50_000):
            last = min(first + 50_000, accounts) - 1
            self.office.execute(
                RECORDS,
                {
                    "parent": f"/buckets/bench/collections/{collection}",
                    "name": collection,
                    "at": LOADED_AT_MS,
                    "first": first,
                    "last": last,
                },
            )

    def touch(self, collection: str, count: int) -> None:
        """The office changes some records."""
        parent = f"/buckets/bench/collections/{collection}"
        self.office.execute(TOUCH, {"parent": parent, "count": count})

    def targets(self, collection: str, first: int, count: int) -> list[Target]:
        """Records to be edited, with the time that their next edit names."""
        rows = self.office.execute(
            "SELECT id, as_epoch(last_modified) FROM objects WHERE parent_id = %s ORDER BY id OFFSET %s LIMIT %s",
            (f"/buckets/bench/collections/{collection}", first, count),
        )
        return [Target(*row) for row in rows]


class KintoClient:
    """One client of one collection."""

    def __init__(self, kinto: Kinto, collection: str) -> None:
        self.connection = Connection(kinto.web.url)
        self.records = f"{BUCKET}/collections/{collection}/records"
        self.authorization = "Basic " + base64.b64encode(b"bench:benchmarks-only").decode()
        self.etag = ""
        self.told_to_retry = 0
        self.n = 0

    def request(self, method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> bytes:
        """The bytes of a request."""
        return self.connection.request(
            method, path, body, authorization=self.authorization, headers=headers, accept="gzip"
        )

    def first_sync(self) -> bytes:
        """All records in one answer, which is the fastest that it has."""
        return self._follow(self.connection.ask(self.request("GET", self.records)))

    def asks(self) -> bytes:
        """What has changed since; a collection that has not answers 304, its cheapest."""
        since = self.etag.strip('"')
        path = f"{self.records}?_since=%22{since}%22"
        return self.request("GET", path, headers=[f"If-None-Match: {self.etag}"])

    def pull(self) -> bytes:
        """The changes since the last time."""
        return self._follow(self.connection.ask(self.asks()))

    def push(self, targets: Sequence[Target]) -> None:
        """Edit records in batches, each only where it is what was seen."""
        for start in range(0, len(targets), BATCH):
            edits = [
                {
                    "method": "PATCH",
                    "path": f"{self.records}/{target.id}",
                    "body": self._edit(),
                    "headers": {"If-Match": f'"{target.version}"'},
                }
                for target in targets[start : start + BATCH]
            ]
            self._push(self.request("POST", "/v1/batch", json.dumps({"requests": edits}).encode()))

    def push_one(self, target: Target) -> None:
        """Edit one record where it is what was seen."""
        path, body = f"{self.records}/{target.id}", json.dumps(self._edit()).encode()
        request = self.request("PATCH", path, body, [f'If-Match: "{target.version}"'])
        for _ in range(MOST_TRIES):
            answer = self.connection.ask(request)
            if answer.status == HTTPStatus.OK:
                return
            self._later(answer.status, answer)
        raise NotServed(f"told to retry {MOST_TRIES} times")

    def _push(self, request: bytes) -> None:
        for _ in range(MOST_TRIES):
            answer = self.connection.ask(request)
            if answer.status == HTTPStatus.OK:
                failed = [
                    one["status"] for one in answer.json()["responses"] if one["status"] != HTTPStatus.OK
                ]
                if not failed:
                    return
                raise NotServed(f"edits of a batch were answered {failed}")
            self._later(answer.status, answer)
        raise NotServed(f"told to retry {MOST_TRIES} times")

    def _later(self, status: int, answer: Answer) -> None:
        if status not in LATER:
            raise NotServed(f"{status} {answer.raw[:300]!r}")
        self.told_to_retry += 1

    def _edit(self) -> dict[str, Any]:
        self.n += 1
        return {"data": {"phone": f"+8225550{self.n % 1000:03d}", "opening_hours": f"월-금 09:00-{self.n}"}}

    def _follow(self, answer: Answer) -> bytes:
        if answer.status not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            raise NotServed(f"{answer.status} {answer.raw[:300]!r}")
        self.etag = answer.header("ETag")
        return answer.body
