"""The managed local PostgreSQL of demo, tests and small sites; imports nothing of the product."""

from localpg.binaries import Binaries
from localpg.errors import LocalPostgresError
from localpg.roles import Urls
from localpg.server import Server, Status, reset, running_urls, start, status, stop
from localpg.state import state_root

__all__ = [
    "Binaries",
    "LocalPostgresError",
    "Server",
    "Status",
    "Urls",
    "reset",
    "running_urls",
    "start",
    "state_root",
    "status",
    "stop",
]
