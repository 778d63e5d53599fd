"""Processes that end without a word: web workers, PostgreSQL, the supervisor; restarts and pauses."""

import signal
import time
from collections.abc import Callable
from functools import partial
from random import Random

import psycopg

from tests.faults.people import Town
from tests.faults.processes import is_alive, send, wait_until
from tests.faults.report import Row
from tests.faults.rig import DATABASE, Rig, in_mid_push

ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state <> 'idle' AND query ~* %s"
IN_A_DRAIN = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fieldmerge-engine' AND state <> 'idle'"
)


def web_workers(rig: Rig, seed: int, kills: int, between: int) -> Row:
    """SIGKILL to a web worker while it takes pushes in; *between* acknowledgements lie between two kills."""
    random, slowest, mid, stuck = Random(seed), 0.0, 0, 0
    service = rig.serve()
    with rig.town(seed) as town:
        town.begin()
        for _ in range(kills):
            stuck += not rig.wait_acknowledged(town, between)
            mid += in_mid_push(town)
            time.sleep(random.uniform(0, 0.05))
            before = service.workers()
            victim = random.choice(before)
            began = time.monotonic()
            send(victim, signal.SIGKILL)
            wait_until(partial(service.has_workers, len(before), [victim]), 20)
            slowest = max(slowest, time.monotonic() - began)
        stuck += not rig.wait_acknowledged(town, between)
        row = rig.judge(
            "kill -9 of a web worker in mid-push",
            town,
            kills,
            in_mid_push=mid,
            slowest_new_worker=f"{slowest:.1f} s",
        )
    row.stuck += stuck
    return row


def postgres(
    rig: Rig, seed: int, kills: int, between: int, *, prepare: Callable[[], None] = lambda: None
) -> Row:
    """All processes of PostgreSQL end at once while pushes are under way; every third time it stops immediately.

    Args:
        rig: The installation.
        seed: Of phones and moments.
        kills: How many.
        between: Acknowledgements between two.
        prepare: Called when the companies are there and the phones are not yet at work.
    """
    random, slowest, mid, stuck = Random(seed), 0.0, 0, 0
    rig.serve()
    with rig.town(seed) as town:
        prepare()
        town.begin()
        for number in range(kills):
            stuck += not rig.wait_acknowledged(town, between)
            mid += in_mid_push(town)
            time.sleep(random.uniform(0, 0.08))
            slowest = max(slowest, _down_and_up(rig, immediate=number % 3 == 2))
        stuck += not rig.wait_acknowledged(town, between)
        row = rig.judge(
            "kill -9 of PostgreSQL in mid-push",
            town,
            kills,
            in_mid_push=mid,
            slowest_recovery=f"{slowest:.1f} s",
        )
    row.stuck += stuck
    return row


def postgres_in_a_drain(rig: Rig, seed: int, kills: int, between: int) -> Row:
    """The same while the sequencer works, as pg_stat_activity tells."""
    return _struck(rig, seed, kills, between, "kill -9 of PostgreSQL in mid-drain", IN_A_DRAIN, ())


def postgres_in_a_refresh(rig: Rig, seed: int, kills: int, between: int) -> Row:
    """The same while a phone exchanges its refresh token; no session may end for it."""
    return _struck(
        rig,
        seed,
        kills,
        between,
        "kill -9 of PostgreSQL in mid-refresh",
        ACTIVE,
        (DATABASE, "refresh_families"),
        refreshing=True,
    )


def _struck(
    rig: Rig,
    seed: int,
    kills: int,
    between: int,
    scenario: str,
    query: str,
    values: tuple[str, ...],
    *,
    refreshing: bool = False,
) -> Row:
    hit = stuck = 0
    rig.serve()
    with rig.town(seed) as town:
        for device in town.devices:
            device.spoils_tokens = refreshing
            device.burst = 3 if refreshing else 25
        town.begin()
        for _ in range(kills):
            stuck += not rig.wait_acknowledged(town, between)
            with rig.postgres.admin() as admin:
                hit += _seen(admin, query, values)
                _down_and_up(rig)
        stuck += not rig.wait_acknowledged(town, between)
        logins = sum(device.logins for device in town.devices)
        row = rig.judge(scenario, town, kills, struck_in_the_act=hit, sessions_ended=logins)
    row.stuck += stuck
    if logins:
        row.stuck += logins
        row.said.append(f"{logins} phones had to log in again")
    return row


def _seen(admin: psycopg.Connection[object], query: str, values: tuple[str, ...]) -> bool:
    def looks() -> bool:
        row = admin.execute(query, values).fetchone()
        return row is not None and bool(row[0])  # type: ignore[index]

    return wait_until(looks, 5, 0.0005)


