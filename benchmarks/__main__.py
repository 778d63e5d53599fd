"""``python -m benchmarks``: first sync, delta, empty delta and push, each beside its floor."""

import argparse
import json
import os
import platform
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import psycopg

import localpg
from app import migrating
from app.config import Config
from app.core.clock import utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.serve import Supervisor, find_port
from app.sync_api.registry import REGISTRY
from benchmarks.client import Client
from benchmarks.load import PASSWORD, make_company
from sync.sequencer import drain

RESULTS = Path(__file__).parent / "RESULTS.md"
SECRET = "benchmarks-only-" + "7f3kq9z2m5x8c1v4b6n0a3s5d7f9g2h4j"
Measured = dict[str, float]


def main() -> int:
    """Run, print, and write RESULTS.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each measurement, interleaved")
    parser.add_argument("--dry", action="store_true", help="print only, leave RESULTS.md as it is")
    asked = parser.parse_args()
    with _servers() as (config, url, floor_url, floor_token):
        db = Database(config)
        code, login, tenant_id = make_company(db, asked.accounts, _tell)
        bench = Bench(config, db, url, floor_url, floor_token, code, login, tenant_id, asked.accounts)
        table = bench.run(asked.rounds)
        db.dispose()
    report = _report(table, asked)
    print(report)
    if not asked.dry:
        RESULTS.write_text(report)
    return 0


class Bench:
    """One run: every figure and its floor, taken in turns so that a noisy machine hurts both alike."""

    def __init__(
        self,
        config: Config,
        db: Database,
        url: str,
        floor_url: str,
        floor_token: str,
        code: str,
        login: str,
        tenant: UUID,
        accounts: int,
    ) -> None:
        self.db = db
        self.url = url
        self.floor = Client(floor_url, floor_token)
        self.floor_url, self.floor_token = floor_url, floor_token
        self.tenant = tenant
        self.accounts = accounts
        self.credentials = {
            "tenant": code,
            "login": login,
            "password": PASSWORD,
            "device": {"name": "bench", "platform": "linux", "app_version": "1"},
        }
        self.n = 0
        self.bytes = 0
        self.office = psycopg.connect(config.database_engine_url, autocommit=True)

        self.bucket = self.office.execute(
            "SELECT 'territory:' || territory_id FROM accounts WHERE tenant_id = %s LIMIT 1", (tenant,)
        ).fetchone()[0]

    def run(self, rounds: int) -> dict[str, Measured]:
        """Figures by name: median seconds and the spread."""
        taken: dict[str, list[float]] = {}

        def take(name: str, work: Callable[[], Any]) -> Any:
            started = time.perf_counter()
            result = work()
            taken.setdefault(name, []).append(time.perf_counter() - started)
            return result

        phone, cursor = self.log_in(), None
        for number in range(rounds):
            _tell(f"round {number + 1} of {rounds}")
            take("copy", self.copy)
            phone = self.log_in()
            cursor = take("first_sync", lambda p=phone: self.first_sync(p))
            self.touch(100)
            take("query_100", self.query_100)
            cursor = take("delta_100", lambda p=phone, c=cursor: self.pull(p, c))
            take("bare_200", lambda: [self.floor.post_raw("/bare", b"{}") for _ in range(200)])
            take("query_200", lambda: [self.floor.post_raw("/query", b"{}") for _ in range(200)])
            take("empty_200", lambda p=phone, c=cursor: [self.sync(p, c) for _ in range(200)])
            take("empty_16x50", lambda c=cursor, p=phone: self.sixteen(p, c))
            take("floor_16x50", self.sixteen_floors)
            take("push_1000", lambda p=phone, c=cursor: self.push(p, c, 1_000))
            cursor = self.pull(phone, cursor)
        taken["bytes_first_sync"] = [self.bytes]
        return {
            n: {"median": statistics.median(v), "least": min(v), "most": max(v)} for n, v in taken.items()
        }

    def log_in(self) -> Client:
        client = Client(self.url)
        client.token = client.post("/api/v1/auth/login", self.credentials)["access_token"]
        return client

    def sync(self, phone: Client, cursor: str | None, mutations: list[Any] | None = None) -> Any:
        body = {
            "schema_version": 1,
            "cursor": cursor,
            "mutations": mutations or [],
            "limit": 10_000,
            "limit_bytes": 8 << 20,
        }
        return json.loads(phone.post_raw("/api/v1/sync", json.dumps(body).encode()))

    def first_sync(self, phone: Client) -> str:
        before = phone.bytes_in
        cursor, count = None, 0
        while True:
            answer = self.sync(phone, cursor)
            cursor = answer["cursor"]
            count += len(answer["changes"])
            if not answer["has_more"]:
                break
        if count < self.accounts:
            raise RuntimeError(f"the first sync gave {count} records, not {self.accounts}")
        self.bytes = phone.bytes_in - before
        return str(cursor)

    def pull(self, phone: Client, cursor: str) -> str:
        while True:
            answer = self.sync(phone, cursor)
            cursor = answer["cursor"]
            if not answer["has_more"]:
                return cursor

    def touch(self, count: int) -> None:
        """The office changes some accounts; they are sequenced before anything is measured."""
        self.office.execute(
            "UPDATE accounts SET notes = notes || '.' WHERE tenant_id = %s AND id IN"
            " (SELECT id FROM accounts WHERE tenant_id = %s LIMIT %s)",
            (self.tenant, self.tenant, count),
        )
        drain(self.db.engine, REGISTRY, self.tenant, now=utc_now(), lock_timeout_ms=5_000)

    def query_100(self) -> None:
        self.office.execute(
            "SELECT body FROM sync_feed WHERE tenant_id = %s AND bucket = %s AND shape = 'manager+partner+sales'"
            " AND position > (SELECT position - 200 FROM sync_heads WHERE tenant_id = %s)"
            " ORDER BY position LIMIT 100",
            (self.tenant, self.bucket, self.tenant),
        ).fetchall()

    def copy(self) -> int:
        """The floor of a first sync: the same bodies by COPY, over the same machine."""
        read = 0
        sql = "COPY (SELECT body FROM sync_feed WHERE tenant_id = '{}' AND shape LIKE '%sales%') TO STDOUT"
        with self.office.cursor().copy(sql.format(self.tenant)) as rows:
            for part in rows:
                read += len(part)
        return read

    def sixteen(self, phone: Client, cursor: str) -> None:
        self._crowd(lambda: Client(self.url, phone.token), lambda client: self.sync(client, cursor))

    def sixteen_floors(self) -> None:
        self._crowd(
            lambda: Client(self.floor_url, self.floor_token), lambda client: client.post_raw("/query", b"{}")
        )

    @staticmethod
    def _crowd(connect: Callable[[], Client], ask: Callable[[Client], Any]) -> None:
        clients = [connect() for _ in range(16)]

        def work(client: Client) -> None:
            for _ in range(50):
                ask(client)

        threads = [threading.Thread(target=work, args=(c,)) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def push(self, phone: Client, cursor: str, count: int) -> None:
        records = self.office.execute(
            "SELECT id, version, notes FROM accounts WHERE tenant_id = %s ORDER BY id LIMIT %s",
            (self.tenant, count),
        ).fetchall()
        mutations = []
        for record_id, version, _ in records:
            self.n += 1
            mutations.append(
                {
                    "id": str(new_id()),
                    "n": self.n,
                    "entity": "account",
                    "record_id": str(record_id),
                    "op": "update",
                    "base_version": version,
                    "fields": {
                        "phone": f"+8225550{self.n % 1000:03d}",
                        "opening_hours": f"월-금 09:00-{self.n}",
                    },
                    "occurred_at": datetime.now(UTC).isoformat(),
                }
            )
        for start in range(0, count, 500):
            for verdict in self.sync(phone, cursor, mutations[start : start + 500])["verdicts"]:
                if verdict["status"] not in ("applied", "merged"):
                    raise RuntimeError(f"an edit was not applied: {verdict}")


@contextmanager
def _servers() -> Iterator[tuple[Config, str, str, str]]:
    """PostgreSQL with durable settings, Fieldmerge, and the floor, each in processes of its own."""
    server = localpg.start("bench", progress=_tell, durable=True)
    name = f"bench_{secrets.token_hex(4)}"
    try:
        urls = server.create_database(name)
        config = Config(
            database_owner_url=urls.owner,
            database_engine_url=urls.engine,
            database_url=urls.app,
            secret_key=SECRET,
        )
        migrating.upgrade(config)
        env = {
            "DATABASE_URL": urls.app,
            "DATABASE_ENGINE_URL": urls.engine,
            "DATABASE_OWNER_URL": urls.owner,
            "FIELDMERGE_SECRET_KEY": SECRET,
            "FIELDMERGE_LOG_LEVEL": "ERROR",
        }
        with psycopg.connect(urls.owner, autocommit=True) as owner:
            owner.execute("CREATE TABLE floor (id integer PRIMARY KEY, position bigint NOT NULL)")
            owner.execute("INSERT INTO floor VALUES (1, 42)")
        with tempfile.TemporaryDirectory() as folder:
            pid_file, log = Path(folder) / "serve.pid", Path(folder) / "serve.log"
            with (
                Supervisor(env, pid_file=pid_file, log=log, scheduler=False) as supervisor,
                _floor(urls.owner) as (floor_url, token),
            ):
                supervisor.wait_ready("/healthz")
                yield config, supervisor.url, floor_url, token
    finally:
        server.drop_database(name)
        server.release()


@contextmanager
def _floor(database: str) -> Iterator[tuple[str, str]]:
    port = find_port(18_000)
    key = secrets.token_urlsafe(48)
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "--config",
            "app/gunicorn_conf.py",
            "--bind",
            f"127.0.0.1:{port}",
            "benchmarks.floor:app",
        ],
        env=os.environ | {"FLOOR_KEY": key, "FLOOR_DATABASE": database},
    )
    try:
        time.sleep(1)
        url = f"http://127.0.0.1:{port}"
        token = jwt.encode({"sub": "1"}, key, algorithm="HS256")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                Client(url, token).post_raw("/bare", b"{}")
                break
            except OSError:
                time.sleep(0.2)
        yield url, token
    finally:
        process.terminate()
        process.wait(20)


def _report(table: dict[str, Measured], asked: argparse.Namespace) -> str:
    def of(name: str) -> float:
        return table[name]["median"]

    n = asked.accounts
    bare, query = of("bare_200") / 200, of("query_200") / 200
    rows = [
        (
            f"first sync of {n:,}",
            _spread(table["first_sync"]),
            f"COPY of the same bodies {_spread(table['copy'])}",
            f"{of('copy') / of('first_sync'):.2f} of COPY's rate",
            "≥ 0.5",
        ),
        (
            "delta of 100",
            _spread(table["delta_100"]),
            f"direct query {_ms(of('query_100'))} + one bare request {_ms(bare)}",
            f"{of('delta_100') / (of('query_100') + bare):.1f} ×",
            "≤ 5 ×",
        ),
        (
            "empty delta, 1 client",
            _ms(of("empty_200") / 200),
            f"Flask + JWT {_ms(bare)}, with one query {_ms(query)}",
            f"{of('empty_200') / of('bare_200'):.1f} ×, {of('empty_200') / of('query_200'):.1f} ×",
            "≤ 1.5 × the latter",
        ),
        (
            "empty delta, 16 clients",
            f"{800 / of('empty_16x50'):.0f}/s",
            f"Flask + JWT + one query {800 / of('floor_16x50'):.0f}/s",
            f"{of('empty_16x50') / of('floor_16x50'):.1f} ×",
            "≤ 1.5 ×",
        ),
        (
            "push of 1,000 edits",
            f"{_spread(table['push_1000'])}, {1000 / of('push_1000'):.0f}/s",
            f"1,000 × Flask + JWT {_ms(bare * 1000)}",
            f"{of('push_1000') / (bare * 1000):.1f} ×",
            "≥ 15 × Kinto (not yet run beside it)",
        ),
    ]
    lines = [
        "# Results",
        "",
        f"`make bench`, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores, "
        f"{n:,} accounts, {asked.rounds} rounds, medians (least to most).",
        "Client, server and database share the machine: read the ratios, not the seconds.",
        "",
        "| work | time | floor in the same run | ratio | wanted |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"Bytes of the first sync, gzip: {of('bytes_first_sync') / 1e6:.1f} MB.",
        "",
    ]
    return "\n".join(lines)


def _spread(figure: Measured) -> str:
    return f"{_ms(figure['median'])} ({_ms(figure['least'])} to {_ms(figure['most'])})"


def _ms(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def _tell(message: str) -> None:
    print(f"  {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
