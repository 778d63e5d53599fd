"""Live pings: whether the process that gives them can hear the database."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.doctor.finding import Finding, Subject, connect

CHANNEL: Final = "fieldmerge_doctor"
PATIENCE_S: Final = 2.0


def notifications(subject: Subject) -> Iterator[Finding]:
    """What is notified arrives, on a connection of its own as the process of live pings has it."""
    url = subject.config.listen_url
    if not url:
        yield Finding(True, "Live pings are off: behind a pooler they need FIELDMERGE_EVENTS_DATABASE_URL.")
        return
    try:
        heard = _hears(subject, url)
    except OperationalError as error:
        yield Finding(
            False,
            f"The address of live pings does not connect: {str(error.orig).partition(chr(10))[0]}",
            "Set FIELDMERGE_EVENTS_DATABASE_URL to the address of PostgreSQL, as the role of DATABASE_URL.",
        )
        return
    yield Finding.of(
        heard,
        "LISTEN works: phones can be pinged.",
        "LISTEN does not work: what is notified does not arrive, and no phone is pinged.",
        "Set FIELDMERGE_EVENTS_DATABASE_URL to the address of PostgreSQL itself, as the role of DATABASE_URL.",
    )


def _hears(subject: Subject, url: str) -> bool:
    with connect(replace(subject.config, database_url=url), "app") as line:
        driver: Any = line.connection.driver_connection
        line.execute(text(f"LISTEN {CHANNEL}"))
        subject.ask("SELECT pg_notify(:channel, 'heard')", by="engine", channel=CHANNEL)
        return any(driver.notifies(timeout=PATIENCE_S, stop_after=1))


CHECKS = (notifications,)
