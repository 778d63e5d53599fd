"""One synced entity as the application serves it: policy, wire schema, service verbs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core.scope import Actor
from app.http.fields import WireSchema
from sync.policy import SyncEntity

Verb = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Many:
    """A verb that does for many records what another does for one.

    Attributes:
        verb: Takes a mapping from id to values and gives the versions by id; all or none.
        of: The verb for one.
        bound: Fields that rules of other records read, so that the order of their writes matters: one by one.
        hold: Gives the statement that locks a visible record which the verb is about to write.
        held: Keeps what that gave, so that the verb need not ask again; gives whether the record is visible.
    """

    verb: Verb
    of: Verb
    bound: frozenset[str]
    hold: Verb
    held: Verb


@dataclass(frozen=True, slots=True)
class Synced:
    """Joins what a room declares and what it does.

    Attributes:
        policy: The room's declaration.
        schema: The full wire record.
        listed: Statement of the actor's records, scoped and live.
        create, update, delete: Service verbs; None where phones may not.
        commands: For each command its service verb and the schema of its arguments.
        updates: The update verb's form for many, where it has one.
        masked: Which of the values hold something that is blanked when they are stored.
        creation: Schema of a create where it asks for more than the record's own.
        takes_at: Whether the create verb is told, as ``at``, when it happened on the phone.
        moment: Field of a create that says when it happened: the phone's corrected time, when left out.
        shown: Statement of the records that verdicts may show, where those are fewer than the visible ones.
    """

    policy: SyncEntity
    schema: type[WireSchema]
    listed: Callable[[Session, Actor], Select[Any]]
    create: Verb | None = None
    update: Verb | None = None
    delete: Verb | None = None
    updates: Many | None = None
    commands: Mapping[str, tuple[Verb, type[WireSchema]]] = field(default_factory=dict)
    masked: Callable[[Mapping[str, Any]], frozenset[str]] = lambda values: frozenset()
    creation: type[WireSchema] | None = None
    takes_at: bool = False
    moment: str | None = None
    shown: Callable[[Session, Actor], Select[Any]] | None = None

    def offers(self, op: str) -> bool:
        """Whether phones may do *op* at all."""
        verbs = {"create": self.create, "update": self.update, "delete": self.delete}
        return verbs[op] is not None if op in verbs else op in self.commands

    def takes_many(self, names: Iterable[str]) -> bool:
        """Whether these fields may be written for many records at once."""
        many = self.updates
        return many is not None and many.of is self.update and many.bound.isdisjoint(names)

    def visible(self, session: Session, actor: Actor, ids: Sequence[UUID]) -> set[UUID]:
        """Which of *ids* the actor may see."""
        return _found(self.listed, session, actor, ids)

    def told(self, session: Session, actor: Actor, ids: Sequence[UUID]) -> set[UUID]:
        """Which of *ids* a verdict may show to the actor."""
        return _found(self.shown or self.listed, session, actor, ids)


def _found(
    records: Callable[[Session, Actor], Select[Any]], session: Session, actor: Actor, ids: Sequence[UUID]
) -> set[UUID]:
    """Which of *ids* a statement of records gives."""
    statement = records(session, actor)
    model = statement.column_descriptions[0]["entity"]
    found = session.scalars(statement.with_only_columns(model.id).order_by(None).where(model.id.in_(ids)))
    return set(found)
