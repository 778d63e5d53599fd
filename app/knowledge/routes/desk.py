"""The editors' desk, and all about a product in one call."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import Select
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.scope import Actor
from app.http.api import EVERYBODY, Blueprint
from app.http.resources import Collection
from app.http.transaction import transaction
from app.knowledge import service
from app.knowledge.models import Article
from app.knowledge.schemas.desk import (
    DueQuery,
    DueSchema,
    LanguageQuery,
    ProductViewSchema,
    QueueQuery,
    QueueSchema,
    ReportQuery,
    ReportSchema,
)

blp = Blueprint(
    "knowledge desk",
    __name__,
    url_prefix="/api/v1",
    description="What editors have to do, and what came of it",
)

LATELY = timedelta(days=30)


@blp.route("/knowledge/queue")
class Queue(MethodView):
    """What waits for editors."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(QueueQuery, location="query")
    @blp.response(200, QueueSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """See as an editor what waits, the longest first

        Proposals, questions, versions to be read by a second person, and articles that helped few of their readers.
        """
        with transaction() as (session, actor):
            queue = service.list_queue(session, actor, limit=args["limit"])
            counts = [{"kind": kind, "count": queue.counts[kind]} for kind in sorted(queue.counts)]
            return {"counts": counts, "items": queue.items}


def _due(session: Session, actor: Actor, **filters: Any) -> Select[Article]:
    return service.list_due(session, actor, now=utc_now(), **filters)


DUE = Collection(blp=blp, model=Article, schema=DueSchema)


@blp.route("/knowledge/due")
class Due(MethodView):
    """Reviews."""

    get = DUE.lists(
        "List as an editor the articles whose review is due",
        EVERYBODY,
        _due,
        DueQuery,
        sorts=("next_review_on",),
        default_sort="next_review_on",
    )


@blp.route("/knowledge/report")
class Report(MethodView):
    """What came of it."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(ReportQuery, location="query")
    @blp.response(200, ReportSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """See as an editor what was read, used, solved a case, and helped

        What was searched, and found nothing, is in `/search/report`.
        """
        until = args.get("until") or utc_now()
        since = args.get("since") or until - LATELY
        with transaction() as (session, actor):
            items = service.report(session, actor, since=since, until=until, limit=args["limit"])
            return {"since": since, "until": until, "items": items}


@blp.route("/products/<uuid:product_id>/360")
class ProductView(MethodView):
    """All about a product."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(LanguageQuery, location="query")
    @blp.response(200, ProductViewSchema)
    def get(self, args: dict[str, Any], product_id: UUID) -> Any:
        """See all about a product in one call

        Its prices and promotions of today, its articles and trees, and what was asked about it: each part as its own
        list would show it.
        """
        with transaction() as (session, actor):
            return service.view_product(session, actor, product_id, now=utc_now(), **args)
