"""Drawn sequences of what the office may do, against a naive ledger that adds everything up."""

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import DomainError
from app.receivables import service
from app.receivables.service import listening
from tests.receivables.ledgers import NOW, Books

STEPS = 40


@dataclass
class Naive:
    """Amounts by document, and who pays what: no sums are kept."""

    invoices: dict[Any, Decimal] = field(default_factory=dict)
    payments: dict[Any, Decimal] = field(default_factory=dict)
    pairs: dict[tuple[Any, Any], Decimal] = field(default_factory=dict)
    committed: Decimal = Decimal(0)

    def take(self, payment: Any) -> None:
        """What a payment says that it settles now."""
        self.pairs = {pair: amount for pair, amount in self.pairs.items() if pair[0] != payment.id}
        if payment.status in ("recorded", "confirmed"):
            self.payments[payment.id] = payment.amount
            self.pairs |= {(payment.id, one.invoice_id): one.amount for one in payment.allocations}
        else:
            self.payments.pop(payment.id, None)

    def exposure(self) -> Decimal:
        """All invoices, less all payments, and what is committed."""
        return sum(self.invoices.values(), self.committed) - sum(self.payments.values(), Decimal(0))

    def settled(self, invoice_id: Any) -> Decimal:
        """Of an invoice."""
        return sum((amount for (_, one), amount in self.pairs.items() if one == invoice_id), Decimal(0))


def step(books: Books, naive: Naive, draw: random.Random) -> None:
    """One thing that somebody does; refusals change nothing."""
    what = draw.choice(
        ("invoice", "payment", "payment", "void", "bounce", "cancel", "confirm", "allocate", "commit")
    )
    amount = str(draw.randint(1, 9) * 10_000)
    if what == "invoice":
        made = books.invoice(amount, due=draw.randint(-100, 30))
        naive.invoices[made.id] = made.amount
    elif what == "payment":
        named = draw.sample(sorted(naive.invoices), min(len(naive.invoices), draw.randint(0, 2)))
        rows = [{"invoice_id": one, "amount": Decimal(draw.randint(1, 4) * 10_000)} for one in named]
        how = {"allocations": rows} if draw.random() < 0.6 else {}
        naive.take(books.payment(amount, **how))
    elif what == "commit":
        books.commit(amount)
        naive.committed = Decimal(amount)
    elif what == "void" and naive.invoices:
        one = draw.choice(sorted(naive.invoices))
        with books.world.acting(books.office) as (session, actor):
            service.void_invoice(session, actor, one, now=NOW)
        del naive.invoices[one]
        naive.pairs = {pair: paid for pair, paid in naive.pairs.items() if pair[1] != one}
    elif naive.payments:
        verb = {
            "bounce": service.bounce_payment,
            "cancel": service.cancel_payment,
            "confirm": service.confirm_payment,
        }.get(what, service.allocate)
        naive.take(books.do(verb, draw.choice(sorted(naive.payments)), reason="확인"))


@pytest.fixture(autouse=True)
def no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed is told by the test alone: the room of orders would count its own, which are none."""
    monkeypatch.setattr(listening, "_LISTENERS", [])


@pytest.mark.parametrize("seed", range(4))
def test_every_committed_state_adds_up(books: Books, seed: int) -> None:
    draw, naive, refused = random.Random(seed), Naive(), 0
    for _ in range(STEPS):
        try:
            step(books, naive, draw)
        except DomainError:
            refused += 1

        credit, row = books.credit(), books.balance() if naive.invoices or naive.payments else None
        assert credit.exposure == naive.exposure()
        if row is not None:
            ages = row.not_due + row.days_1_30 + row.days_31_60 + row.days_61_90 + row.days_over_90
            assert (row.exposure, ages) == (credit.exposure, credit.open_receivables)
            assert row.overdue_amount == credit.overdue_amount == ages - row.not_due
    kept = dict(
        tuple(one) for one in books.world.sql("SELECT id, open_amount FROM invoices WHERE status <> 'void'")
    )
    assert kept == {one: amount - naive.settled(one) for one, amount in naive.invoices.items()}
    assert 0 < refused < STEPS
