"""A company with four phones, and what each of them does around the moment of a backup."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.config import Config
from app.core.db import Database
from app.core.scope import Role
from app.factory import create_app
from app.http.services import services
from examples.phone import NeedsLogin, Phone, Reply, SyncResult
from examples.phone.testing import RecordingTransport
from tests.world import PASSWORD, World

Json = dict[str, Any]


class Desk:
    """The way to a server that can be switched off and exchanged."""

    def __init__(self) -> None:
        self.app: Any = None

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        if self.app is None:
            raise ConnectionRefusedError("the server is being restored")
        response = self.app.test_client().open(path, method=method, headers=dict(headers), data=body)
        return Reply(response.status_code, {k.lower(): v for k, v in response.headers}, response.data)

    def close(self) -> None:
        pass


@dataclass
class InHand:
    """A phone, its person's login, and all that went over the wire."""

    login: str
    phone: Phone
    record: RecordingTransport
    results: list[SyncResult] = field(default_factory=list)

    @property
    def rebases(self) -> int:
        """In how many syncs it had to start over."""
        return sum("rebase" in result.directives for result in self.results)


class Company:
    """One tenant on one server.

    Every value that somebody writes is a word of its own, so that it can be looked for afterwards.
    """

    def __init__(self, config: Config) -> None:
        self.desk = Desk()
        self.phones: dict[str, InHand] = {}
        self.written: list[tuple[str, str]] = []
        self.open(config)
        self.world = World(self.app, self.db)
        self._hire()

    # The server

    @property
    def db(self) -> Database:
        """Pools of the server that runs."""
        return services(self.app).db

    def open(self, config: Config) -> None:
        """Start serving."""
        self.app = self.desk.app = create_app(config)
        if hasattr(self, "world"):
            self.world.app, self.world.db = self.app, self.db

    def close(self) -> None:
        """Stop serving: no connection stays."""
        self.desk.app = None
        self.db.dispose()

    @contextmanager
    def down(self, config: Callable[[], Config]) -> Iterator[None]:
        """The time in which operators work; a server that was started anew may have another address."""
        self.close()
        yield
        self.open(config())

    # The people

    def _hire(self) -> None:
        world = self.world
        self.first = str(world.account(name="첫째 상사"))
        self.second = str(world.account(name="둘째 상사"))
        self.southern = str(world.account(world.south, name="남부 상사"))
        for name, role, territory in (
            ("writer", Role.REP, world.north),
            ("drawer", Role.REP, world.north),
            ("absent", Role.REP, world.south),
            ("reader", Role.MANAGER, world.region),
        ):
            self.give(name, world.person(role, territory).login)

    def give(self, name: str, login: str) -> InHand:
        """Hand out a phone, and let it make its first sync."""
        record = RecordingTransport(self.desk)
        phone = Phone("http://server", transport=record, name=name, sleep=lambda _: None)
        one = self.phones[name] = InHand(login, phone, record)
        self.log_in(one)
        self.sync(name)
        return one

    def log_in(self, one: InHand) -> None:
        """With the password that everybody has."""
        one.phone.log_in(self.world.code, one.login, PASSWORD)

    def sync(self, *names: str) -> None:
        """Each in turn; whoever has to log in does so."""
        for name in names or self.phones:
            one = self.phones[name]
            try:
                result = one.phone.sync()
            except NeedsLogin:
                self.log_in(one)
                result = one.phone.sync()
            one.results.append(result)

    def word(self, record_id: str, word: str) -> str:
        """Remember that somebody wrote *word* into a record."""
        self.written.append((record_id, word))
        return word

    # Their days

    def before_the_backup(self) -> None:
        """What the backup holds: acknowledged work of all; the southern phone is not seen again for long."""
        writer, absent = self.phones["writer"].phone, self.phones["absent"].phone
        writer.edit("account", self.first, notes=self.word(self.first, "before-notes"))
        absent.edit("account", self.southern, notes=self.word(self.southern, "before-south"))
        self.sync()

    def after_the_backup(self) -> None:
        """What the backup does not hold."""
        world, word = self.world, self.word
        writer, drawer = self.phones["writer"].phone, self.phones["drawer"].phone
        # Acknowledged: edits, a new customer with a contact as one group, a decision for the inbox.
        writer.edit("account", self.first, website=word(self.first, "https://acked.example.com"))
        writer.edit("account", self.first, tags=[word(self.first, "acked-tag")])
        with writer.group():
            self.made = writer.create("account", name="acked-customer", territory_id=str(world.north))
            self.contact = writer.create("contact", account_id=self.made, name="acked-contact")
        word(self.made, "acked-customer")
        word(self.contact, "acked-contact")
        self.sync("writer")
        assert self.refused() == []
        writer.edit("account", self.made, notes=word(self.made, "acked-second-edit"))
        writer.edit("account", self.second, legal_name=word(self.second, "acked-legal-name"))
        self.sync("drawer")
        drawer.edit("account", self.second, legal_name=word(self.second, "acked-other-legal-name"))
        self.sync("writer", "drawer")
        # By hand in SQL, which no phone can tell again: it must be on no phone afterwards.
        self.lost = str(world.account(name="written by hand and lost"))
        world.sql("UPDATE accounts SET website = 'https://lost.example.com' WHERE id = :id", id=self.second)
        self.sync("writer", "drawer", "reader")
        # Unsent: on what the backup knows, on what it does not, and something new.
        drawer.edit("account", self.first, notes=word(self.first, "unsent-notes"))
        drawer.edit("account", self.made, website=word(self.made, "https://unsent.example.com"))
        self.unsent = drawer.create("account", name="unsent-customer", territory_id=str(world.north))
        word(self.unsent, "unsent-customer")
        absent = self.phones["absent"].phone
        absent.edit("account", self.southern, website=word(self.southern, "https://absent.example.com"))

    def life_goes_on(self) -> None:
        """Work in the restored database: its positions pass those that phones have seen."""
        for number in range(12):
            self.world.account(name=f"after the restore {number}")
            self.world.drain()

    # What is left

    def refused(self) -> list[str]:
        """Codes of what phones wrote and the server rejected: this story has none."""
        return [
            mutation["verdict"]["code"]
            for one in self.phones.values()
            for mutation in one.phone.verdicts()
            if mutation["verdict"]["status"] == "rejected"
        ]

    def epochs(self) -> int:
        """How many lives this database has had."""
        return int(self.world.engine_sql("SELECT count(*) FROM sync_epochs")[0][0])

    def judged(self) -> int:
        """How many mutations the server knows."""
        return int(
            self.world.engine_sql("SELECT count(*) FROM sync_mutations WHERE tenant_id = :tenant")[0][0]
        )

    def missing(self) -> list[str]:
        """Words that are neither in the ledger of their record nor in the inbox."""
        found = self.world.sql(
            "SELECT record_id, new::text FROM changes WHERE tenant_id = :tenant"
            " UNION ALL SELECT record_id, mine::text || losers::text FROM conflicts WHERE tenant_id = :tenant"
        )
        texts: dict[str, str] = {}
        for record_id, text in found:
            texts[str(record_id)] = texts.get(str(record_id), "") + (text or "")
        return [word for record_id, word in self.written if word not in texts.get(record_id, "")]

    def doubled(self) -> list[str]:
        """Customers that are there twice."""
        rows = self.world.sql(
            "SELECT name FROM accounts WHERE tenant_id = :tenant GROUP BY name HAVING count(*) > 1"
        )
        return [name for (name,) in rows]

    def unlike_fresh(self) -> dict[str, Any]:
        """By phone what it holds otherwise than a fresh one of the same person."""
        found = {}
        for name, one in list(self.phones.items()):
            fresh = Phone("http://server", transport=self.desk, name="fresh", sleep=lambda _: None)
            fresh.log_in(self.world.code, one.login, PASSWORD)
            fresh.sync()
            held, wanted = _bodies(one.phone), _bodies(fresh)
            fresh.close()
            if held != wanted:
                found[name] = {
                    key: (held.get(key), wanted.get(key))
                    for key in held | wanted
                    if held.get(key) != wanted.get(key)
                }
        return found


def _bodies(phone: Phone) -> dict[tuple[str, str], Json]:
    return {
        (entity, record_id): body
        for entity in {name for name, _ in phone.store.versions()}
        for record_id, body in phone.store.records(entity).items()
    }
