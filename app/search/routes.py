"""Searching, suggestions, synonyms and the report over REST."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

from flask.views import MethodView
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.scope import Actor
from app.http.api import EVERYBODY, Blueprint
from app.http.resources import Resource
from app.http.transaction import note_access, transaction
from app.identity import service as identity
from app.search import service
from app.search.models import SynonymGroup
from app.search.schemas import (
    FoundSchema,
    ReportQuery,
    ReportSchema,
    SearchQuery,
    SuggestedSchema,
    SuggestQuery,
    SynonymGroupCreateSchema,
    SynonymGroupSchema,
)

blp = Blueprint(
    "search", __name__, url_prefix="/api/v1", description="One search over everything that you may see"
)

REPORT_DAYS = 30


@blp.route("/search")
class Search(MethodView):
    """One search over all rooms."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(SearchQuery, location="query")
    @blp.response(200, FoundSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """Search accounts, contacts, products and knowledge"""
        with transaction() as (session, actor):
            answer = service.search(
                session,
                actor,
                args["q"],
                kinds=args.get("kinds", ()),
                limit=args["limit"],
                offset=args["offset"],
                language=args.get("language"),
                now=utc_now(),
            )
            _note(session, actor, answer.hits, "search")
            return {
                "items": [_body(hit) for hit in answer.hits],
                "total": answer.total,
                "total_is_exact": answer.total_is_exact,
                "did_you_mean": answer.did_you_mean,
            }


def _note(session: Session, actor: Actor, hits: Sequence[service.Hit], action: str) -> None:
    """Write down that data of customers was read."""
    for kind, count in Counter(hit.kind for hit in hits).items():
        if kind in service.PERSONAL:
            note_access(session, actor, kind, None, action, count=count)


_PARTS = tuple(part.name for part in fields(service.Hit))


def _body(hit: service.Hit) -> dict[str, Any]:
    ranges = {
        name: [{"start": start, "end": end} for start, end in getattr(hit, name)]
        for name in ("title_ranges", "snippet_ranges")
    }
    return {name: getattr(hit, name) for name in _PARTS} | ranges


@blp.route("/search/suggest")
class Suggestions(MethodView):
    """What may be meant."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(SuggestQuery, location="query")
    @blp.response(200, SuggestedSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """Suggest titles for what was typed so far"""
        with transaction() as (session, actor):
            hits = service.suggest(session, actor, args["q"], limit=args["limit"], now=utc_now())
            _note(session, actor, hits, "suggest")
            return {"items": [hit.title for hit in hits]}


@blp.route("/search/report")
class Report(MethodView):
    """What people look for."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(ReportQuery, location="query")
    @blp.response(200, ReportSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """Read what was searched, what found nothing first; for editors"""
        with transaction() as (session, actor):
            today = identity.tenant_day(session, actor.tenant_id, utc_now())
            until = args.get("until", today)
            since = args.get("since", until - timedelta(days=REPORT_DAYS))
            found = service.report_searches(
                session,
                actor,
                since=since,
                until=until,
                found_nothing=args["found_nothing"],
                limit=args["limit"],
            )
            return {"since": since, "until": until, "items": found}


SYNONYMS = Resource(blp=blp, model=SynonymGroup, schema=SynonymGroupSchema, get=service.get_synonym_group)


@blp.route("/search/synonyms")
class Synonyms(MethodView):
    """Words that are taken for one."""

    get = SYNONYMS.lists(
        "List the synonyms of your searches; for editors all",
        EVERYBODY,
        service.list_synonym_groups,
        sorts=("updated_at",),
    )
    post = SYNONYMS.creates(
        "Take some words for one; for editors",
        EVERYBODY,
        service.create_synonym_group,
        SynonymGroupCreateSchema,
    )


@blp.route("/search/synonyms/<uuid:synonym_id>")
class SynonymsById(MethodView):
    """One group."""

    get = SYNONYMS.shows("Get a group of synonyms", EVERYBODY)
    patch = SYNONYMS.changes("Change a group; for editors", EVERYBODY, service.update_synonym_group)
    delete = SYNONYMS.deletes(
        "Tell its words apart again; for editors", EVERYBODY, service.delete_synonym_group
    )
