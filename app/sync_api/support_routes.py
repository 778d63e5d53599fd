"""Beside sync, over HTTP: compare, mend, and ask why."""

from typing import Any

from flask import Response
from flask.views import MethodView
from marshmallow import ValidationError

from app.core.clock import utc_now
from app.http.api import EVERYBODY, Blueprint
from app.http.auth import current_actor, current_claims
from app.http.errors import Refused
from app.sync_api.explaining import Explanation, Question, device_to_explain, explain
from app.sync_api.pushing import Identity
from app.sync_api.registry import BY_NAME, REGISTRY
from app.sync_api.routes import PHONE_USERS, exchange
from app.sync_api.support import RepairAsk, digest, repair
from app.sync_api.support_schemas import (
    DigestQuery,
    DigestSchema,
    ExplainQuery,
    ExplanationSchema,
    RepairAnswerSchema,
    RepairSchema,
)
from sync.errors import RequestInvalid

support_blp = Blueprint(
    "sync support", __name__, url_prefix="/api/v1/sync", description="Compare, mend, and ask why"
)

BEHIND = "`behind`: the cursor is not at its checkpoint; sync first"


def this_device() -> Identity:
    """The device that asks.

    Raises:
        Refused: The token is of no device.
    """
    claims = current_claims()
    if claims.device_id is None:
        raise Refused("device_required", 403)
    return Identity(claims.tenant_id, claims.user_id, claims.device_id)


@support_blp.route("/digest")
class DigestView(MethodView):
    @support_blp.allow(*PHONE_USERS)
    @support_blp.arguments(DigestQuery, location="query")
    @support_blp.response(200, DigestSchema)
    @support_blp.alt_response(409, description=BEHIND)
    def get(self, args: dict[str, Any]) -> dict[str, Any]:
        """Say what the device should hold, as counts and sums"""
        try:
            epoch, found = digest(exchange(), this_device(), current_actor, args["cursor"])
        except RequestInvalid as error:
            raise Refused(error.request_code) from error
        return {"epoch": epoch, "entities": {name: one.to_wire() for name, one in found.items()}}


@support_blp.route("/repair")
class RepairView(MethodView):
    @support_blp.allow(*PHONE_USERS)
    @support_blp.arguments(RepairSchema)
    @support_blp.response(200, RepairAnswerSchema)
    @support_blp.alt_response(409, description=BEHIND)
    def post(self, args: dict[str, Any]) -> Response:
        """Mend what the device holds, row by row"""
        _check_stretch(args)
        ask = RepairAsk(str(args["entity"]), args["held"], args["after"], args["until"], args["limit"])
        try:
            answer = repair(exchange(), this_device(), current_actor, args["cursor"], ask)
        except RequestInvalid as error:
            raise Refused(error.request_code) from error
        return Response(answer, mimetype="application/json")


@support_blp.route("/explain")
class ExplainView(MethodView):
    @support_blp.allow(*EVERYBODY)
    @support_blp.arguments(ExplainQuery, location="query")
    @support_blp.response(200, ExplanationSchema)
    @support_blp.alt_response(404, description="`not_found`: no such device, or not one of yours")
    def get(self, args: dict[str, Any]) -> Explanation:
        """Say why a record is, or is not, on a device"""
        claims = current_claims()
        device_id = args.get("device_id") or claims.device_id
        if device_id is None:
            raise Refused("device_required", 403)
        who = Identity(claims.tenant_id, claims.user_id, device_id)
        with exchange().snapshot(who) as (connection, session):
            actor = current_actor(session)
            device = device_to_explain(session, actor, device_id)
            question = Question(actor, device, str(args["entity"]), args["id"], utc_now())
            return explain(connection, session, REGISTRY, BY_NAME, question)


def _check_stretch(args: dict[str, Any]) -> None:
    """Refuse ids outside the stretch that the device speaks of: they would be told to be forgotten.

    Raises:
        ValidationError: Names each.
    """
    after, until = args["after"], args["until"]
    if after and until and after >= until:
        raise ValidationError({"until": ["value_out_of_range"]})
    outside = {
        place: {"id": ["value_out_of_range"]}
        for place, one in enumerate(args["held"])
        if (after and one <= after) or (until and one > until)
    }
    if outside:
        raise ValidationError({"held": outside})
