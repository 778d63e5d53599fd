"""Sandboxes over REST: what is known of it, and going back."""

from typing import Any

from flask.views import MethodView

from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.services import services
from app.http.transaction import transaction
from app.sandbox import service
from app.sandbox.schemas import SandboxSchema

blp = Blueprint("sandbox", __name__, url_prefix="/api/v1/sandbox", description="For app developers")


@blp.route("")
class SandboxView(MethodView):
    """The sandbox of the caller."""

    @blp.allow(*EVERYBODY)
    @blp.response(200, SandboxSchema)
    def get(self) -> Any:
        """Get when the sandbox goes back to its kept state"""
        with transaction() as (session, actor):
            return service.get_sandbox(session, actor.tenant_id)


@blp.route("/reset")
class SandboxReset(MethodView):
    """Going back."""

    @blp.allow(Role.ADMIN)
    @blp.response(200, SandboxSchema)
    def post(self) -> Any:
        """Take the sandbox back to its kept state

        Every phone of it is told to take the full set anew, and its unsent work is judged. 404 in a company that
        is no sandbox.
        """
        with transaction() as (session, actor):
            service.get_sandbox(session, actor.tenant_id)
        service.reset(services().db, actor.tenant_id, user_id=actor.user_id)
        with transaction() as (session, actor):
            return service.get_sandbox(session, actor.tenant_id)
