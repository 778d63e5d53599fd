"""The PostgreSQL server itself: version, durability, letters, clocks, old transactions."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from app.core.clock import utc_now
from app.doctor.finding import PARTS, Finding, Subject

OLDEST_VERSION: Final = 150_000
DEFAULT_ZONE: Final = "Asia/Seoul"
CLOCK_TOLERANCE: Final = timedelta(seconds=2)
OLD_TRANSACTION: Final = timedelta(hours=1)
IDLE_TRANSACTION_MS: Final = 60_000

# People who write SQL log in as roles of their own. Of several settings that of role and database together holds.
LOSSY_PEOPLE: Final = text(
    """
    SELECT rolname FROM (
        SELECT DISTINCT ON (r.oid) r.rolname, setting
        FROM pg_roles r
        JOIN pg_roles people ON people.rolname = :people AND pg_has_role(r.oid, people.oid, 'MEMBER')
        JOIN pg_db_role_setting s ON s.setrole = r.oid
        JOIN LATERAL unnest(s.setconfig) AS setting ON setting LIKE 'synchronous_commit=%'
        WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
          AND r.rolname <> ALL (:ours)
        ORDER BY r.oid, s.setdatabase DESC
    ) AS narrowest
    WHERE setting ~* '=(off|false|no|0)$' ORDER BY rolname
    """
)


def version(subject: Subject) -> Iterator[Finding]:
    """15 or newer."""
    number = int(subject.ask("SHOW server_version_num"))
    shown = f"PostgreSQL {subject.ask('SHOW server_version')}"
    yield Finding.of(
        number >= OLDEST_VERSION, shown, f"{shown} is too old.", "Upgrade the server to 15 or newer."
    )


def durability(subject: Subject) -> Iterator[Finding]:
    """An acknowledged edit has to survive a power cut, whoever wrote it."""
    lossy = [name for name in ("fsync", "full_page_writes") if subject.ask(f"SHOW {name}") == "off"]
    for part in PARTS:  # as it is for this very connection: server, database, role and address together
        if subject.ask("SHOW synchronous_commit", by=part) == "off":
            lossy.append(f"synchronous_commit of role {subject.roles[part]}")
    roles = subject.roles
    asked = {"people": roles["sql"], "ours": [roles[part] for part in PARTS]}
    lossy += [
        f"synchronous_commit of role {name}" for name in subject.owner.execute(LOSSY_PEOPLE, asked).scalars()
    ]
    yield Finding.of(
        not lossy,
        "Writes are durable (fsync, full_page_writes, synchronous_commit).",
        f"Acknowledged edits can be lost in a power cut: {', '.join(lossy)} off.",
        "Set it to on (postgresql.conf, ALTER ROLE … RESET); serving is refused meanwhile.",
    )


def idle_transactions(subject: Subject) -> Iterator[Finding]:
    """A request that hangs between two statements must not hold its locks for ever."""
    if not subject.config.pooled:
        yield Finding(True, "Requests that hang in a transaction are ended after 60 s (set on connecting).")
        return
    role = subject.roles["app"]
    set_to = int(
        subject.ask(
            "SELECT setting FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'", by="app"
        )
    )
    yield Finding.of(
        0 < set_to <= IDLE_TRANSACTION_MS,
        f"Requests that hang in a transaction are ended after {set_to / 1000:.0f} s.",
        f"Nothing ends a transaction of {role} that hangs: a pooler takes no settings from us.",
        f"As an administrator: ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';",
    )


def letters(subject: Subject) -> Iterator[Finding]:
    """Korean needs UTF-8 and a locale that knows letters beyond ASCII."""
    encoding, ctype = subject.owner.execute(
        text(
            "SELECT pg_encoding_to_char(encoding), datctype FROM pg_database"
            " WHERE datname = current_database()"
        )
    ).one()
    yield Finding.of(
        encoding == "UTF8" and ctype not in ("C", "POSIX"),
        f"Text is {encoding}, letters by {ctype}.",
        f"Text is {encoding}, letters by {ctype}: Korean cannot be handled by it.",
        "Make the database again with ENCODING 'UTF8' and LC_CTYPE 'C.UTF-8' (docs/operations.md).",
    )


def time_zones(subject: Subject) -> Iterator[Finding]:
    """Days are counted in the zones of people and customers, here and in SQL."""
    wanted = {DEFAULT_ZONE, *_zones_in_use(subject)}
    known = set(
        subject.owner.execute(
            text("SELECT name FROM pg_timezone_names WHERE name = ANY (:names)"), {"names": sorted(wanted)}
        ).scalars()
    )
    missing = [f"{zone} in the database" for zone in sorted(wanted - known)]
    missing += [f"{zone} in Python" for zone in sorted(wanted) if not _python_knows(zone)]
    yield Finding.of(
        not missing,
        f"Time zones are known: {', '.join(sorted(wanted))}.",
        f"Time zones are not known: {', '.join(missing)}.",
        "Install tzdata (on the database's machine too), or mend the name with UPDATE tenants.",
    )


def clock(subject: Subject) -> Iterator[Finding]:
    """Stamps of phones are made by this machine's clock, those of SQL by the database's."""
    before = utc_now()
    theirs = subject.ask("SELECT clock_timestamp()").astimezone(UTC)
    after = utc_now()
    difference = theirs - (before + (after - before) / 2)
    yield Finding.of(
        abs(difference) <= CLOCK_TOLERANCE + (after - before) / 2,
        f"The database's clock is {difference.total_seconds():+.3f} s from ours.",
        f"The database's clock is {difference.total_seconds():+.1f} s from ours: later edits may lose.",
        "Let both machines keep time by NTP (chronyc tracking, timedatectl).",
    )


def old_transactions(subject: Subject) -> Iterator[Finding]:
    """An open transaction holds back vacuum; it stalls nobody's sync."""
    ages = [
        subject.ask(
            "SELECT max(clock_timestamp() - xact_start) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
            by=part,
        )
        for part in ("owner", "engine", "app")
    ]
    oldest = max((age for age in ages if age is not None), default=timedelta())
    yield Finding.of(
        oldest < OLD_TRANSACTION,
        f"The oldest transaction that we can see is {oldest.total_seconds():.0f} s old.",
        f"A transaction has been open for {oldest}: dead rows pile up behind it.",
        "SELECT pid, usename, query FROM pg_stat_activity ORDER BY xact_start; then pg_terminate_backend(pid)",
    )


def _zones_in_use(subject: Subject) -> set[str]:
    try:
        return set(subject.engine.execute(text("SELECT DISTINCT time_zone FROM tenants")).scalars())
    except ProgrammingError:  # not migrated yet
        return set()


def _python_knows(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


CHECKS = (version, durability, letters, time_zones, clock, idle_transactions, old_transactions)
