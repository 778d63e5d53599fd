"""What the machine lacks: disk, handles, connections, the right time, or itself."""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg

from examples.phone import NoAnswer, Refused
from localpg.account import server_account
from tests.faults.judgement import judge
from tests.faults.people import Company, Device, Town
from tests.faults.planted import CLOCK
from tests.faults.postgres import Standby
from tests.faults.processes import free_port, is_alive, open_files_of, wait_until
from tests.faults.report import Row
from tests.faults.rig import DATABASE, Rig, Role, in_mid_push

WAL_MB = 192
STORM_WORK = 6
"""Mutations in each request of the storm, and in each request before it."""
STORM_REQUESTS = 5
"""Of each phone: long enough that it is the storm that is measured, and not the loading of new workers."""
STORMS = 2
LEAST_SHARE = 0.7
STORM_WAIT_S = 20.0
"""In a storm phones wait for as long as they are told, but for the impatient tenth."""
DRAINED_S = 60.0
FEW_MARKS = 20
"""What phones write at any moment."""
PREFIXES = ("usr/lib", "usr/local/lib", "usr/lib64")


RENEW = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fieldmerge%'"


class Missing(Exception):
    """This machine cannot run a scenario; the message says what is missing."""


def out_of_disk_for_the_log(rig: Rig, seed: int, rounds: int) -> Row:
    """The file system of PostgreSQL's log fills up; after it was freed all goes on by itself.

    PostgreSQL ends when it cannot write its log. Where it does not come back by itself, it is started again, as the
    system's supervisor does.
    """
    if os.geteuid() != 0:
        raise Missing("a small file system needs root (mount -t tmpfs)")
    rig.serve()
    stuck, restarts, told = 0, 0, set[str]()
    with _log_on_a_small_disk(rig) as disk, rig.town(seed) as town:
        town.begin()
        for _ in range(rounds):
            stuck += not rig.wait_acknowledged(town, 30)
            filler = disk / "filler"
            filled = wait_until(lambda file=filler: _fill(file), 5, 0.05)  # type: ignore[misc]
            before = town.acknowledged()
            # Segments that are there already are written full first.
            with rig.postgres.admin() as admin:
                _write_log(admin)
            time.sleep(2)
            meanwhile = town.acknowledged() - before
            filler.unlink()
            if not wait_until(rig.postgres.has_ended, 2, 0.1):
                pass
            else:
                rig.postgres.server.release()
                rig.postgres.start()
                restarts += 1
            stuck += not filled
            stuck += not rig.wait_acknowledged(town, 30, 40)
        told |= {code for device in town.devices for code in device.journal.codes}
        row = rig.judge(
            "disk full for the log of PostgreSQL",
            town,
            rounds,
            PostgreSQL_started_again=restarts,
            acknowledged_while_full=meanwhile,
            answers=sorted(told),
        )
    row.stuck += stuck
    return _only_unavailable(row, told)


def _only_unavailable(row: Row, told: set[str]) -> Row:
    """Whoever could not be served was told to come again, and nothing else."""
    others = sorted(code for code in told if not code.startswith(("503", "401", "429")))
    if others:
        row.stuck += 1
        row.said.append(f"stuck: phones were answered {others}")
    return row


