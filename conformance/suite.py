"""The list of scenarios, the bench on which they are played, and how one is judged."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from conformance.client import API, Device, Json, Wire, new_id, now, wire_time
from conformance.errors import Broken, NoServer, NotProvable, expect

SHOWN_EXCHANGES = 6


@dataclass(slots=True)
class Bench:
    """What the scenarios have in common: the server, who may log in, and devices that are used again."""

    wire: Wire
    tenant: str
    logins: dict[str, tuple[str, str]] = field(repr=False)
    may_reset: bool = False
    may_lock: bool = False
    other: tuple[str, str, str] | None = field(default=None, repr=False)
    _kept: dict[str, Device] = field(default_factory=dict)

    def new(self, role: str, **more: Any) -> Device:
        """A new device of somebody with this role, logged in, that has not synced yet.

        Raises:
            NotProvable: No login was given for the role.
            NoServer: The login is not accepted.
        """
        if role not in self.logins:
            raise NotProvable(f"needs the login of a {role} (--{role} LOGIN:PASSWORD)")
        login, password = self.logins[role]
        device = Device(self.wire, self.tenant, login, password, **more)
        answer = device.log_in()
        if answer.status != 200:
            raise NoServer(f"{login} cannot log in: {answer.status} {answer.code}")
        return device

    def device(self, name: str = "rep") -> Device:
        """A device that is used again; ``rep`` and ``rep2`` are two of one person. It stands at a checkpoint."""
        if name not in self._kept:
            self._kept[name] = self.new(name.rstrip("0123456789"))
        device = self._kept[name]
        device.settle()
        return device

    def account(self, device: Device, **fields: Any) -> str:
        """A new customer of the device's person, held by the device."""
        record_id = new_id()
        area = next((one["id"] for one in device.all("territory")), None)
        values = {"name": f"적합성 시험 {record_id[:8]}", "territory_id": area} | fields
        made = device.push(device.mutation("create", "account", record_id, fields=values))
        expect(made["status"] == "applied", "A customer can be made", verdict=made)
        expect(device.held("account", record_id), "What was pushed comes back with the pull", id=record_id)
        return record_id

    def visit(self, device: Device, account_id: str, **fields: Any) -> str:
        """A visit of the device's person tomorrow."""
        record_id, start = new_id(), now() + timedelta(days=1)
        values = {
            "account_id": account_id,
            "planned_start": wire_time(start),
            "planned_end": wire_time(start + timedelta(hours=1)),
            "purpose": "sales",
        }
        made = device.push(device.mutation("create", "visit", record_id, fields=values | fields))
        expect(made["status"] == "applied", "A visit can be planned", verdict=made)
        return record_id

    def contact(self, device: Device, account_id: str, name: str = "윤서진") -> str:
        """A new contact of a customer, which its maker may delete again."""
        record_id = new_id()
        values = {"account_id": account_id, "name": name}
        made = device.push(device.mutation("create", "contact", record_id, fields=values))
        expect(made["status"] == "applied", "A contact can be made", verdict=made)
        return record_id


Play = Callable[[Bench], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One promise of the protocol, and how it is tried."""

    name: str
    promise: str
    section: str
    play: Play


SCENARIOS: list[Scenario] = []


def scenario(section: str) -> Callable[[Play], Play]:
    """Add the function to the list; its name and docstring tell the promise."""

    def add(play: Play) -> Play:
        promise = (play.__doc__ or "").strip().partition("\n")[0]
        SCENARIOS.append(Scenario(play.__name__.replace("_", "-"), promise, section, play))
        return play

    return add


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a scenario; ``exchanges`` are the last ones before it failed."""

    scenario: Scenario
    verdict: str
    why: str
    seconds: float
    exchanges: tuple[Json, ...] = ()


def run(bench: Bench, scenarios: Iterable[Scenario]) -> Iterator[Result]:
    """Play one after the other; the failure of one keeps no other from being played."""
    for one in scenarios:
        bench.wire.said.clear()
        started = time.monotonic()
        verdict, why = "pass", ""
        try:
            one.play(bench)
        except NotProvable as reason:
            verdict, why = "not provable", str(reason)
        except Broken as broken:
            verdict, why = "fail", str(broken)
        except NoServer as lost:
            verdict, why = "fail", f"No answer: {lost}"
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as odd:
            # What the server said is not of the form that the protocol gives it.
            verdict, why = "fail", f"An answer is not of the protocol's form: {type(odd).__name__}: {odd}"
        shown = tuple(bench.wire.said[-SHOWN_EXCHANGES:]) if verdict == "fail" else ()
        yield Result(one, verdict, why, time.monotonic() - started, shown)


def is_there(wire: Wire) -> bool:
    """Whether a server of this protocol answers at the address."""
    return wire.ask("GET", f"{API}/sync/schema").status in (200, 401)
