"""The list of scenarios, the bench on which they are played, and how one is judged."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import urllib3

from conformance.client import API, Device, Json, Wire, new_id, now, wire_time
from conformance.errors import Broken, NoLogin, NoServer, NotProvable, expect

SCHEMA: Final = f"{API}/sync/schema"
SHOWN_EXCHANGES: Final = 6
BACK_WITHIN_S: Final = 10.0


@dataclass(slots=True)
class Bench:
    """What the scenarios have in common: the server, who may log in, and devices that are used again."""

    wire: Wire
    tenant: str
    logins: dict[str, tuple[str, str]] = field(repr=False)
    may_reset: bool = False
    may_lock: bool = False
    other: tuple[str, str, str] | None = field(default=None, repr=False)
    customers_made: int = 0
    _kept: dict[str, Device] = field(default_factory=dict)
    _all: list[Device] = field(default_factory=list)
    _elsewhere: Device | None = None
    _is_sandbox: bool = False

    def sign_in(self, role: str) -> None:
        """Log a device of this role in, which is used from now on.

        Raises:
            NoLogin: It is not let in.
            NoServer: There was no answer.
        """
        self._kept[role] = self.new(role)

    def new(self, role: str, **more: Any) -> Device:
        """A new device of somebody with this role, logged in, that has not synced yet.

        Raises:
            NotProvable: No login was given for the role.
            NoLogin: The login is not accepted.
        """
        if role not in self.logins:
            raise NotProvable(f"needs the login of a {role} (--{role} LOGIN:PASSWORD)")
        return self._let_in(Device(self.wire, self.tenant, *self.logins[role], **more))

    def of_another_company(self) -> Device:
        """The device of the person who was given as of another company.

        Raises:
            NotProvable: Nobody was.
            NoLogin: The login is not accepted.
        """
        if self.other is None:
            raise NotProvable("needs somebody of another company (--other TENANT:LOGIN:PASSWORD)")
        if self._elsewhere is None:
            self._elsewhere = self._let_in(Device(self.wire, *self.other))
        return self._elsewhere

    def _let_in(self, device: Device) -> Device:
        answer = device.log_in()
        if answer.status != 200:
            who = f"{device.login} of company {device.tenant}"
            wait = f", to be tried again in {after} s" if (after := answer.headers.get("retry-after")) else ""
            raise NoLogin(f"{who} cannot log in: the server answers {answer.status} {answer.code}{wait}")
        self._all.append(device)
        return device

    def is_sandbox(self) -> bool:
        """Whether the company says that it goes back to a kept state."""
        self._is_sandbox = self._kept["rep"].ask("GET", "/sandbox").status == 200
        return self._is_sandbox

    def tidy(self) -> str:
        """Sign all devices out, take a sandbox back where that was allowed, and say what is left behind."""
        try:
            return self._tidied()
        except (NoServer, KeyError, TypeError):
            return f"Left behind in company {self.tenant}: what was made before the server went away."

    def sign_out(self) -> None:
        """End the sessions of all devices; the server goes on listing the devices."""
        for device in self._all:
            device.ask("POST", "/auth/logout", {"refresh_token": device.refresh})

    def _tidied(self) -> str:
        admin = self._kept.get("admin")
        is_back = bool(self.may_reset and admin and admin.ask("POST", "/sandbox/reset").status == 200)
        self.sign_out()
        left = f"{len(self._all)} devices, signed out"
        if is_back:
            return f"Sandbox {self.tenant} was reset. Left behind in its registry: {left}."
        what = f"{self.customers_made} customers with contacts and visits, {left}"
        made = f"Left behind in company {self.tenant}: {what}."
        if self._is_sandbox:
            made += "\nThe next reset takes the records back; --may-reset does it at the end of a run."
        return made

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
        self.customers_made += 1
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


def run(
    bench: Bench, scenarios: Sequence[Scenario], begun: Callable[[Scenario], None] = lambda one: None
) -> Iterator[Result]:
    """Play one after the other; the failure of one keeps no other from being played, but for a server that is gone."""
    is_gone = False
    for one in scenarios:
        if is_gone:
            yield Result(one, "not played", "the server had gone away", 0.0)
            continue
        begun(one)
        bench.wire.said.clear()
        started = time.monotonic()
        verdict, why = "pass", ""
        try:
            one.play(bench)
        except NotProvable as reason:
            verdict, why = "not provable", str(reason)
        except (Broken, NoLogin) as broken:
            verdict, why = "fail", str(broken)
        except (NoServer, urllib3.exceptions.HTTPError, OSError) as lost:
            verdict, why = "fail", str(lost)
            is_gone = not _is_back(bench.wire)
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as odd:
            # What the server said is not of the form that the protocol gives it.
            verdict, why = "fail", f"An answer is not of the protocol's form: {type(odd).__name__}: {odd}"
        shown = tuple(bench.wire.said[-SHOWN_EXCHANGES:]) if verdict == "fail" else ()
        yield Result(one, verdict, why, time.monotonic() - started, shown)


def _is_back(wire: Wire) -> bool:
    """Whether the server answers again within a while: it may be one that restarts."""
    until = time.monotonic() + BACK_WITHIN_S
    while time.monotonic() < until:
        try:
            if is_there(wire):
                return True
        except NoServer:
            time.sleep(1)
    return False


def is_there(wire: Wire) -> bool:
    """Whether a server of this protocol answers at the address."""
    return greeting(wire) in (200, 401)


def greeting(wire: Wire) -> int:
    """What a server answers to somebody who has not logged in: 200 or 401 if it speaks this protocol."""
    return wire.ask("GET", SCHEMA).status