@contextmanager
def _log_on_a_small_disk(rig: Rig) -> Iterator[Path]:
    """Put pg_wal on a tmpfs of its own, and back."""
    disk = rig.place / "small-disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={WAL_MB}m,mode=0755", "tmpfs", disk],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Missing(f"mount -t tmpfs is refused here ({done.stderr.decode().strip()})")
    wal = rig.postgres.data / "pg_wal"
    account = server_account(rig.postgres.data)
    try:
        rig.postgres.administer(
            "ALTER SYSTEM SET max_wal_size = '64MB'", "ALTER SYSTEM SET min_wal_size = '32MB'"
        )
        rig.postgres.administer("ALTER SYSTEM SET wal_keep_size = 0", "CHECKPOINT", "SELECT pg_switch_wal()")
        with rig.postgres.admin() as admin:
            (current,) = admin.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone() or ("",)
        rig.postgres.stop()
        _trim(wal, current)
        subprocess.run(["cp", "-a", wal, disk / "pg_wal"], check=True)
        shutil.rmtree(wal)
        wal.symlink_to(disk / "pg_wal")
        account.give(disk / "pg_wal")
        rig.postgres.start()
        yield disk
    finally:
        (disk / "filler").unlink(missing_ok=True)
        if not rig.postgres.has_ended():
            rig.postgres.stop()
        if wal.is_symlink():
            wal.unlink()
            subprocess.run(["cp", "-a", disk / "pg_wal", wal], check=True)
        subprocess.run(["umount", disk], check=True)
        rig.postgres.start()


def _trim(wal: Path, current: str) -> None:
    """Segments in advance, of which some were written in another life, are not wanted on the small disk."""
    ahead = sorted(one for one in wal.iterdir() if len(one.name) == len(current) and one.name > current)
    for one in ahead[1:]:  # the last checkpoint may have begun one
        one.unlink()


def _fill(file: Path) -> bool:
    """Write until nothing fits any more."""
    with open(file, "ab", buffering=0) as target:
        try:
            while True:
                target.write(b"\0" * 65_536)
        except OSError:
            return True


def _write_log(admin: psycopg.Connection[object]) -> None:
    try:
        for _ in range(400):
            admin.execute("SELECT pg_logical_emit_message(false, 'fill', repeat('x', 500000))")
    except psycopg.Error:
        return


def out_of_temporary_space(rig: Rig, seed: int) -> Row:
    """Sorts may not spill to the disk: what needs it waits, the rest goes on, and afterwards nothing is missing."""
    rig.serve()
    roles = ("app", "engine")
    names = [rig.postgres.users[role] for role in roles]
    with rig.town(seed) as town:
        company = town.companies[0]
        town.begin()
        stuck = int(not rig.wait_acknowledged(town, 30))
        for name in names:
            rig.postgres.administer(
                f"ALTER ROLE {name} SET temp_file_limit = '0'", f"ALTER ROLE {name} SET work_mem = '64kB'"
            )
        _renew_connections(rig)
        failed = _contacts_by_sql(rig, company, 1_500)
        before = town.acknowledged()
        time.sleep(4)
        meanwhile = town.acknowledged() - before
        for name in names:
            rig.postgres.administer(
                f"ALTER ROLE {name} RESET temp_file_limit", f"ALTER ROLE {name} RESET work_mem"
            )
        _renew_connections(rig)
        stuck += not rig.wait_acknowledged(town, 30)
        # What could not be sorted waits; phones are compared once it has come to them.
        stuck += not wait_until(lambda: _is_sequenced(rig), DRAINED_S, 0.2)
        told = {code for device in town.devices for code in device.journal.codes}
        spilled = rig.postgres.log.read_text(encoding="utf-8", errors="replace").count(
            "temporary file size exceeds"
        )
        stuck += spilled == 0
        row = rig.judge(
            "no temporary space",
            town,
            1,
            acknowledged_meanwhile=meanwhile,
            refused_by_PostgreSQL=spilled,
            imports_that_failed=failed,
            answers=sorted(told),
        )
    row.stuck += stuck
    return _only_unavailable(row, told)


def _is_sequenced(rig: Rig) -> bool:
    """Whether no mark of the import waits any more; phones that work on make new ones."""
    with rig.postgres.admin(DATABASE) as admin:
        found = admin.execute("SELECT count(*) FROM sync_pending WHERE entity = 'contact'").fetchone()
    return found is not None and found[0] < FEW_MARKS


def _renew_connections(rig: Rig) -> None:
    """Settings of a role hold for new connections."""
    rig.postgres.administer(RENEW)


