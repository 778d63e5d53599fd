"""One installation to be broken: PostgreSQL, the service on it, proxies in between, and phones."""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from app import migrating
from app.config import Config
from app.core.scope import Role
from app.serve import wait_ready
from localpg.account import server_account
from tests.faults.judgement import Findings, judge
from tests.faults.people import Town
from tests.faults.planted import NAME as MUTANT
from tests.faults.postgres import Postgres
from tests.faults.processes import free_port, wait_until
from tests.faults.proxy import HttpProxy, WireProxy
from tests.faults.report import Row
from tests.faults.service import Service
from tests.servers import SECRET

DATABASE = "crm"
FEW_S = 25.0


class Rig:
    """Starts everything; a context manager that leaves nothing behind.

    Args of ``__init__``:
        seed: Of the proxies and of the phones.
        mutant: A bug to be planted into the service (see planted.py).
        place: Where files go; by default a temporary directory.
    """

    def __init__(self, seed: int, *, mutant: str | None = None, place: Path | None = None) -> None:
        self.seed, self.mutant = seed, mutant
        self._given = place
        self._serving: tuple[bool, dict[str, str], str | None] | None = None
        self._service: Service | None = None

    def __enter__(self) -> Self:
        # Whoever ends the harness with SIGTERM ends what it started, too.
        self._former = signal.signal(signal.SIGTERM, _end) if _is_main_thread() else None
        self.place = Path(tempfile.mkdtemp(prefix="fm-faults-", dir=self._given))
        self.place.chmod(0o711)
        self._state = os.environ.get("FIELDMERGE_STATE")
        os.environ["FIELDMERGE_STATE"] = str(self.place / "state")
        self.postgres = Postgres("faults", free_port())
        self.web_port = free_port()
        # Of the user who runs PostgreSQL: its backups and standbys.
        self.files = self.place / "files"
        self.files.mkdir(mode=0o700)
        server_account(self.postgres.data).give(self.files)
        self.http = HttpProxy(self.web_port, self.seed)
        self.app_wire = WireProxy(self.postgres.port, self.seed + 1)
        self.engine_wire = WireProxy(self.postgres.port, self.seed + 2)
        self.replication_wire = WireProxy(self.postgres.port, self.seed + 3)
        self.postgres.server.create_database(DATABASE)
        self.config = self._config(self.postgres.port, self.postgres.port)
        migrating.upgrade(self.config)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._former is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending
        try:
            if self._service is not None:
                self._service.end()
            for proxy in (self.http, self.app_wire, self.engine_wire, self.replication_wire):
                proxy.close()
            if error is not None:
                self.keep_logs()
            self.postgres.end()
        finally:
            if self._state is None:
                os.environ.pop("FIELDMERGE_STATE", None)
            else:
                os.environ["FIELDMERGE_STATE"] = self._state
            shutil.rmtree(self.place, ignore_errors=True)
            if self._former is not None:
                signal.signal(signal.SIGTERM, self._former)

    def keep_logs(self) -> None:
        """Show how the logs end: the directory is about to go."""
        for log in (self.place / "service.log", self.postgres.log):
            if log.exists():
                end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:]
                print(f"-- the end of {log.name}", *(line[:200] for line in end), sep="\n", file=sys.stderr)

    def _config(self, app_port: int, engine_port: int) -> Config:
        url = self.postgres.url
        return Config(
            database_owner_url=url("owner", DATABASE),
            database_engine_url=url("engine", DATABASE, engine_port),
            database_url=url("app", DATABASE, app_port),
            secret_key=SECRET,
            log_level="ERROR",
        )

    # The service

    @property
    def service(self) -> Service:
        """It, as last started."""
        assert self._service is not None
        return self._service

    def serve(self, *, through_wires: bool = False, **variables: str) -> Service:
        """Have the service run with these variables, straight on PostgreSQL or through the proxies."""
        wanted = (through_wires, variables, self.mutant)
        as_wanted = self._serving == wanted
        if self._service is not None and self._service.supervisor is not None:
            if as_wanted:
                return self._service
            self._service.end()
        self._serving = wanted
        ports = (self.app_wire.port, self.engine_wire.port) if through_wires else (self.postgres.port,) * 2
        config = self._config(*ports)
        environment = {
            "DATABASE_URL": config.database_url,
            "DATABASE_ENGINE_URL": config.database_engine_url,
            "DATABASE_OWNER_URL": config.database_owner_url,
            "FIELDMERGE_SECRET_KEY": config.secret_key,
            "FIELDMERGE_LOG_LEVEL": "WARNING",
            **variables,
        }
        log, command = self.place / "service.log", None
        if self.mutant is not None:
            environment[MUTANT] = self.mutant
            command = (sys.executable, "-m", "tests.faults.planted", str(self.web_port), str(log))
        self._service = Service(environment, self.web_port, log, command=command)
        self._service.start()
        return self._service

    # A run

    @contextmanager
    def town(
        self, seed: int, *, proxied: bool = False, north: int = 3, timeout_s: float = 30.0
    ) -> Iterator[Town]:
        """Companies of this run, with the usual phones."""
        url = f"http://127.0.0.1:{self.http.port if proxied else self.web_port}"
        town = Town(self.config, url, seed, timeout_s=timeout_s)
        try:
            if north:
                town.usual(north)
            yield town
        finally:
            for device in town.devices:
                device.halt()
            town.close()

    def heal(self) -> None:
        """Everything works again."""
        for proxy in (self.http, self.app_wire, self.engine_wire):
            proxy.heal()
        wait_ready(f"{self.service.url}/readyz", 60)

    def judge(
        self, scenario: str, town: Town, rounds: int, *, may_forget: bool = False, **notes: object
    ) -> Row:
        """End-of-run protocol; a line of the table.

        Args:
            scenario: Its name.
            town: Whose phones.
            rounds: How often something was broken.
            may_forget: Whether the database may have lost its end, so that phones tell it again. Elsewhere a new
                epoch means that something acknowledged was gone, also when the phones made up for it.
            notes: Figures of its own.
        """
        town.halt()
        found = self.findings(town)
        if not may_forget:
            found.lost += town.forgotten()
        return found.row(scenario, town.acknowledged(), rounds, **notes)

    def findings(self, town: Town) -> Findings:
        """Heal, drain, compare."""
        self.heal()
        doubts, self.http.doubts = self.http.doubts, []
        with self.postgres.admin(DATABASE) as admin:
            return judge(town, admin, self.service.url, doubts)

    def wait_acknowledged(self, town: Town, more: int, limit_s: float = FEW_S) -> bool:
        """Wait until so many more mutations are acknowledged; False when it takes too long."""
        goal = town.acknowledged() + more
        return wait_until(lambda: town.acknowledged() >= goal, limit_s, 0.02)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(f"signal {number}")


def in_mid_push(town: Town, limit_s: float = 3.0) -> bool:
    """Wait until a push is under way."""
    return wait_until(lambda: any(device.journal.in_flight for device in town.devices), limit_s, 0.001)


def timed(work: Callable[[], Row]) -> Row:
    """A row with the time it took."""
    began = time.monotonic()
    row = work()
    row.seconds = time.monotonic() - began
    return row


__all__ = ["DATABASE", "Rig", "Role", "in_mid_push", "timed"]
