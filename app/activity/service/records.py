"""What activities and tasks have in common."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.activity.models import Activity, Task
from app.core.errors import Forbidden, IdTaken
from app.core.masking import mask_fields
from app.core.scope import Actor, Role

FREE_TEXT: Final = frozenset({"subject", "title", "body"})


def masked_fields(values: Mapping[str, Any]) -> frozenset[str]:
    """The fields of *values* in which a national id number would be masked."""
    return mask_fields(values, FREE_TEXT)[1]


def refuse_partners(actor: Actor) -> None:
    """Partners have neither activities nor tasks."""
    if actor.role is Role.PARTNER:
        raise Forbidden


def check_id_free(
    session: Session, actor: Actor, model: type[Activity] | type[Task], record_id: UUID | None
) -> None:
    """Refuse an id that is in use, also by a deleted record or one outside the scope."""
    used = select(model.id).where(model.tenant_id == actor.tenant_id, model.id == record_id)
    if record_id is not None and session.scalar(used) is not None:
        raise IdTaken


def flush(session: Session) -> None:
    """Write what was changed; raises IdTaken where another writer used the id at the same moment."""
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if name in ("pk_activities", "pk_tasks"):
            raise IdTaken from error
        raise
