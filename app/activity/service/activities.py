"""Contacts with an account, written down once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.activity import queries
from app.activity.models import Activity, ActivityKind
from app.activity.service.errors import AppendOnly
from app.activity.service.records import FREE_TEXT, check_id_free, flush, refuse_partners
from app.core.errors import NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.masking import mask_fields
from app.core.scope import Actor
from app.visits import service as visits

FIELDS: Final = (
    "contact_id",
    "visit_id",
    "kind",
    "direction",
    "value",
    "subject",
    "body",
    "private",
    "happened_at",
)


def list_activities(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    author_id: UUID | None = None,
    visit_id: UUID | None = None,
    kind: ActivityKind | None = None,
    happened_from: datetime | None = None,
    happened_to: datetime | None = None,
) -> Select[Activity]:
    """The activities of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; private ones of others are not among them.
        account_id: Of this account only.
        author_id: By this person only.
        visit_id: On this visit only.
        kind: Of this kind only.
        happened_from: Happened at or after this moment.
        happened_to: Happened before this moment.
    """
    statement = queries.activities_of(actor)
    if account_id is not None:
        statement = statement.where(Activity.account_id == account_id)
    if author_id is not None:
        statement = statement.where(Activity.author_id == author_id)
    if visit_id is not None:
        statement = statement.where(Activity.visit_id == visit_id)
    if kind is not None:
        statement = statement.where(Activity.kind == kind)
    if happened_from is not None:
        statement = statement.where(Activity.happened_at >= happened_from)
    if happened_to is not None:
        statement = statement.where(Activity.happened_at < happened_to)
    return statement


def get_activity(session: Session, actor: Actor, activity_id: UUID, *, lock: bool = False) -> Activity:
    """One activity of the scope; there is nothing to lock, as nobody edits it.

    Raises:
        NotFound: No such activity in the actor's scope, or a private one of somebody else.
    """
    statement = queries.activities_of(actor).where(Activity.id == activity_id)
    activity = session.scalars(statement).one_or_none()
    if activity is None:
        raise NotFound
    return activity


def create_activity(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Activity:
    """Write down a contact with an account; the actor is its author.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: Anyone but partners who has the account in scope.
        values: Typed fields, ``id`` when a phone minted it; ``happened_at`` is *now* when left out.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Partners write none.
        IdTaken: The id is in use.
        ReferenceNotFound: Account, contact or visit are unknown, out of scope or another account's.
    """
    refuse_partners(actor)
    check_id_free(session, actor, Activity, values.get("id"))
    accounts.refer_to_account(session, actor, values["account_id"])
    clean, _ = mask_fields(values, FREE_TEXT)
    activity = Activity(
        tenant_id=actor.tenant_id,
        author_id=actor.user_id,
        account_id=values["account_id"],
        **{
            "id": values.get("id") or new_id(),
            "happened_at": now,
            **{field: clean[field] for field in FIELDS if clean.get(field) is not None},
        },
    )
    _check_references(session, actor, activity)
    session.add(activity)
    flush(session)
    return activity


def update_activity(
    session: Session, actor: Actor, activity_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Activity:
    """Refuse: what was written down stays.

    Raises:
        NotFound: No such activity in the actor's scope.
        AppendOnly: Always else.
    """
    get_activity(session, actor, activity_id)
    raise AppendOnly


def delete_activity(session: Session, actor: Actor, activity_id: UUID, *, now: datetime) -> None:
    """Refuse, as ``update_activity``."""
    get_activity(session, actor, activity_id)
    raise AppendOnly


def _check_references(session: Session, actor: Actor, activity: Activity) -> None:
    if activity.contact_id is not None:
        try:
            contact = accounts.get_contact(session, actor, activity.contact_id)
        except NotFound:
            raise ReferenceNotFound(field="contact_id") from None
        if contact.account_id != activity.account_id:
            raise ReferenceNotFound(field="contact_id")
    if activity.visit_id is not None:
        visit = visits.refer_to_visit(session, actor, activity.visit_id)
        if visit.account_id != activity.account_id:
            raise ReferenceNotFound(field="visit_id")
