"""Who stands in for whom, for which work, from when to when."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.core.errors import Forbidden, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity.models import DelegatedWork, Delegation, User, UserStatus
from app.identity.queries import reports_to
from app.identity.service.errors import (
    DatesReversed,
    DelegationCycle,
    DelegationPast,
    DelegationSelf,
    DelegationTaken,
    DelegationUnfit,
)
from app.identity.service.people import list_users
from app.identity.service.tenants import tenant_day

OUTSIDERS = (Role.PARTNER, Role.INTEGRATION)


def list_delegations(session: Session, actor: Actor, user_id: UUID | None = None) -> Select[Delegation]:
    """Own ones, given or taken, for managers also their team's, for administrators all; of one user's."""
    statement = select(Delegation).where(
        Delegation.tenant_id == actor.tenant_id,
        Delegation.deleted_at.is_(None),
        or_(reports_to(actor, Delegation.from_user_id), reports_to(actor, Delegation.to_user_id)),
    )
    if user_id is None:
        return statement
    return statement.where(or_(Delegation.from_user_id == user_id, Delegation.to_user_id == user_id))


def get_delegation(session: Session, actor: Actor, delegation_id: UUID, *, lock: bool = False) -> Delegation:
    """One of ``list_delegations``.

    Raises:
        NotFound: The actor may not know of it.
    """
    statement = list_delegations(session, actor).where(Delegation.id == delegation_id)
    found = session.scalars(statement.with_for_update(of=Delegation) if lock else statement).one_or_none()
    if found is None:
        raise NotFound("No such delegation.")
    return found


def create_delegation(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> Delegation:
    """Let one person stand in for another.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: The person themself, a manager for their team, or an administrator.
        values: ``to_user_id, work, valid_from``; optional ``id, from_user_id`` (else the actor), ``valid_to``.
        now: Server time, aware UTC; days are compared with the tenant's.

    Raises:
        Forbidden: The person stood in for is not of the actor's team.
        ReferenceNotFound: No such person whom the actor may know, or disabled.
        DelegationSelf, DelegationUnfit, DelegationPast, DelegationTaken, DelegationCycle, DatesReversed,
        IdTaken: As they say.
    """
    values = {"from_user_id": actor.user_id, "valid_to": None} | dict(values)
    giver, taker = values["from_user_id"], values["to_user_id"]
    if giver == taker:
        raise DelegationSelf("Name another person.")
    people = _locked(session, actor, giver, taker)
    _may_give(session, actor, giver)
    if any(person.role in OUTSIDERS for person in people):
        raise DelegationUnfit("Partners and integrations take no part in delegations.")
    made = Delegation(tenant_id=actor.tenant_id, id=values.pop("id", None) or new_id())
    if session.get(Delegation, (actor.tenant_id, made.id)) is not None:
        raise IdTaken("This id is in use.")
    if values["valid_from"] < tenant_day(session, actor.tenant_id, now):
        raise DelegationPast("It cannot begin before today.")
    for name, value in values.items():
        setattr(made, name, value)
    _check_days(session, made)
    session.add(made)
    session.flush()
    return made


def update_delegation(
    session: Session, actor: Actor, delegation_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Delegation:
    """Change the days of a delegation; to end it at once take it back.

    Raises:
        NotFound: The actor may not know of it.
        Forbidden: The person stood in for is not of the actor's team.
        DelegationPast: It would end before today, or what has begun would begin on another day.
        DelegationTaken, DelegationCycle, DatesReversed: As they say.
    """
    found = get_delegation(session, actor, delegation_id, lock=True)
    _may_give(session, actor, found.from_user_id)
    _lock(session, actor.tenant_id, found.from_user_id, found.to_user_id)
    today = tenant_day(session, actor.tenant_id, now)
    first, last = changes.get("valid_from", found.valid_from), changes.get("valid_to", found.valid_to)
    if first != found.valid_from and min(first, found.valid_from) < today:
        raise DelegationPast("It has begun, or would begin before today.")
    if last != found.valid_to and last is not None and last < today:
        raise DelegationPast("It cannot end before today.")
    with session.no_autoflush:
        found.valid_from, found.valid_to = first, last
        _check_days(session, found)
    session.flush()
    return found


def delete_delegation(session: Session, actor: Actor, delegation_id: UUID, *, now: datetime) -> None:
    """Take a delegation back; it ends at once. Who stands in may do so, too.

    Raises:
        NotFound: The actor may not know of it.
        Forbidden: The person stood in for is not of the actor's team.
    """
    found = get_delegation(session, actor, delegation_id, lock=True)
    if found.to_user_id != actor.user_id:
        _may_give(session, actor, found.from_user_id)
    found.deleted_at = now
    session.flush()


def _locked(session: Session, actor: Actor, giver: UUID, taker: UUID) -> list[User]:
    """Both people, whom the actor may know, held so that two delegations of one cannot pass at one moment."""
    _lock(session, actor.tenant_id, giver, taker)
    people = {
        user.id: user
        for user in session.scalars(
            list_users(session, actor, status=UserStatus.ACTIVE).where(User.id.in_((giver, taker)))
        )
    }
    for field, user_id in (("from_user_id", giver), ("to_user_id", taker)):
        if user_id not in people:
            raise ReferenceNotFound("No such user.", field=field)
    return list(people.values())


def _lock(session: Session, tenant_id: UUID, *user_ids: UUID) -> None:
    session.execute(
        select(User.id)
        .where(User.tenant_id == tenant_id, User.id.in_(user_ids))
        .order_by(User.id)
        .with_for_update(key_share=True)
    )


def _may_give(session: Session, actor: Actor, giver: UUID) -> None:
    of_team = select(User.id).where(
        User.tenant_id == actor.tenant_id, User.id == giver, reports_to(actor, User.id)
    )
    if session.scalar(of_team) is None:
        raise Forbidden("Only for yourself or your team.")


def _check_days(session: Session, made: Delegation) -> None:
    if made.valid_to is not None and made.valid_to < made.valid_from:
        raise DatesReversed("The last day lies before the first.")
    meanwhile = _meanwhile(made.tenant_id, made.work, made.valid_from, made.valid_to).where(
        Delegation.id != made.id
    )
    same = meanwhile.where(
        Delegation.from_user_id == made.from_user_id, Delegation.to_user_id == made.to_user_id
    )
    if session.scalar(same.with_only_columns(Delegation.id).limit(1)) is not None:
        raise DelegationTaken("The person stands in on some of these days already.")
    chain = meanwhile.with_only_columns(Delegation.from_user_id, Delegation.to_user_id).subquery()
    reached = select(chain.c.to_user_id).where(chain.c.from_user_id == made.to_user_id).cte(recursive=True)
    reached = reached.union(select(chain.c.to_user_id).where(chain.c.from_user_id == reached.c.to_user_id))
    circle = select(reached.c.to_user_id).where(reached.c.to_user_id == made.from_user_id)
    if session.scalar(circle) is not None:
        raise DelegationCycle("They would stand in for each other.")


def _meanwhile(tenant_id: UUID, work: DelegatedWork, first: date, last: date | None) -> Select[Delegation]:
    """Live delegations of this work on some of these days."""
    statement = select(Delegation).where(
        Delegation.tenant_id == tenant_id,
        Delegation.work == work,
        Delegation.deleted_at.is_(None),
        func.coalesce(Delegation.valid_to >= first, True),
    )
    return statement if last is None else statement.where(Delegation.valid_from <= last)