def _contacts_by_sql(rig: Rig, company: Company, count: int) -> int:
    """As an import does: one transaction, far more than the sequencer can sort in memory."""
    with rig.postgres.admin(DATABASE) as admin:
        try:
            admin.execute(
                "INSERT INTO contacts (tenant_id, id, account_id, name)"
                " SELECT a.tenant_id, gen_random_uuid(), a.id, substr(a.name, 1, 6) || ' 연락처 ' || n"
                " FROM accounts a CROSS JOIN generate_series(1, %s) n WHERE a.tenant_id = %s",
                [count // 20, company.id],
            )
        except psycopg.Error:
            return 1
    return 0


def out_of_handles(rig: Rig, seed: int, rounds: int) -> Row:
    """Web workers may open no more files and sockets for a while; without a restart they go on afterwards."""
    service, stuck = rig.serve(), 0
    with rig.town(seed) as town:
        town.begin()
        for number in range(rounds):
            stuck += not rig.wait_acknowledged(town, 20)
            former = service.limit_files(spare=number % 3)
            most = max(open_files_of(pid) for pid in former)
            _renew_connections(rig)
            time.sleep(2)
            service.give_files_back(former)
            alive = all(is_alive(pid) for pid in former)
            stuck += not rig.wait_acknowledged(town, 20)
        told = {code for device in town.devices for code in device.journal.codes}
        row = rig.judge(
            "out of file handles",
            town,
            rounds,
            handles=most,
            workers_survived="yes" if alive else "no",
            answers=sorted(told),
        )
    row.stuck += stuck
    return _only_unavailable(row, told)


# -- PgBouncer


def pgbouncer(rig: Rig, seed: int, rounds: int) -> Row:
    """Two companies over few backends of a transaction pooler, which is killed and started again in between."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        raise Missing("pgbouncer is not installed (apt-get install pgbouncer)")
    stuck, slowest = 0, 0.0
    with _Bouncer(rig, program) as bouncer:
        rig.serve(DATABASE_URL=bouncer.url, FIELDMERGE_PGBOUNCER="1")
        with rig.town(seed) as town:
            town.begin()
            backends = set[int]()
            for _ in range(rounds):
                stuck += not rig.wait_acknowledged(town, 30)
                with rig.postgres.admin() as admin:
                    for (pid,) in admin.execute(
                        "SELECT pid FROM pg_stat_activity WHERE usename = %s AND application_name <> ''",
                        [rig.postgres.users["app"]],
                    ):
                        backends.add(pid)
                in_mid_push(town)
                began = time.monotonic()
                bouncer.kill()
                bouncer.start()
                stuck += not rig.wait_acknowledged(town, 10)
                slowest = max(slowest, time.monotonic() - began)
            row = rig.judge(
                "PgBouncer in transaction mode, killed",
                town,
                rounds,
                pool="2 backends for 2 companies",
                slowest_recovery=f"{slowest:.1f} s",
            )
        rig.service.end()
    row.stuck += stuck
    return row


class _Bouncer:
    """PgBouncer with two backends, as the user who runs PostgreSQL."""

    def __init__(self, rig: Rig, program: str) -> None:
        self.rig, self.program, self.port = rig, program, free_port()
        self.account = server_account(rig.postgres.data)
        self.place = rig.place / "pgbouncer"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Of the app role, through it."""
        return self.rig.postgres.url("app", DATABASE, self.port)

    def __enter__(self) -> "_Bouncer":
        self.place.mkdir(mode=0o755, exist_ok=True)
        user, password = self.rig.postgres.users["app"], self.rig.postgres.passwords["app"]
        (self.place / "users.txt").write_text(f'"{user}" "{password}"\n', encoding="utf-8")
        (self.place / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"{DATABASE} = host=127.0.0.1 port={self.rig.postgres.port} dbname={DATABASE}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self.place / 'users.txt'}\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n"
            f"logfile = {self.place / 'log'}\n",
            encoding="utf-8",
        )
        for path in (self.place, *self.place.iterdir()):
            self.account.give(path)
        self.start()
        return self

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        self.process = subprocess.Popen(
            [self.program, str(self.place / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self.account.popen_options,
        )
        if not wait_until(self._answers, 15, 0.05):
            raise TimeoutError(f"PgBouncer does not answer; see {self.place / 'log'}")

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url, autocommit=True, prepare_threshold=None) as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except psycopg.OperationalError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def __exit__(self, *_: object) -> None:
        self.kill()


# -- other servers


def standbys(rig: Rig, seed: int) -> tuple[Row, Row]:
    """The server's machine is lost and a standby takes over: a synchronous one, then one that lagged behind."""
    rig.serve(through_wires=True)
    stuck = 0
    with rig.town(seed) as town:
        first = Standby(rig.postgres, rig.postgres.port, rig.files / "synchronous", free_port())
        second: Standby | None = None
        try:
            rig.postgres.administer(
                "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
            )
            town.begin()
            stuck += not wait_until(lambda: _is_synchronous(rig), 15, 0.1)
            stuck += not rig.wait_acknowledged(town, 60)
            in_mid_push(town)
            rig.postgres.kill()
            took = _take_over(rig, first)
            stuck += not rig.wait_acknowledged(town, 30)
            town.halt()
            with first.admin(DATABASE) as admin:
                row = _judged_on(rig, town, admin, "synchronous standby promoted", took, stuck)
            rebased = sum(device.journal.rebases for device in town.devices)
            known = town.acknowledged()
            rig.replication_wire.point_to(first.port)
            second = Standby(rig.postgres, rig.replication_wire.port, rig.files / "asynchronous", free_port())
            town.begin()
            stuck = int(not rig.wait_acknowledged(town, 30))
            rig.replication_wire.is_hole = True  # from here on the standby lags
            stuck += not rig.wait_acknowledged(town, 60)
            town.halt()
            first.kill()
            rig.replication_wire.sever()
            took = _take_over(rig, second)
            with second.admin(DATABASE) as admin:
                lag = town.acknowledged() - _known_to(admin, town)
                began = _lives(admin)
                town.begin()
                stuck += not rig.wait_acknowledged(town, 20)
                town.halt()
                later = _judged_on(rig, town, admin, "asynchronous standby promoted after lag", took, stuck)
                new_lives = _lives(admin) - began
            later.acknowledged -= known
            later.notes |= {
                "acknowledged work that the standby lacked": str(lag),
                "new epochs": str(new_lives),
                "phones that started over": str(
                    sum(device.journal.rebases for device in town.devices) - rebased
                ),
            }
            if lag <= 0:
                later.stuck += 1
                later.said.append("stuck: the standby did not lag: nothing was shown")
            elif not new_lives:
                later.lost += 1
                later.said.append("lost: the epoch did not change though work was missing")
        finally:
            town.halt()
            first.kill()
            if second is not None:
                second.kill()
            _come_home(rig)
    return row, later


def _known_to(admin: "psycopg.Connection[object]", town: Town) -> int:
    """How many mutations of these companies a server knows."""
    found = admin.execute(
        "SELECT count(*) FROM sync_mutations WHERE tenant_id = ANY(%s)", [[one.id for one in town.companies]]
    ).fetchone()
    return int(found[0])  # type: ignore[index]


def _lives(admin: "psycopg.Connection[object]") -> int:
    found = admin.execute("SELECT count(*) FROM sync_epochs").fetchone()
    return int(found[0])  # type: ignore[index]


def _is_synchronous(rig: Rig) -> bool:
    with rig.postgres.admin() as admin:
        row = admin.execute("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'").fetchone()
    return row is not None and row[0] == 1


def _take_over(rig: Rig, standby: Standby) -> float:
    began = time.monotonic()
    standby.promote()
    # The old server is never asked again.
    rig.app_wire.point_to(standby.port)
    rig.engine_wire.point_to(standby.port)
    return time.monotonic() - began


def _judged_on(
    rig: Rig, town: Town, admin: "psycopg.Connection[object]", scenario: str, took: float, stuck: int
) -> Row:
    rig.heal()
    found = judge(town, admin, rig.service.url)
    row = found.row(scenario, town.acknowledged(), 1, took_over_in=f"{took:.1f} s")
    row.stuck += stuck
    return row


def _come_home(rig: Rig) -> None:
    """Back to the first server, as it was when it ended."""
    rig.postgres.start()
    rig.postgres.administer("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
    for wire in (rig.app_wire, rig.engine_wire):
        wire.point_to(rig.postgres.port)
    rig.heal()


def restored(rig: Rig, seed: int) -> Row:
    """The server is put back to a base backup while phones hold unsent work."""
    rig.serve()
    backup = rig.files / "backup"
    with rig.town(seed) as town:
        town.begin()
        stuck = int(not rig.wait_acknowledged(town, 40))
        rig.postgres.base_backup(backup)
        stuck += not rig.wait_acknowledged(town, 60)
        town.halt()
        for device in town.devices:
            device.do(lambda one=device: one.work(8))  # type: ignore[misc]
        unsent = sum(device.do(device.phone.waiting) for device in town.devices)
        rig.postgres.stop()
        began = time.monotonic()
        rig.postgres.put_back(backup)
        rig.postgres.start()
        took = time.monotonic() - began
        with rig.postgres.admin(DATABASE) as admin:
            forgotten = town.acknowledged() - _known_to(admin, town)
        town.begin()
        stuck += not rig.wait_acknowledged(town, unsent)
        row = rig.judge(
            "restored from a base backup",
            town,
            1,
            may_forget=True,
            acknowledged_and_not_in_the_backup=forgotten,
            unsent_at_the_restore=unsent,
            phones_that_started_over=sum(bool(device.journal.rebases) for device in town.devices),
            restored_in=f"{took:.1f} s",
        )
        again = sum(len(device.journal.epochs) > 1 for device in town.devices)
    row.stuck += stuck
    if forgotten > 0 and not again:
        row.lost += 1
        row.said.append("lost: the epoch did not change though work was missing")
    shutil.rmtree(backup, ignore_errors=True)
    return row


# -- clocks


def clocks(rig: Rig, seed: int, shifts: Mapping[str, int]) -> Row:
    """The clocks of the service, of PostgreSQL, and of both jump, forth and back under the same phones.

    That of PostgreSQL by libfaketime; that of the service at its one place, ``app/core/clock.py``: libfaketime spoils
    Python's sleep.
    """
    library = _libfaketime()
    if library is None:
        raise Missing("libfaketime is not installed (apt-get install faketime)")
    whole, logins = Row("server clocks wrong by ±1 h and ±10 years"), 0
    who = ("both", "service", "PostgreSQL")
    for number, (shift, seconds) in enumerate(shifts.items()):
        whose = who[(number + seed) % 3]
        fake = {"LD_PRELOAD": str(library), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        rig.serve()
        with rig.town(seed + number) as town:
            town.begin()
            stuck = int(not rig.wait_acknowledged(town, 20))
            if whose != "service":
                rig.postgres.stop_at_once()
                rig.postgres.start(**fake)
            rig.mutant = None if whose == "PostgreSQL" else f"{CLOCK}{seconds:+d}"
            try:
                rig.serve()
                stuck += not rig.wait_acknowledged(town, 20)
            finally:
                rig.mutant = None
                if whose != "service":
                    rig.postgres.stop_at_once()
                    rig.postgres.start()
            rig.serve()
            stuck += not rig.wait_acknowledged(town, 20)
            row = rig.judge(whole.scenario, town, 1)
            logins += sum(device.logins for device in town.devices)
        row.stuck += stuck
        row.said = [f"{shift} of {whose}: {said}" for said in row.said]
        if stuck:
            row.said.append(f"{shift} of {whose}: {stuck} waits were too long")
        whole.add(row)
    whole.notes = {"shifts": ", ".join(shifts), "logins that were asked for": str(logins)}
    return whole


def _libfaketime() -> Path | None:
    roots = [Path("/") / prefix for prefix in PREFIXES]
    found = [path for root in roots for path in root.glob("**/faketime/libfaketimeMT.so.1")] or [
        path for root in roots for path in root.glob("**/faketime/libfaketime.so.1")
    ]
    return found[0] if found else None


# -- all at once


def retry_storm(rig: Rig, seed: int, phones: int, measure_s: float) -> Row:
    """After an outage all phones come back at once, a tenth of them without any pause between their tries."""
    rig.serve()
    with rig.town(seed, north=0) as town:
        company = town.found(*[("n", 25, Role.REP)] * max(1, phones // 25))
        for device in company.devices:
            device.most_wait_s = STORM_WAIT_S
        few = _goodput(company.devices[:8], company, measure_s)
        # The same phones, since each edit goes to all of a company: eight have less to do for one.
        peak = _goodput(company.devices, company, measure_s)
        for number, device in enumerate(company.devices):
            device.is_impatient = number % 10 == 0
        # A machine that others use has slow moments; a service that breaks down does so each time.
        for _ in range(STORMS):
            enough, goodput = _after_outage(rig, town, company)
            if is_borne := enough and goodput >= LEAST_SHARE * peak:
                break
        row = rig.judge(
            f"retry storm of {len(company.devices)} phones",
            town,
            1,
            eight_per_s=f"{few:.0f}",
            peak_per_s=f"{peak:.0f}",
            in_the_storm_per_s=f"{goodput:.0f}",
            share=f"{goodput / peak:.0%}" if peak else "–",
        )
    if not is_borne:
        row.stuck += 1
        row.said.append(f"stuck: {goodput:.0f} acknowledged a second in the storm, {peak:.0f} at the peak")
    return row


def _after_outage(rig: Rig, town: Town, company: Company) -> tuple[bool, float]:
    """Whether the work of the outage got through in time, and how much of it a second."""
    rig.service.end()
    came = threading.Event()
    coming = len(company.devices) * STORM_WORK * STORM_REQUESTS
    for device in company.devices:
        device._life = device._thread.submit(_until_sent, device, came)
    time.sleep(1)
    rig.service.start()
    before = town.acknowledged()
    came.set()
    wait_until(lambda: town.acknowledged() > before, 30, 0.01)
    began = time.monotonic()  # what a new worker has to load first is no matter of the storm
    enough = wait_until(lambda: town.acknowledged() - before >= coming * 0.8, 120, 0.05)
    took = time.monotonic() - began
    goodput = (town.acknowledged() - before) / took
    town.halt()
    return enough, goodput


def _goodput(devices: list[Device], company: Company, measure_s: float) -> float:
    """Mutations acknowledged a second in calm times, in requests as large as those of the storm."""
    stop = threading.Event()

    def live(device: Device) -> None:
        while not stop.is_set():
            device.work(STORM_WORK)
            device.try_sync()

    for device in devices:
        device.stop.clear()
        device._life = device._thread.submit(live, device)
    time.sleep(1)
    before = sum(len(device.journal.heard) for device in company.devices)
    time.sleep(measure_s)
    after = sum(len(device.journal.heard) for device in company.devices)
    stop.set()
    for device in devices:
        device.rest()
    return (after - before) / measure_s


def _until_sent(device: Device, came: threading.Event) -> None:
    device.stop.clear()
    device.work(STORM_WORK)  # in the outage
    came.wait(60)
    for _ in range(STORM_REQUESTS - 1):
        _send(device)
        device.work(STORM_WORK)
    _send(device)


def _send(device: Device) -> None:
    while not device.stop.is_set() and device.phone.waiting():
        try:
            device.phone.sync()
        except (NoAnswer, Refused):
            device.failures += 1
