"""The network between phones and service, and between service and PostgreSQL."""

import time
from random import Random

from tests.faults.people import Device, Town
from tests.faults.processes import wait_until
from tests.faults.report import Row
from tests.faults.rig import DATABASE, Rig, Role

IMPATIENT_S = 2.5
"""How long phones wait for an answer here: black holes are many, and the harness has no hours."""


def phones_and_service(rig: Rig, seed: int, runs: int, work: int) -> Row:
    """One run: every phone does some work in bad weather, the weather clears, all queues drain, all are equal."""
    rig.serve()
    return _runs(rig, "partitions between phones and service", seed, runs, work, http=True, wire=False)


def service_and_database(rig: Rig, seed: int, runs: int, work: int) -> Row:
    """The same between the service and PostgreSQL: for requests and for the sequencer."""
    rig.serve(through_wires=True)
    return _runs(rig, "partitions between service and PostgreSQL", seed, runs, work, http=False, wire=True)


def everywhere(rig: Rig, seed: int, runs: int, work: int) -> Row:
    """The same at both places at once."""
    rig.serve(through_wires=True)
    return _runs(rig, "partitions at both places", seed, runs, work, http=True, wire=True)


def _runs(rig: Rig, scenario: str, seed: int, runs: int, work: int, *, http: bool, wire: bool) -> Row:
    random, whole = Random(seed), Row(scenario)
    for proxy in (rig.http, rig.app_wire, rig.engine_wire):
        proxy.met.clear()
        proxy.random.seed(seed)
    done = 0
    while done < runs:
        # A few runs share their companies: what the last one left behind is there in the next.
        batch = min(5, runs - done)
        with rig.town(seed + done, proxied=True, north=random.randint(2, 4), timeout_s=IMPATIENT_S) as town:
            before = 0
            for _ in range(batch):
                _bad_weather(rig, town, work, http=http, wire=wire)
                found = rig.findings(town)
                found.lost += town.forgotten()
                row = found.row(scenario, town.acknowledged() - before, 1)
                before = town.acknowledged()
                whole.add(row)
        done += batch
    met = rig.http.met + rig.app_wire.met + rig.engine_wire.met
    whole.notes = {name: str(count) for name, count in sorted(met.items())}
    return whole


def _bad_weather(rig: Rig, town: Town, work: int, *, http: bool, wire: bool) -> None:
    rig.http.is_calm = not http
    rig.app_wire.is_calm = rig.engine_wire.is_calm = not wire
    if wire:  # connections of the pools were made in calm weather
        rig.app_wire.sever()
        rig.engine_wire.sever()
    goal = town.acknowledged() + work
    town.begin()
    wait_until(lambda: town.acknowledged() >= goal, 12)
    for device in town.devices:
        device.halt()
    rig.heal()
    town.halt()


def lost_answers(rig: Rig, seed: int, rounds: int) -> Row:
    """The answer is lost after COMMIT: the retry gets the first verdict, marked as a replay."""
    rig.serve()
    said = []
    with rig.town(seed, proxied=True, north=0) as town:
        company = town.found(("n", 1, Role.REP))
        device = company.devices[0]
        for _ in range(rounds):
            device.do(lambda: device.work(3))
            before = device.journal.replayed
            rig.http.only = "answer lost"
            device.is_impatient = True
            device.do(device.try_sync)
            rig.http.only = None
            device.is_impatient = False
            device.do(device.try_sync)
            if device.journal.replayed == before:
                said.append("stuck: the retry was no replay")
        row = rig.judge("answer lost after COMMIT", town, rounds, replays=device.journal.replayed)
    row.stuck += len(said)
    row.said += said
    return row


