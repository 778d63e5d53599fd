"""Reads of the index: lists of documents by token, of those that the actor sees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
    exists,
    false,
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


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where to look: shelves that the actor sees whole, and those of which the room says what they see."""

    tenant_id: UUID
    kinds: Mapping[str, Condition]
    whole: Sequence[int]
    asked: Mapping[str, Sequence[int]]

    @property
    def all(self) -> list[int]:
        """All of them."""
        return [*self.whole, *(shelf for shelves in self.asked.values() for shelf in shelves)]

    def parts(self, tokens: Any = SearchToken) -> list[tuple[Sequence[int], list[ColumnElement[bool]]]]:
        """Shelves with the conditions on rows of tokens of their documents that the actor sees, those without first."""
        found: list[tuple[Sequence[int], list[ColumnElement[bool]]]] = (
            [(self.whole, [])] if self.whole else []
        )
        return found + [(shelves, [self._asks(kind, tokens)]) for kind, shelves in self.asked.items()]

    def _asks(self, kind: str, tokens: Any) -> ColumnElement[bool]:
        # OFFSET keeps it a question for each row: joined, rows of a company that the planner
        # does not know yet were compared each with each, for 12 s at 300 records.
        return exists(
            select(literal_column("1"))
            .where(
                SearchDocument.tenant_id == tokens.tenant_id,
                SearchDocument.number == tokens.number,
                self.kinds[kind](SearchDocument.record_id),
            )
            .offset(0)
        )

    def sees(self, tokens: Any) -> ColumnElement[bool]:
        """A condition on rows of tokens: of documents that the actor sees."""
        ways = [and_(tokens.shelf == any_(_integers(some)), *asks) for some, asks in self.parts(tokens)]
        return or_(*ways) if ways else false()


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
    return Shelves(tenant_id, {kind: condition for kind, (condition, _) in kinds.items()}, whole, asked)


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
            SearchToken.shelf == any_(_integers(numbers)),
            *conditions,
        )
        .correlate(token)
        .limit(at_most)
        for numbers, conditions in shelves.parts()
    ]
    rows = union_all(*parts).limit(at_most).subquery()
    count = select(func.count()).select_from(rows).scalar_subquery()
    counted = select(token.c.value, count.label("n"))
    return {value: n for value, n in session.execute(counted) if n}


def read_lists(
    session: Session, shelves: Shelves, tokens: Sequence[str], at_most: int
) -> list[tuple[str, int, int, int]]:
    """Token, document, shelf and weight of each list: headings first, the newest first, up to a bound of each shelf.

    A shelf at a time is read in the order of the index, so that a long list is left where the bound is.
    """
    token = _each(tokens)
    shelf = func.unnest(_integers(shelves.all)).table_valued("id").render_derived()
    row = (
        select(SearchToken.number, SearchToken.shelf, SearchToken.weight)
        .where(
            SearchToken.tenant_id == shelves.tenant_id,
            SearchToken.token == token.c.value,
            SearchToken.shelf == shelf.c.id,
            shelves.sees(SearchToken),
        )
        .order_by(SearchToken.heading.desc(), SearchToken.number.desc())
        .limit(at_most)
        .lateral()
    )
    return [
        tuple(found)
        for found in session.execute(
            select(token.c.value, row.c.number, row.c.shelf, row.c.weight).select_from(
                token.join(shelf, true()).join(row, true())
            )
        )
    ]


def read_both(
    session: Session, shelves: Shelves, first: str, second: str, at_most: int
) -> list[tuple[int, int]]:
    """Number and shelf of documents that have both tokens."""
    a, b = SearchToken, SearchToken.__table__.alias()
    return [
        (number, shelf)
        for number, shelf in session.execute(
            select(a.number, a.shelf)
            .join(b, and_(b.c.tenant_id == a.tenant_id, b.c.shelf == a.shelf, b.c.number == a.number))
            .where(
                a.tenant_id == shelves.tenant_id,
                a.token == first,
                b.c.token == second,
                a.shelf == any_(_integers(shelves.all)),
                shelves.sees(a),
            )
            .limit(at_most)
        )
    ]


def documents_of(session: Session, shelves: Shelves, numbers: Sequence[int]) -> Sequence[Any]:
    """Facts and tokens of the documents that the actor sees, asked of the rooms once more."""
    sees = or_(
        *(
            and_(SearchDocument.kind == kind, condition(SearchDocument.record_id))
            for kind, condition in shelves.kinds.items()
        )
    )
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


def _each(values: Sequence[str]) -> Any:
    return func.unnest(_texts(values)).table_valued("value").render_derived()


def _integers(values: Any) -> Any:
    return bindparam(None, list(values), type_=ARRAY(Integer))


def _texts(values: Sequence[str]) -> Any:
    return bindparam(None, list(values), type_=ARRAY(Text))
