"""What only the office may do, and who the office is when nobody is logged in."""

from datetime import datetime
from uuid import UUID

from app.core.errors import Forbidden
from app.core.scope import Actor, Role, Scope

CONSOLE_USER = UUID(int=0)


def require_admin(actor: Actor) -> None:
    """Refuse everybody but administrators.

    Raises:
        Forbidden: The actor is none.
    """
    if actor.role is not Role.ADMIN:
        raise Forbidden("Only an administrator may do this.")


def console_actor(tenant_id: UUID, now: datetime) -> Actor:
    """The operator at the server's command line, who may do what an administrator may, in this tenant.

    They are no user: open the session with ``actor="cli:<name>"`` and no ``user_id``, so that the ledger
    names them.
    """
    nobody: frozenset[UUID] = frozenset()
    scope = Scope(user_id=CONSOLE_USER, role=Role.ADMIN, territory_ids=nobody, unit_ids=nobody, at=now)
    return Actor(tenant_id=tenant_id, user_id=CONSOLE_USER, device_id=None, scope=scope)


def person_of(actor: Actor) -> UUID | None:
    """The user to name as the author; None for the console."""
    return None if actor.user_id == CONSOLE_USER else actor.user_id
