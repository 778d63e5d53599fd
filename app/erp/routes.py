"""What an ERP tells us, over REST: one address for each kind of row."""

from collections import Counter
from typing import Any

import marshmallow as ma
from flask.views import MethodView

from app.core.clock import utc_now
from app.core.scope import Role
from app.erp import service
from app.erp.schemas import (
    DeliveredSchema,
    DeliverySchema,
    InvoiceRowSchema,
    OrderRowSchema,
    PaymentRowSchema,
    RowSchema,
    ShipmentRowSchema,
    StockRowSchema,
)
from app.erp.service import InboundRow, Outcome
from app.http.api import Blueprint
from app.http.errors import field_errors
from app.http.transaction import transaction

blp = Blueprint("erp", __name__, url_prefix="/api/v1", description="What the ERP tells us, in bulk")

SYSTEMS = (Role.INTEGRATION, Role.ADMIN)


def publish(kind: str, schema: type[RowSchema], summary: str) -> None:
    """Give a kind of rows its route: ``POST /erp/orders``."""
    rows = schema()

    class Rows(MethodView):
        @blp.allow(*SYSTEMS)
        @blp.arguments(DeliverySchema)
        @blp.response(200, DeliveredSchema)
        def post(self, delivery: dict[str, Any]) -> Any:
            read = [_read(rows, raw) for raw in delivery["rows"]]
            good = [one for one in read if isinstance(one, InboundRow)]
            with transaction() as (session, actor):
                taken = iter(
                    service.TAKERS[kind](session, actor, delivery["system"], rows=good, now=utc_now())
                )
            results = [_told(next(taken)) if isinstance(one, InboundRow) else one for one in read]
            counts = Counter(str(one["outcome"]) for one in results)
            return {outcome.value: counts[outcome.value] for outcome in Outcome} | {"results": results}

    Rows.post.__doc__ = summary
    blp.route(f"/erp/{kind}", endpoint=f"erp_{kind}")(Rows)


def _read(schema: RowSchema, raw: Any) -> InboundRow | dict[str, Any]:
    """A row that can be judged, or its rejection."""
    try:
        values = schema.load(raw)
    except ma.ValidationError as error:
        errors = field_errors(error.messages)
        key = raw.get("external_id") if isinstance(raw, dict) else None
        return {
            "external_id": key if isinstance(key, str) else None,
            "outcome": Outcome.REJECTED,
            "id": None,
            "code": errors[0]["code"] if errors else "validation_failed",
            "details": {},
            "errors": errors,
        }
    external_id = values.pop("external_id")
    sent = schema.dump(values)
    return InboundRow(external_id, values, sent)


def _told(taken: service.Taken) -> dict[str, Any]:
    return {
        "external_id": taken.external_id,
        "outcome": taken.outcome,
        "id": taken.record_id,
        "code": taken.code,
        "details": dict(taken.details),
        "errors": [],
    }


publish("orders", OrderRowSchema, "Tell what became of orders in the ERP")
publish("shipments", ShipmentRowSchema, "Tell what was shipped and delivered")
publish("invoices", InvoiceRowSchema, "Tell invoices")
publish("payments", PaymentRowSchema, "Tell payments")
publish("stock", StockRowSchema, "Tell what lies in the warehouses")
