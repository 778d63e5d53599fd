"""One search over everything that the asker may see, and what is suggested while they type."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.search.service.asked import note_search
from app.search.service.indexing import catch_up
from app.search.service.sources import PERSONAL, SOURCES, Shown, Source
from app.search.service.synonyms import synonyms_for
from app.textindex import service as textindex
from app.textindex.ranking import highlight
from app.textindex.tokens import Query, analyse

SNIPPET: Final = 160
LEAD: Final = 40
"""So many characters of a snippet stand before the first word that was found."""
ELLIPSIS: Final = "…"

# Behind an import that the planner was not told of, a plan may be far off; the asker is told to come again.
LONGEST: Final = text("SET LOCAL statement_timeout = '5s'")

_SPACE: Final = re.compile(r"\s+")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that was found. Ranges count code points, from the first to behind the last."""

    kind: str
    id: UUID
    title: str
    title_ranges: list[Range]
    snippet: str
    snippet_ranges: list[Range]
    version: int
    updated_at: datetime
    parent_id: UUID | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found: a page of hits, and how many there are that the asker may see."""

    hits: list[Hit]
    total: int
    total_is_exact: bool
    did_you_mean: str | None


def search(
    session: Session,
    actor: Actor,
    q: str,
    *,
    kinds: Collection[str],
    limit: int,
    offset: int = 0,
    language: str | None = None,
    now: datetime,
) -> Answer:
    """Find records by what the asker's lists show of them.

    Args:
        session: Of the asker's company; the caller commits, for what was indexed and counted.
        actor: Who asks.
        q: What they typed.
        kinds: Names of entities; all when empty.
        limit: Most hits.
        offset: So many of the best are left out.
        language: Of an article that is out in it, only those words.
        now: Server time, aware UTC.
    """
    sources = [source for source in SOURCES if not kinds or source.entity in kinds]
    catch_up(session, actor.tenant_id, now=now)
    found = _find(session, actor, q, sources, limit=limit, offset=offset, language=language)
    hits = _shown(session, actor, sources, found)
    if offset == 0 and _may_be_noted(sources, hits):
        note_search(session, actor, q, found=found.total, now=now)
    return Answer(hits, found.total, not found.capped, found.did_you_mean)


def suggest(session: Session, actor: Actor, q: str, *, limit: int, now: datetime) -> list[Hit]:
    """What the asker may see and has what they typed so far in its title: the best of each title."""
    catch_up(session, actor.tenant_id, now=now)
    found = _find(session, actor, q, SOURCES, limit=4 * limit)
    hits = [hit for hit in _shown(session, actor, SOURCES, found) if hit.title_ranges]
    best = {hit.title: hit for hit in reversed(hits)}
    return [hit for hit in hits if best[hit.title] is hit][:limit]


def _find(
    session: Session,
    actor: Actor,
    q: str,
    sources: Sequence[Source],
    *,
    limit: int,
    offset: int = 0,
    language: str | None = None,
) -> textindex.Found:
    kinds = {s.kind_for(actor): s.visible(actor, language) for s in sources}
    session.execute(LONGEST)
    return textindex.find(
        session,
        actor,
        analyse(q),
        kinds=kinds,
        limit=limit,
        offset=offset,
        synonyms=synonyms_for(session, actor),
    )


def _shown(session: Session, actor: Actor, sources: Sequence[Source], found: textindex.Found) -> list[Hit]:
    by_kind = {source.kind_for(actor): source for source in sources}
    ids: dict[str, list[UUID]] = defaultdict(list)
    for hit in found.hits:
        ids[hit.kind].append(hit.record_id)
    shown = {kind: by_kind[kind].shown(session, actor, some) for kind, some in ids.items()}
    return [
        _hit(by_kind[hit.kind].entity, hit.record_id, found.query, record)
        for hit in found.hits
        if (record := shown[hit.kind].get(hit.record_id)) is not None
    ]


def _hit(kind: str, record_id: UUID, query: Query, shown: Shown) -> Hit:
    snippet, ranges = _snippet(query, shown.parts)
    return Hit(
        kind=kind,
        id=record_id,
        title=shown.title,
        title_ranges=highlight(query, shown.title),
        snippet=snippet,
        snippet_ranges=ranges,
        version=shown.version,
        updated_at=shown.updated_at,
        parent_id=shown.parent_id,
        language=shown.language,
    )


def _snippet(query: Query, parts: Sequence[str]) -> tuple[str, list[Range]]:
    """The part in which something was found, or the first one, cut to what fits."""
    lines = [_SPACE.sub(" ", part) for part in parts]
    for line in lines:
        if ranges := highlight(query, line):
            return _cut(line, ranges)
    return _cut(lines[0], []) if lines else ("", [])


def _cut(text: str, ranges: Sequence[Range]) -> tuple[str, list[Range]]:
    first = ranges[0][0] if ranges else 0
    start = max(0, min(first - LEAD, len(text) - SNIPPET))
    end = min(len(text), start + SNIPPET)
    before = ELLIPSIS if start else ""
    shift = len(before) - start
    kept = [(max(a, start) + shift, min(b, end) + shift) for a, b in ranges if a < end and b > start]
    return f"{before}{text[start:end]}{ELLIPSIS if end < len(text) else ''}", kept


def _may_be_noted(sources: Sequence[Source], hits: Sequence[Hit]) -> bool:
    """Whether what was asked is about goods and knowledge: names of people belong into no log."""
    return not all(source.personal for source in sources) and not any(hit.kind in PERSONAL for hit in hits)
