"""Which documents need whose approval: set by administrators."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.approvals.models import ApprovalPolicy
from app.approvals.service.documents import plain
from app.approvals.service.errors import PolicyInvalid
from app.core.errors import IdTaken, NotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity import service as identity

FIELDS: Final = ("name", "document_kind", "metric", "threshold", "levels", "priority", "active")


def list_policies(
    session: Session, actor: Actor, *, document_kind: str | None = None
) -> Select[ApprovalPolicy]:
    """The company's policies, as a statement for the route to page.

    Raises:
        Forbidden: Only administrators see them: thresholds tell of margins.
    """
    identity.require_admin(actor)
    statement = select(ApprovalPolicy).where(
        ApprovalPolicy.tenant_id == actor.tenant_id, ApprovalPolicy.deleted_at.is_(None)
    )
    return (
        statement if document_kind is None else statement.where(ApprovalPolicy.document_kind == document_kind)
    )


def get_policy(session: Session, actor: Actor, policy_id: UUID, *, lock: bool = False) -> ApprovalPolicy:
    """One of ``list_policies``; raises NotFound and Forbidden."""
    statement = list_policies(session, actor).where(ApprovalPolicy.id == policy_id)
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def create_policy(
    session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime
) -> ApprovalPolicy:
    """Ask for approval from now on; what was handed in before is not asked for again.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An administrator.
        values: Typed fields; ``levels`` as ``ApprovalPolicy`` has them.
        now: Server time, aware UTC.

    Raises:
        Forbidden: Not an administrator.
        IdTaken: The id is in use.
        PolicyInvalid: A level names nobody, or there is none.
        ReferenceNotFound: It names somebody who does not work here.
    """
    identity.require_admin(actor)
    policy_id = values.get("id") or new_id()
    if session.get(ApprovalPolicy, (actor.tenant_id, policy_id)) is not None:
        raise IdTaken
    policy = ApprovalPolicy(tenant_id=actor.tenant_id, id=policy_id, **_given(session, actor, values))
    session.add(policy)
    session.flush()
    return policy


def update_policy(
    session: Session, actor: Actor, policy_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> ApprovalPolicy:
    """Change a policy; requests that are under way keep theirs. Raises as ``create_policy``, and NotFound."""
    policy = get_policy(session, actor, policy_id, lock=True)
    for field, value in _given(session, actor, changes).items():
        setattr(policy, field, value)
    session.flush()
    return policy


def delete_policy(session: Session, actor: Actor, policy_id: UUID, *, now: datetime) -> None:
    """Ask no more; requests that are under way go on. Raises NotFound and Forbidden."""
    get_policy(session, actor, policy_id, lock=True).deleted_at = now
    session.flush()


def _given(session: Session, actor: Actor, values: Mapping[str, Any]) -> dict[str, Any]:
    given = {field: values[field] for field in FIELDS if field in values}
    if "levels" in given:
        if not given["levels"]:
            raise PolicyInvalid(field="levels")
        given["levels"] = [_checked(session, actor, level) for level in given["levels"]]
    return given


def _checked(session: Session, actor: Actor, level: Mapping[str, Any]) -> dict[str, Any]:
    """A level with nothing but what its kind of approver needs."""
    kept = {name: level[name] for name in ("approver", "escalate_after_h")}
    needs = {"role": "role", "user": "user_id"}.get(str(level["approver"]))
    if needs is not None:
        if level.get(needs) is None:
            raise PolicyInvalid(field=needs)
        kept[needs] = level[needs]
    if needs == "user_id":
        identity.reference_user(session, actor, level["user_id"], "levels")
    whole: dict[str, Any] = plain(kept)
    return whole
