"""The books of one company: documents written as the office writes them."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from app.receivables import service
from app.receivables.models import Invoice, Payment
from app.receivables.service import Credit
from tests.world import Person, World

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)  # Saturday noon in Seoul
TODAY = date(2026, 11, 21)
_numbers = count(1)


@dataclass
class Books:
    """One tenant with an account of a credit limit of ten million won."""

    world: World
    office: Person = field(init=False)
    rep: Person = field(init=False)
    account: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.office = self.world.person("admin")
        self.rep = self.world.person("rep", self.world.north)
        self.account = self.world.account(name="가람상사", credit_limit=10_000_000, credit_currency="KRW")

    def invoice(
        self, amount: str = "100000", *, due: int = 30, now: datetime = NOW, **values: Any
    ) -> Invoice:
        """An invoice of the account, due so many days after today."""
        given = {
            "account_id": self.account,
            "number": f"세금-{next(_numbers):05}",
            "issued_on": min(TODAY, TODAY + timedelta(days=due)),
            "due_on": TODAY + timedelta(days=due),
            "currency": "KRW",
            "amount": Decimal(amount),
        } | values
        with self.world.acting(self.office) as (session, actor):
            return service.record_invoice(session, actor, given, now)

    def payment(self, amount: str = "100000", *, now: datetime = NOW, **values: Any) -> Payment:
        """A payment of the account, by bank."""
        given = {
            "account_id": self.account,
            "method": "transfer",
            "currency": "KRW",
            "amount": Decimal(amount),
            "received_at": now,
        } | values
        with self.world.acting(self.office) as (session, actor):
            return service.record_payment(session, actor, given, now)

    def do(self, verb: Any, record_id: UUID, person: Person | None = None, **args: Any) -> Any:
        """One command of the office on a record."""
        with self.world.acting(person or self.office) as (session, actor):
            return verb(session, actor, record_id, args, now=NOW)

    def credit(self, *, now: datetime = NOW, lock: bool = False, account: UUID | None = None) -> Credit:
        """What the account owes."""
        with self.world.session() as session:
            return service.credit_of(session, account or self.account, now=now, lock=lock)

    def commit(self, amount: str, currency: str = "KRW") -> None:
        """Tell what the account's orders have committed."""
        with self.world.session() as session:
            service.set_committed(session, self.account, Decimal(amount), currency, now=NOW)

    def open_amount(self, invoice_id: UUID) -> Decimal:
        """What an invoice still owes."""
        ((amount,),) = self.world.sql("SELECT open_amount FROM invoices WHERE id = :id", id=invoice_id)
        found: Decimal = amount
        return found

    def balance(self) -> Any:
        """The row that phones hold."""
        (row,) = self.world.sql("SELECT * FROM account_balances WHERE account_id = :id", id=self.account)
        return row


@pytest.fixture
def books(world: World) -> Books:
    """The books."""
    return Books(world)