def _down_and_up(rig: Rig, *, immediate: bool = False) -> float:
    """Kill PostgreSQL and start it again; gives how long the recovery took."""
    if immediate:
        rig.postgres.stop_at_once()
    else:
        rig.postgres.kill()
    began = time.monotonic()
    rig.postgres.start()
    return time.monotonic() - began


def one_backend(rig: Rig, seed: int, kills: int, between: int) -> Row:
    """SIGKILL to a single backend of PostgreSQL: it ends all others and recovers by itself."""
    stuck, slowest = 0, 0.0
    rig.serve()
    with rig.town(seed) as town:
        town.begin()
        for _ in range(kills):
            stuck += not rig.wait_acknowledged(town, between)
            with rig.postgres.admin() as admin:
                found = admin.execute(
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'fieldmerge-app' ORDER BY random()"
                ).fetchone()
            if found is not None:
                began = time.monotonic()
                send(int(found[0]), signal.SIGKILL)
                time.sleep(0.05)
                stuck += not wait_until(lambda: _answers(rig), 30, 0.05)
                slowest = max(slowest, time.monotonic() - began)
        stuck += not rig.wait_acknowledged(town, between)
        row = rig.judge(
            "kill -9 of one backend of PostgreSQL", town, kills, slowest_recovery=f"{slowest:.1f} s"
        )
    row.stuck += stuck
    return row


def _answers(rig: Rig) -> bool:
    try:
        with rig.postgres.admin() as admin:
            return admin.execute("SELECT 1").fetchone() is not None
    except psycopg.OperationalError:
        return False


def restarts(rig: Rig, seed: int, rounds: int, between: int) -> Row:
    """SIGTERM to the supervisor under load and a new start: whatever was accepted was answered.

    Shown from outside: no verdict comes as a replay. One would mean that a mutation had been judged and that the
    answer to it was never given.
    """
    service, stuck, down = rig.serve(), 0, 0.0
    with rig.town(seed) as town:
        town.begin()
        statuses = []
        for _ in range(rounds):
            stuck += not rig.wait_acknowledged(town, between)
            in_mid_push(town)
            began = time.monotonic()
            below = service.processes()
            statuses.append(service.terminate())
            left = [pid for pid in below if is_alive(pid)]
            stuck += bool(left)
            service.start()
            down = max(down, time.monotonic() - began)
        stuck += not rig.wait_acknowledged(town, between)
        replayed = _replayed(town)
        row = rig.judge(
            "SIGTERM restart under load",
            town,
            rounds,
            failed_accepted_requests=replayed,
            exit_statuses=sorted(set(statuses)),
            longest_restart=f"{down:.1f} s",
        )
    row.stuck += stuck + replayed
    if replayed:
        row.said.append(f"stuck: {replayed} mutations were judged by requests that were not answered")
    return row


def _replayed(town: Town) -> int:
    return sum(device.journal.replayed for device in town.devices)


def pauses(rig: Rig, seed: int, rounds: int, pause_s: float) -> Row:
    """SIGSTOP to a worker in mid-push, SIGCONT later: what it writes then is written once, and others go on."""
    random, stuck, meanwhile = Random(seed), 0, 0
    service = rig.serve()
    with rig.town(seed) as town:
        town.begin()
        for _ in range(rounds):
            stuck += not rig.wait_acknowledged(town, 20)
            in_mid_push(town)
            victim = random.choice(service.workers())
            before = town.acknowledged()
            send(victim, signal.SIGSTOP)
            try:
                time.sleep(pause_s)
            finally:
                send(victim, signal.SIGCONT)
            meanwhile += town.acknowledged() - before
            stuck += not rig.wait_acknowledged(town, 20)
        row = rig.judge(f"worker paused for {pause_s:.0f} s", town, rounds, acknowledged_meanwhile=meanwhile)
    row.stuck += stuck
    return row


def supervisors(rig: Rig, seed: int, rounds: int, between: int) -> Row:
    """SIGKILL to the supervisor: what it started ends too, and the next start finds the port free."""
    service, stuck, slowest = rig.serve(), 0, 0.0
    said = []
    with rig.town(seed) as town:
        town.begin()
        for _ in range(rounds):
            stuck += not rig.wait_acknowledged(town, between)
            in_mid_push(town)
            began = time.monotonic()
            below = service.kill_supervisor()
            if not wait_until(lambda left=below: not any(is_alive(pid) for pid in left), 45):  # type: ignore[misc]
                left = [pid for pid in below if is_alive(pid)]
                said.append(f"stuck: {len(left)} processes outlived their supervisor")
                for pid in left:
                    send(pid, signal.SIGKILL)
            slowest = max(slowest, time.monotonic() - began)
            service.start()
        stuck += not rig.wait_acknowledged(town, between)
        row = rig.judge(
            "kill -9 of the supervisor", town, rounds, slowest_end_of_what_it_left=f"{slowest:.1f} s"
        )
    row.stuck += stuck + len(said)
    row.said += said
    return row
