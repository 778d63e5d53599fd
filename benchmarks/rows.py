"""The rows of the table: what is done, by whom, and how it is begun anew in each round."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.client import Connection, crowd
from benchmarks.kinto import Kinto
from benchmarks.phone import Target, count_records
from benchmarks.stage import WARM, WARMING, Floor, Stage

OURS, KINTO = "Fieldmerge", "Kinto"
CAPTURE = "our triggers alone, taken back"
CROWD = 16
Told = dict[str, float]


@dataclass(frozen=True, slots=True)
class Side:
    """One way of doing a row's work.

    Attributes:
        run: Does it; may give a dict of what is to be added up beside time, as bytes or answers that said: later.
        pid: Of the server that does it; None where that is the database alone.
        ready: Before each run, not measured.
        parts: The run does the work so many times.
    """

    run: Callable[[], object]
    pid: int | None = None
    ready: Callable[[], None] = lambda: None
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        name: For ``--rows``.
        title: Of the work.
        unit: What CPU seconds are counted by.
        work: Units that each side does in one part.
        rate: Told as units a second rather than as seconds.
        begin: Before each round.
        sides: By name, in the order of the first round.
    """

    name: str
    title: str
    unit: str
    work: int
    sides: dict[str, Side]
    begin: Callable[[], None] = lambda: None
    rate: bool = False


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done."""

    accounts: int
    large: int
    requests: int
    edits: int
    each: int
    repeats: int

    @property
    def crowd(self) -> int:
        """Accounts for each of the crowd: enough for its edits of several rounds."""
        return 20 * self.each


# So many edits each that connecting, preparing and planning, once on each of two workers' connections, is no part
# of the figure; what the first run takes with all of that stands beside it.
FULL = Sizes(accounts=50_000, large=500_000, requests=200, edits=1_000, each=60, repeats=20)
QUICK = Sizes(accounts=5_000, large=10_000, requests=60, edits=50, each=4, repeats=5)
TINY = Sizes(accounts=60, large=120, requests=4, edits=3, each=1, repeats=2)


@dataclass
class Rows:
    """Makes the rows on a stage; data are loaded when the first row asks for them."""

    stage: Stage
    kinto: Kinto | None
    floor: Floor
    sizes: Sizes
    _filled: set[str] = field(default_factory=set)
    _edited: Any = field(default_factory=lambda: count())

    def make(self, name: str) -> Row:
        """The row of this name.

        Raises:
            KeyError: There is none.
        """
        row: Row = ROWS[name](self)
        return row

    # -- first sync

    def first_sync(self) -> Row:
        """One rep's own territory, which the server's memory knows nothing of."""
        row = self._first("first", "own", 1, f"first sync of {self.sizes.accounts:,}, cold")
        self._fill(WARM, reps=WARMING, accounts=200)
        ours = {
            name: replace(side, ready=self.stage.anew) for name, side in row.sides.items() if OURS in name
        }
        return replace(row, sides=row.sides | ours)

    def shared(self) -> Row:
        """A territory that eight hold, four of whose phones had it a moment ago."""
        row = self._first("shared", "team", 8, f"first sync of {self.sizes.accounts:,} that many share, warm")
        others = self.stage.phones([f"team-{n}" for n in range(1, 5)])

        def warm() -> None:
            for accept in ("zstd, gzip", "gzip", "identity"):
                crowd([partial(other.first_sync, accept=accept) for other in others])

        return replace(row, begin=warm)

    def _first(self, name: str, territory: str, reps: int, title: str) -> Row:
        stage, sizes = self.stage, self.sizes
        self._fill(territory, reps=reps, accounts=sizes.accounts, kinto=True)
        phone, bucket = stage.phone(f"{territory}-0"), stage.bucket(territory + "-0")

        def ours(accept: str) -> Callable[[], Told]:
            def run() -> Told:
                before = phone.connection.bytes_in
                pages = phone.first_sync(accept=accept)
                # Counting is a scan for a byte string: that much any client does.
                _all_there(count_records(pages), sizes.accounts)
                return {"bytes": phone.connection.bytes_in - before, "plain bytes": sum(map(len, pages))}

            return run

        sides = {
            OURS: Side(ours("zstd, gzip"), stage.web.pid),
            f"{OURS}, gzip": Side(ours("gzip"), stage.web.pid),
            f"{OURS}, not compressed": Side(ours("identity"), stage.web.pid),
        }
        if self.kinto is not None:
            sides[KINTO] = Side(self._kinto_first(self.kinto, territory), self.kinto.web.pid)
        sides["COPY"] = Side(lambda: self._copy(bucket))
        sides["psycopg rows"] = Side(lambda: self._rows(bucket))
        return Row(name, title, "records", sizes.accounts, sides)

    def _kinto_first(self, kinto: Kinto, collection: str) -> Callable[[], Told]:
        client = kinto.client(collection)

        def run() -> Told:
            before = client.connection.bytes_in
            body = client.first_sync()
            _all_there(body.count(b'"credit_currency"'), self.sizes.accounts)
            return {"bytes": client.connection.bytes_in - before}

        return run

    def _copy(self, bucket: str) -> Told:
        """The same bodies by COPY over the local socket."""
        read = 0
        statement = sql.SQL("COPY ({}) TO STDOUT").format(
            sql.SQL(BODIES).format(tenant=sql.Literal(self.stage.company.id), bucket=sql.Literal(bucket))
        )
        with self.stage.office.cursor() as cursor, cursor.copy(statement) as rows:
            for part in rows:
                read += len(part)
        return {"bytes": read}

    def _rows(self, bucket: str) -> None:
        """The same bodies as rows of the driver."""
        statement = sql.SQL(BODIES).format(tenant=sql.Placeholder("tenant"), bucket=sql.Placeholder("bucket"))
        values = {"tenant": self.stage.company.id, "bucket": bucket}
        _all_there(len(self.stage.office.execute(statement, values).fetchall()), self.sizes.accounts)

    # -- deltas

    def empty(self) -> Row:
        """Nothing is new, one client."""
        return self._empty("empty", "empty delta, 1 client", 1, self.sizes.requests)

    def empty16(self) -> Row:
        """Nothing is new, sixteen clients."""
        return self._empty("empty16", f"empty delta, {CROWD} clients", CROWD, self.sizes.requests // 4)

    def _empty(self, name: str, title: str, clients: int, each: int) -> Row:
        asked: dict[str, bytes] = {}
        found = self._empties()

        def begin() -> None:
            # Other rows change the same accounts: whoever asked with an old cursor would be given them.
            asked.update({side: fresh() for side, _, fresh, _ in found})

        def run(side: str, connections: list[Connection]) -> Callable[[], object]:
            return lambda: _all_at_once([(one, asked[side]) for one in connections], each)()

        sides = {}
        for side, connection, _, pid in found:
            more = [Connection(_url(connection)) for _ in range(clients - 1)]
            sides[side] = Side(run(side, [connection, *more]), pid)
        return Row(name, title, "requests", clients * each, sides, begin, rate=True)

    def _empties(self) -> list[tuple[str, Connection, Callable[[], bytes], int]]:
        self._fill("own", reps=1, accounts=self.sizes.accounts, kinto=True)
        phone = self.stage.phone("own-0")
        phone.first_sync()

        def ours() -> bytes:
            phone.pull()
            return phone.asks()

        found = [(OURS, phone.connection, ours, self.stage.web.pid)]
        if self.kinto is not None:
            client = self.kinto.client("own")
            client.first_sync()

            def kinto() -> bytes:
                client.pull()
                return client.asks()

            found.append((KINTO, client.connection, kinto, self.kinto.web.pid))
        for title, path in (("Flask + JWT", "/bare"), ("Flask + JWT + query", "/query")):
            connection, request = self.floor.asks(path)
            found.append((title, connection, partial(bytes, request), self.floor.web.pid))
        return found

    def delta(self) -> Row:
        """A hundred have changed among many."""
        return self._delta("delta", "own", self.sizes.accounts)

    def delta_large(self) -> Row:
        """A hundred have changed among ten times as many."""
        return self._delta("delta-large", "large", self.sizes.large)

    def _delta(self, name: str, territory: str, accounts: int) -> Row:
        stage, changed = self.stage, min(100, accounts)
        self._fill(territory, reps=1, accounts=accounts, kinto=True)
        phone, bucket = stage.phone(f"{territory}-0"), stage.bucket(territory + "-0")
        phone.first_sync()
        client = self.kinto.client(territory) if self.kinto is not None else None
        if client is not None:
            client.first_sync()
        bare, request = self.floor.asks("/bare")
        asked: dict[str, bytes] = {}

        def begin() -> None:
            phone.pull()
            asked[OURS] = phone.asks()
            stage.touch(f"{territory}-0", changed)
            if client is not None and self.kinto is not None:
                client.pull()
                asked[KINTO] = client.asks()
                self.kinto.touch(territory, changed)

        def ours() -> None:
            for _ in range(self.sizes.repeats):
                answer = phone.connection.ask(asked[OURS])
                _served(answer.status)
                _all_there(count_records([answer.body]), changed)

        def kinto() -> None:
            assert client is not None
            for _ in range(self.sizes.repeats):
                answer = client.connection.ask(asked[KINTO])
                _served(answer.status)
                _all_there(answer.body.count(b'"credit_currency"'), changed)

        def direct() -> None:
            for _ in range(self.sizes.repeats):
                self._direct(bucket, changed)
                _served(bare.ask(request).status)

        sides = {OURS: Side(ours, stage.web.pid, parts=self.sizes.repeats)}
        if self.kinto is not None:
            sides[KINTO] = Side(kinto, self.kinto.web.pid, parts=self.sizes.repeats)
        sides["direct query + Flask + JWT"] = Side(direct, self.floor.web.pid, parts=self.sizes.repeats)
        return Row(name, f"delta of {changed} in {accounts:,}", "records", changed, sides, begin)

    def _direct(self, bucket: str, changed: int) -> None:
        statement = (
            "SELECT entity, record_id, version, body FROM sync_feed WHERE tenant_id = %s AND bucket = %s"
            " AND shape = 'manager+partner+sales' AND position > (SELECT position - %s FROM sync_heads"
            " WHERE tenant_id = %s) ORDER BY position LIMIT %s"
        )
        company = self.stage.company.id
        self.stage.office.execute(statement, (company, bucket, 2 * changed, company, changed)).fetchall()

    # -- pushes

    def push(self) -> Row:
        """One client, in batches as large as each server takes."""
        stage, edits = self.stage, self.sizes.edits
        self._fill("own", reps=1, accounts=self.sizes.accounts, kinto=True)
        phone = stage.phone("own-0")
        phone.first_sync()
        found: dict[str, list[Target]] = {}

        def begin() -> None:
            phone.pull()
            first = next(self._edited) * edits % max(1, self.sizes.accounts - edits)
            found[OURS] = found["psycopg"] = stage.targets("own-0", first, edits)
            if self.kinto is not None:
                found[KINTO] = self.kinto.targets("own", first, edits)

        sides = {OURS: Side(lambda: phone.push(found[OURS]), stage.web.pid)}
        if self.kinto is not None:
            client = self.kinto.client("own")
            sides[KINTO] = Side(lambda: client.push(found[KINTO]), self.kinto.web.pid)
        sides["psycopg, one commit"] = Side(lambda: self._write(found["psycopg"]))
        sides[CAPTURE] = Side(lambda: self._capture(found["psycopg"]))
        return Row("push", f"push of {edits:,} edits in batches", "edits", edits, sides, begin, rate=True)

    def _write(self, targets: list[Target]) -> None:
        """The bare writes of a batch, on a table without triggers: what PostgreSQL takes for it."""
        with self.stage.office.transaction(), self.stage.office.cursor() as cursor:
            cursor.executemany(
                "UPDATE floor SET position = position + %s WHERE id = %s",
                [(n + 1, n % 16_000 + 1) for n in range(len(targets))],
            )

    def _capture(self, targets: list[Target]) -> None:
        """The same edits by one UPDATE of the real table: versions, stamps, ledger and marks are the triggers' work.

        Taken back, so that nothing waits to be sequenced for the sides that come next.
        """
        with self.stage.office.transaction(force_rollback=True):
            self.stage.office.execute(
                "UPDATE accounts SET opening_hours = 'floor ' || gen_random_uuid(),"
                " phone = '+8210' || (10000000 + floor(random() * 89999999))::integer"
                " WHERE tenant_id = %s AND id = ANY(%s)",
                (self.stage.company.id, [target.id for target in targets]),
            )

    def edits16(self) -> Row:
        """Sixteen clients, each at its own records, one edit a request."""
        return self._singles("edits16", "field", CROWD, f"{CROWD} clients, single edits, a territory each")

    def edits16_shared(self) -> Row:
        """Sixteen clients at one list: each answer also brings what the others did."""
        return self._singles("edits16-shared", "crew", 1, f"{CROWD} clients, single edits, one shared list")

    def _singles(self, name: str, territory: str, territories: int, title: str) -> Row:
        stage, each = self.stage, self.sizes.each
        self._fill(territory, CROWD, CROWD * self.sizes.crowd, territories=territories, kinto=True)
        phones = [stage.phone(f"{territory}-{n}") for n in range(CROWD)]
        for phone in phones:
            phone.first_sync()
        kinto = self.kinto
        collections = [territory if territories == 1 else f"{territory}-{n}" for n in range(CROWD)]
        clients = [kinto.client(one) for one in collections] if kinto is not None else []
        found: dict[str, list[list[Target]]] = {}

        def part(n: int, round_: int) -> int:
            """Where the n-th client's records of a round begin: no two edit the same ones."""
            mine = round_ % 20 * each
            return mine if territories > 1 else n * self.sizes.crowd + mine

        def begin() -> None:
            round_ = next(self._edited)
            places = [f"{territory}-{0 if territories == 1 else n}" for n in range(CROWD)]
            found[OURS] = [stage.targets(place, part(n, round_), each) for n, place in enumerate(places)]
            if kinto is not None:
                found[KINTO] = [
                    kinto.targets(one, part(n, round_), each) for n, one in enumerate(collections)
                ]

        def run(side: str, clients: list[Any]) -> Callable[[], Told]:
            def work(client: Any, targets: list[Target]) -> Callable[[], object]:
                return lambda: [client.push_one(target) for target in targets]

            def all_of_them() -> Told:
                before = sum(client.told_to_retry for client in clients)
                crowd([work(*pair) for pair in zip(clients, found[side], strict=True)])
                return {"told to retry": sum(client.told_to_retry for client in clients) - before}

            return all_of_them

        sides = {OURS: Side(run(OURS, phones), stage.web.pid)}
        if kinto is not None:
            sides[KINTO] = Side(run(KINTO, clients), kinto.web.pid)
        sides["psycopg, a commit each"] = Side(self._commits(each))
        return Row(name, title, "edits", CROWD * each, sides, begin, rate=True)

    def _commits(self, each: int) -> Callable[[], object]:
        url = self.stage.config.database_owner_url
        connections = [psycopg.connect(url, autocommit=True) for _ in range(CROWD)]

        def work(n: int) -> Callable[[], object]:
            def run() -> None:
                for turn in range(each):
                    place = n * 1_000 + turn % 1_000 + 1
                    connections[n].execute("UPDATE floor SET position = position + 1 WHERE id = %s", (place,))

            return run

        def all_of_them() -> None:
            crowd([work(n) for n in range(CROWD)])

        return all_of_them

    # -- data

    def _fill(
        self, name: str, reps: int, accounts: int, *, territories: int = 1, kinto: bool = False
    ) -> None:
        if name in self._filled:
            return
        self._filled.add(name)
        stage = self.stage
        stage.company.fill(name, territories=territories, reps=reps, accounts=accounts, tell=stage.tell)
        if kinto and self.kinto is not None:
            for n in range(territories):
                collection = name if territories == 1 else f"{name}-{n}"
                self.kinto.fill(collection, accounts // territories)
            self.kinto.office.execute("VACUUM ANALYZE")
        stage.analyze()


BODIES = (
    "SELECT body FROM sync_feed WHERE tenant_id = {tenant} AND bucket = {bucket}"
    " AND entity = 'account' AND shape LIKE '%%sales%%' AND body IS NOT NULL"
)
ROWS: dict[str, Callable[[Rows], Row]] = {
    "first": Rows.first_sync,
    "shared": Rows.shared,
    "empty": Rows.empty,
    "empty16": Rows.empty16,
    "delta": Rows.delta,
    "delta-large": Rows.delta_large,
    "push": Rows.push,
    "edits16": Rows.edits16,
    "edits16-shared": Rows.edits16_shared,
}


def _all_at_once(pairs: list[tuple[Connection, bytes]], each: int) -> Callable[[], object]:
    def work(connection: Connection, request: bytes) -> Callable[[], object]:
        def run() -> None:
            for _ in range(each):
                _served(connection.ask(request).status)

        return run

    return lambda: crowd([work(*pair) for pair in pairs])


def _url(connection: Connection) -> str:
    return f"http://{connection.host}"


def _served(status: int) -> None:
    if status not in (200, 304):
        raise RuntimeError(f"answered {status}")


def _all_there(found: int, wanted: int) -> None:
    if found < wanted:
        raise RuntimeError(f"{found} records, not {wanted}")
