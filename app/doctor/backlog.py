"""How the sync engine is doing: what waits, what was set aside, what it raised an alarm about."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy import text

from app import migrating
from app.doctor.finding import Finding, Subject
from sync.stores.epochs import check_identity

LATE: Final = timedelta(minutes=1)
ALARM_DAYS: Final = 7

WAITING = text("SELECT count(*), coalesce(clock_timestamp() - min(marked_at), '0') FROM sync_pending")


def unsequenced(subject: Subject) -> Iterator[Finding]:
    """Changes reach phones when the sequencer has put them in order."""
    if not migrating.applied(subject.owner):
        return
    count, age = subject.engine.execute(WAITING).one()
    yield Finding.of(
        age < LATE,
        f"{count} changes wait to be sequenced." if count else "Every change is sequenced.",
        f"{count} changes wait to be sequenced, the oldest for {age}: phones do not get them.",
        "Is the scheduler running? `flask serve` runs one; by hand: flask sync drain",
    )


def quarantine(subject: Subject) -> Iterator[Finding]:
    """A record that cannot be rendered is set aside, so that it stops nobody else."""
    if not migrating.applied(subject.owner):
        return
    found = list(
        subject.engine.execute(
            text("SELECT entity, record_id, message FROM sync_quarantine ORDER BY since LIMIT 5")
        )
    )
    count = subject.ask("SELECT count(*) FROM sync_quarantine", by="engine")
    shown = "; ".join(f"{entity} {record_id} ({message})" for entity, record_id, message in found)
    yield Finding.of(
        not count,
        "No record is in quarantine.",
        f"{count} records are in quarantine, phones keep their last state: {shown}.",
        "Mend the data; the next change of the record tries it again.",
    )


def alarms(subject: Subject) -> Iterator[Finding]:
    """What the engine saw that should never happen."""
    if not migrating.applied(subject.owner):
        return
    found = list(
        subject.engine.execute(
            text(
                "SELECT kind, count(*) FROM sync_alarms"
                " WHERE raised_at > clock_timestamp() - make_interval(days => :days)"
                " GROUP BY kind ORDER BY kind"
            ),
            {"days": ALARM_DAYS},
        )
    )
    yield Finding.of(
        not found,
        f"The sync engine raised no alarm in {ALARM_DAYS} days.",
        f"Alarms of the last {ALARM_DAYS} days: {', '.join(f'{kind} ({count})' for kind, count in found)}.",
        "SELECT * FROM sync_alarms ORDER BY raised_at DESC; (as the engine role)",
    )


def identity(subject: Subject) -> Iterator[Finding]:
    """A database that is not the one that was here before may be an older copy of it."""
    if not migrating.applied(subject.owner):
        return
    differences = check_identity(subject.engine)
    yield Finding.of(
        not differences,
        "This is the database in which the present epoch began.",
        f"Another database than before, perhaps an older copy: {'; '.join(differences)}.",
        "After a restore phones start over by themselves. After an upgrade, a move or a failover of which you"
        " know that nothing was lost: flask doctor --accept-database",
    )


CHECKS = (unsequenced, quarantine, alarms, identity)