def lost_commits(rig: Rig, seed: int, rounds: int) -> Row:
    """The connection to PostgreSQL is lost in COMMIT: once the service asks again itself, each time it says so.

    Every second time PostgreSQL got the COMMIT, every other time it did not. When all its tries were lost the
    service answers 503 ``outcome_unknown``, and the phone's retry resolves it.
    """
    rig.serve(through_wires=True)
    unknown = resolved = 0
    said: list[str] = []
    with rig.town(seed, proxied=False, north=0) as town:
        device = town.found(("n", 1, Role.REP)).devices[0]
        for number in range(rounds):
            lets_commit, all_tries = number % 2 == 0, number % 4 >= 2
            device.do(lambda: device.work(4))
            before = device.journal.codes.get("503 outcome_unknown", 0)
            # Whatever the number of tries, and whoever else commits meanwhile.
            rig.app_wire.cut_commits(1_000 if all_tries else 1, lets_commit=lets_commit)
            if all_tries:
                told = _asked_once(device)
                rig.app_wire.cuts = 0
                # Behind the first COMMIT that PostgreSQL got the service reads a verdict and writes nothing.
                if not lets_commit and "503 outcome_unknown" not in told:
                    said.append(f"stuck: nothing but lost COMMITs was answered with {told or 'success'}")
            if not device.do(device.try_sync) or device.do(device.phone.waiting):
                said.append("stuck: the retry did not resolve it")
            else:
                resolved += 1
            unknown += device.journal.codes.get("503 outcome_unknown", 0) - before
        cut = {name: count for name, count in rig.app_wire.met.items() if name.startswith("COMMIT")}
        row = rig.judge(
            "connection lost in COMMIT",
            town,
            rounds,
            outcome_unknown=unknown,
            resolved=resolved,
            **_plain(cut),
        )
    row.stuck += len(said)
    row.said += said
    return row


def _plain(counts: dict[str, int]) -> dict[str, int]:
    return {name.replace(" ", "_"): count for name, count in counts.items()}


def _asked_once(device: Device) -> list[str]:
    """One request without the phone's own retries; the codes that came."""
    before = dict(device.journal.codes)

    def work() -> None:
        device.stop.set()
        tries, device.phone.client._sleep = device.phone.client._sleep, _give_up
        try:
            device.phone.sync()
        except GaveUp:
            pass
        finally:
            device.phone.client._sleep = tries

    device.do(work)
    return [code for code, count in device.journal.codes.items() if count > before.get(code, 0)]


class GaveUp(Exception):
    """The phone does not wait for a second try."""


def _give_up(_: float) -> None:
    raise GaveUp


def long_transaction(rig: Rig, seed: int, hold_s: float) -> Row:
    """A writing transaction of somebody in SQL stays open: nobody waits for it, and nothing of it is skipped."""
    rig.serve()
    with rig.town(seed) as town:
        company = town.companies[0]
        with rig.postgres.admin(DATABASE) as admin:
            record = admin.execute(
                "SELECT id FROM accounts WHERE tenant_id = %s ORDER BY id LIMIT 1", [company.id]
            ).fetchone()
        assert record is not None
        for device in town.devices:  # they work on all others: two writers of one row do wait for each other
            device.avoid(str(record[0]))
        town.begin()
        rig.wait_acknowledged(town, 40)
        began, before = time.monotonic(), town.acknowledged()
        time.sleep(hold_s)
        free = (town.acknowledged() - before) / (time.monotonic() - began)
        for device in town.devices:
            device.journal.slowest_s = 0.0
        with rig.postgres.admin(DATABASE) as admin:
            admin.execute("BEGIN")
            admin.execute(
                "UPDATE accounts SET risk_class = 'held' WHERE tenant_id = %s AND id = %s",
                [company.id, record[0]],
            )
            began, before = time.monotonic(), town.acknowledged()
            time.sleep(hold_s)
            held = (town.acknowledged() - before) / (time.monotonic() - began)
            slowest = max(device.journal.slowest_s for device in town.devices)
            admin.execute("COMMIT")
        row = rig.judge(
            f"writing transaction open for {hold_s:.0f} s",
            town,
            1,
            acknowledged_per_s_without=f"{free:.0f}",
            with_it=f"{held:.0f}",
            slowest_answer=f"{slowest:.1f} s",
        )
        kept = {
            str(body["risk_class"])
            for device in company.devices
            for (entity, one), body in device.held().items()
            if entity == "account" and one == str(record[0]) and "risk_class" in body
        }
    if held < free / 3:
        row.stuck += 1
        row.said.append(f"stuck: {held:.0f} acknowledgements a second instead of {free:.0f}")
    if kept != {"held"}:
        row.unequal += 1
        row.said.append(f"unequal: what was held open came as {kept}")
    return row
