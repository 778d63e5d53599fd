"""The one blueprint of the room, and who may call it."""

from app.core.scope import Role
from app.http.api import Blueprint

blp = Blueprint(
    "orders", __name__, url_prefix="/api/v1", description="What accounts order, and what becomes of it"
)

STAFF = (Role.REP, Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
OFFICE = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
KEEPERS = (Role.ADMIN, Role.INTEGRATION)
ADMIN = (Role.ADMIN,)
