"""Reads of the index: lists of documents by token, of those that the actor sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    column,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from app.textindex.models import SearchDocument, SearchShelf, SearchToken, SearchWord

Condition = Callable[[Any], ColumnElement[bool]]
LOOKED_THROUGH = 300
"""Documents of a shelf with a frequent token of which it is asked whether they have another too."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far lists are read.

    Attributes:
        each: Rows of one list and shelf.
        each_asked: The same, where the room is asked of each row.
        documents: So many of the best are given.
    """

    each: int
    each_asked: int
    documents: int


@dataclass(frozen=True, slots=True)
class Part:
    """Shelves, and the condition on rows of ``SearchToken`` under which the actor sees a document of them."""

    shelves: Sequence[int]
    asks: ColumnElement[bool] | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """For ``where``."""
        return [] if self.asks is None else [self.asks]


@dataclass(frozen=True)
class Shelves:
    """Where to look: shelves that the actor sees whole, and those of which the room says what they see."""

    tenant_id: UUID
    sees: Mapping[str, ColumnElement[bool]]
    """By kind the condition on ``SearchDocument.record_id``."""
    whole: Sequence[int]
    asked: Mapping[str, Sequence[int]]

    @property
    def all(self) -> list[int]:
        """All of them."""
        return [*self.whole, *(shelf for shelves in self.asked.values() for shelf in shelves)]

    @cached_property
    def parts(self) -> list[Part]:
        """All of them with what is asked of the documents of each, those without a question first."""
        found = [Part(self.whole)] if self.whole else []
        return found + [Part(shelves, self._asks(kind)) for kind, shelves in self.asked.items()]

    def _asks(self, kind: str) -> ColumnElement[bool]:
        # OFFSET keeps it a question for each row: joined, rows of a company that the planner
        # does not know yet were compared each with each, for 12 s at 300 records.
        return exists(
            select(literal_column("1"))
            .where(
                SearchDocument.tenant_id == SearchToken.tenant_id,
                SearchDocument.number == SearchToken.number,
                self.sees[kind],
            )
            .offset(0)
        )


def shelves_of(
    session: Session,
    tenant_id: UUID,
    kinds: Mapping[str, tuple[Condition, frozenset[str] | None]],
) -> Shelves:
    """The shelves that an actor with these conditions and buckets may look at."""
    rows = session.execute(
        select(SearchShelf.id, SearchShelf.kind, SearchShelf.buckets).where(
            SearchShelf.tenant_id == tenant_id, SearchShelf.kind.in_(sorted(kinds))
        )
    )
    whole: list[int] = []
    asked: dict[str, list[int]] = {}
    for shelf, kind, buckets in rows:
        mine = kinds[kind][1]
        if buckets is None or mine is None:
            asked.setdefault(kind, []).append(shelf)
        elif mine.intersection(buckets):
            whole.append(shelf)
    sees = {kind: condition(SearchDocument.record_id) for kind, (condition, _) in kinds.items()}
    return Shelves(tenant_id, sees, whole, asked)


def count_documents(
    session: Session, shelves: Shelves, tokens: Sequence[str], at_most: int
) -> dict[str, int]:
    """Of how many documents each token is, counted up to a bound.

    Each list is left where the bound is reached: the parts that the actor sees whole are counted first, from the
    index alone; the others, of which each document has to be asked for, only for what is lacking then.
    """
    token = _each(tokens)
    parts: list[Select[int]] = [
        select(literal_column("1"))
        .where(
            SearchToken.tenant_id == shelves.tenant_id,
            SearchToken.token == token.c.value,
            SearchToken.shelf == any_(_integers(part.shelves)),
            *part.conditions,
        )
        .correlate(token)
        .limit(at_most)
        for part in shelves.parts
    ]
    rows = (union_all(*parts).limit(at_most) if len(parts) > 1 else parts[0]).subquery()
    count = select(func.count()).select_from(rows).scalar_subquery()
    counted = select(token.c.value, count.label("n"))
    return {value: n for value, n in session.execute(counted) if n}


def read_lists(
    session: Session,
    shelves: Shelves,
    tokens: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    rare: Mapping[str, int],
    bounds: Bounds,
) -> tuple[list[int], int]:
    """The documents with most of some tokens, and how many were found.

    Args:
        session: Of the actor's tenant.
        shelves: Where to look.
        tokens: Whose lists are read.
        pairs: Of these those documents too that have both.
        rare: How much each token counts.
        bounds: How far lists are read, and how many documents are wanted.

    Returns:
        Documents by the sum of their weights, the newest of equals first.
    """
    token = _each(tokens, [rare[token] for token in tokens])
    rows: list[Select[int, int]] = []
    for part in shelves.parts:
        most = bounds.each if part.asks is None else bounds.each_asked
        shelf = func.unnest(_integers(part.shelves)).table_valued("id").render_derived()
        row = _list(shelves, token.c.value, shelf.c.id).where(*part.conditions).limit(most).lateral()
        joined = token.join(shelf, true()).join(row, true())
        rows.append(select(row.c.number, (row.c.weight * token.c.rare).label("worth")).select_from(joined))
        rows += [_both(shelves, part, pair, rare, most) for pair in pairs]
    found = union_all(*rows).subquery()
    worth = func.sum(found.c.worth)
    best = (
        select(found.c.number, func.count().over().label("found"))
        .group_by(found.c.number)
        .order_by(worth.desc(), found.c.number.desc())
        .limit(bounds.documents)
    )
    numbers = session.execute(best).all()
    return [number for number, _ in numbers], numbers[0].found if numbers else 0


def _list(shelves: Shelves, token: Any, shelf: Any) -> Select[int, int]:
    """The list of a token on a shelf in the order of the index, so that a long one is left where the bound is:
    headings first, the newest first."""
    return (
        select(SearchToken.number, SearchToken.weight)
        .where(
            SearchToken.tenant_id == shelves.tenant_id,
            SearchToken.token == token,
            SearchToken.shelf == shelf,
        )
        .order_by(SearchToken.heading.desc(), SearchToken.number.desc())
    )


def _both(
    shelves: Shelves, part: Part, pair: tuple[str, str], rare: Mapping[str, int], most: int
) -> Select[int, int]:
    """Documents with both of two tokens, of the first ``LOOKED_THROUGH`` of a shelf that have the first."""
    first, second = pair
    shelf = func.unnest(_integers(part.shelves)).table_valued("id").render_derived()
    one = _list(shelves, first, shelf.c.id).limit(LOOKED_THROUGH).lateral()
    other = (
        select(SearchToken.weight)
        .where(
            SearchToken.tenant_id == shelves.tenant_id,
            SearchToken.token == second,
            SearchToken.shelf == shelf.c.id,
            SearchToken.number == one.c.number,
            # Said so, the index finds a row by its whole key.
            SearchToken.heading.in_([True, False]),
            *part.conditions,
        )
        # There is but one; said so, it is looked up for each, and the room is asked of nothing else.
        .limit(1)
        .lateral()
    )
    worth = one.c.weight * rare[first] + other.c.weight * rare[second]
    return (
        select(one.c.number, worth.label("worth"))
        .select_from(shelf.join(one, true()).join(other, true()))
        .limit(most)
    )


def documents_of(session: Session, shelves: Shelves, numbers: Sequence[int]) -> Sequence[Any]:
    """Facts and tokens of the documents that the actor sees, asked of the rooms once more."""
    sees = or_(*(and_(SearchDocument.kind == kind, condition) for kind, condition in shelves.sees.items()))
    return session.execute(
        select(
            SearchDocument.number,
            SearchDocument.kind,
            SearchDocument.record_id,
            SearchDocument.published_on,
            SearchDocument.rating,
            SearchDocument.priority,
            SearchDocument.tokens,
        ).where(
            SearchDocument.tenant_id == shelves.tenant_id,
            SearchDocument.number == any_(_integers(numbers)),
            sees,
        )
    ).all()


def words_under(session: Session, tenant_id: UUID, keys: Sequence[str]) -> list[str]:
    """Words of any document under any of these keys; whether the actor may know them has to be asked."""
    key = _each(keys)
    return list(
        session.scalars(
            select(SearchWord.word)
            .distinct()
            .join(key, SearchWord.key == key.c.value)
            .where(SearchWord.tenant_id == tenant_id)
        )
    )


def _each(values: Sequence[str], rare: Sequence[int] | None = None) -> Any:
    if rare is None:
        return func.unnest(_texts(values)).table_valued("value").render_derived()
    return (
        func.unnest(_texts(values), _integers(rare))
        .table_valued("value", column("rare", Integer))
        .render_derived()
    )


def _integers(values: Any) -> Any:
    return bindparam(None, list(values), type_=ARRAY(Integer))


def _texts(values: Sequence[str]) -> Any:
    return bindparam(None, list(values), type_=ARRAY(Text))
