"""A small model of the sync engine, written from its specification alone; the simulator compares the two."""

from tests.simulator.oracle.books import Ack, Item
from tests.simulator.oracle.company import MODELLED
from tests.simulator.oracle.expected import Alternative, Context, Expected, GroupExpected
from tests.simulator.oracle.losses import InboxRow, LedgerRow, check_no_ack_lost
from tests.simulator.oracle.model import Oracle
from tests.simulator.oracle.orders import Push, order_independent, promised_order_free
from tests.simulator.oracle.records import Author, Key, Record
from tests.simulator.oracle.values import UNKNOWN, Stamp, canonical

__all__ = [
    "MODELLED",
    "UNKNOWN",
    "Ack",
    "Alternative",
    "Author",
    "Context",
    "Expected",
    "GroupExpected",
    "InboxRow",
    "Item",
    "Key",
    "LedgerRow",
    "Oracle",
    "Push",
    "Record",
    "Stamp",
    "canonical",
    "check_no_ack_lost",
    "order_independent",
    "promised_order_free",
]
