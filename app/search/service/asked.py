"""What was searched: counted by day and class of people, without what would tell of a person."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.core.errors import Forbidden
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity import service as identity
from app.search.models import SearchLogEntry
from app.search.service.synonyms import is_editor

MASK: Final = "#"
KEPT_DAYS: Final = 180
REPORT_MAX: Final = 200
ALL_DIGITS: Final = 8

# Six digits in a row, however they are parted, are a phone, a business number, a birthday or an account of a bank;
# 5W-30 and ISO VG 46 are not.
_NUMBER = re.compile(r"\d(?:[\s()\[\]+\-‐‑‒–—―−./_·:,]*\d){5,}")
_MAIL = re.compile(r"\S+@\S+")
_DIGIT = re.compile(r"\d")

# Nobody waits for a disk because of a count: a server that fails may lose those of its last moment.
_COUNT: Final = text(f"""
    INSERT INTO search_log (tenant_id, id, day, audience, query, searches, found_nothing)
    SELECT :tenant, :id, ({identity.TODAY_SQL}), :audience, :query, 1, :nothing
    FROM (SELECT set_config('synchronous_commit', 'off', true)) AS unhurried
    ON CONFLICT (tenant_id, day, audience, query) DO UPDATE
    SET searches = search_log.searches + 1, found_nothing = search_log.found_nothing + excluded.found_nothing
""")  # noqa: S608  (constants only)


@dataclass(frozen=True, slots=True)
class Asked:
    """One query over a span of days."""

    query: str
    searches: int
    found_nothing: int
    last_day: date
    audience: list[str]


def masked(query: str) -> str:
    """A query as it may be kept: one form, no numbers and addresses that would tell of a person.

    A number with letters strewn in (``010a1234b5678``) has so many digits that all of them go.
    """
    folded = " ".join(unicodedata.normalize("NFKC", query).casefold().split())
    kept = _MAIL.sub(MASK, _NUMBER.sub(MASK, unicodedata.normalize("NFC", folded)))
    return _DIGIT.sub(MASK, kept) if len(_DIGIT.findall(folded)) >= ALL_DIGITS else kept


def note_search(session: Session, actor: Actor, query: str, *, found: int, now: datetime) -> None:
    """Count a search.

    Args:
        session: Of the search, in its transaction.
        actor: Who asked; only their class is kept.
        query: As it was asked; what tells of a person is masked here.
        found: How many records.
        now: Server time, aware UTC.
    """
    kept = masked(query)
    if not kept:
        return
    session.execute(
        _COUNT,
        {
            "tenant": actor.tenant_id,
            "id": new_id(),
            "now": now,
            "audience": actor.scope.shape.value,
            "query": kept,
            "nothing": int(found == 0),
        },
    )


def report_searches(
    session: Session,
    actor: Actor,
    *,
    since: date,
    until: date,
    found_nothing: bool = False,
    limit: int = REPORT_MAX,
) -> Sequence[Asked]:
    """What was searched most in some days, what found nothing first.

    Raises:
        Forbidden: Only editors read it.
    """
    if not is_editor(actor):
        raise Forbidden
    searches, nothing = func.sum(SearchLogEntry.searches), func.sum(SearchLogEntry.found_nothing)
    statement = (
        select(
            SearchLogEntry.query,
            searches.label("searches"),
            nothing.label("found_nothing"),
            func.max(SearchLogEntry.day).label("last_day"),
            func.array_agg(SearchLogEntry.audience.distinct()).label("audience"),
        )
        .where(SearchLogEntry.tenant_id == actor.tenant_id, SearchLogEntry.day.between(since, until))
        .group_by(SearchLogEntry.query)
        .order_by(nothing.desc(), searches.desc(), SearchLogEntry.query)
        .limit(limit)
    )
    if found_nothing:
        statement = statement.having(nothing > 0)
    return [
        Asked(row.query, row.searches, row.found_nothing, row.last_day, list(row.audience))
        for row in session.execute(statement)
    ]


def forget_searches(session: Session, tenant_id: UUID, now: datetime) -> int:
    """Delete what was asked longer ago than ``KEPT_DAYS``; gives how many rows."""
    cut = (now - timedelta(days=KEPT_DAYS)).date()
    done = session.execute(
        delete(SearchLogEntry).where(SearchLogEntry.tenant_id == tenant_id, SearchLogEntry.day < cut)
    )
    return int(getattr(done, "rowcount", 0))
