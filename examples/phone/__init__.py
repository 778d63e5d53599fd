"""A phone in Python: what an app must do so that no offline edit is lost. Start reading in phone.py."""

from examples.phone.client import NeedsLogin, NoAnswer, Refused, WorkOfAnother
from examples.phone.clock import Clock
from examples.phone.phone import LockedOut, Phone, SyncResult
from examples.phone.transport import HttpTransport, Reply, Transport

__all__ = [
    "Clock",
    "HttpTransport",
    "LockedOut",
    "NeedsLogin",
    "NoAnswer",
    "Phone",
    "Refused",
    "Reply",
    "SyncResult",
    "Transport",
    "WorkOfAnother",
]
