"""Articles and their versions over REST: readers read what is for them, editors keep all."""

from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy import select

from app.core.clock import utc_now
from app.core.scope import Role, ShapeClass
from app.http.api import EVERYBODY, Blueprint
from app.http.fields import Rendered
from app.http.paging import PageQuery, page, page_of
from app.http.resources import Collection, Resource
from app.http.transaction import transaction
from app.knowledge import service
from app.knowledge.models import Article, ArticleReceipt, ArticleVersion, KnowledgePack
from app.knowledge.schemas.articles import (
    COMMAND_SCHEMAS,
    ArticleChangeSchema,
    ArticleCreateSchema,
    ArticleKeepingSchema,
    ArticleQuery,
    ArticleReceiptSchema,
    ArticleSchema,
    ArticleVersionSchema,
    DiffQuery,
    DiffSchema,
    HtmlSchema,
    KnowledgePackSchema,
    LanguageQuery,
    NoArgsSchema,
    PackBudgetsSchema,
    UnreadSchema,
    VersionChangeSchema,
    VersionCreateSchema,
    VersionQuery,
    VersionSchema,
)
from app.knowledge.sync.articles import ARTICLE_VERSION

blp = Blueprint(
    "knowledge", __name__, url_prefix="/api/v1", description="What one has to know, and for whom it is"
)

ARTICLES = Resource(blp=blp, model=Article, schema=ArticleSchema, get=service.get_article)
KEEPING = Resource(blp=blp, model=Article, schema=ArticleKeepingSchema, get=service.get_kept_article)


@blp.route("/knowledge/articles")
class Articles(MethodView):
    """The articles of one's scope."""

    get = ARTICLES.lists(
        "List the articles that are for you; as an editor all",
        EVERYBODY,
        service.list_articles,
        ArticleQuery,
        sorts=("slug", "priority", "next_review_on", "updated_at"),
        default_sort="slug",
    )
    post = ARTICLES.creates(
        "Begin an article, without words yet", EVERYBODY, service.create_article, ArticleCreateSchema
    )


@blp.route("/knowledge/articles/<uuid:article_id>")
class ArticleById(MethodView):
    """One article."""

    get = ARTICLES.shows("Get an article, without its words", EVERYBODY)
    patch = ARTICLES.changes(
        "Change what an article is about and for whom",
        EVERYBODY,
        service.update_article,
        ArticleChangeSchema(partial=True),
    )
    delete = ARTICLES.deletes("Delete an article that has nothing out", EVERYBODY, service.delete_article)


@blp.route("/knowledge/articles/<uuid:article_id>/keeping")
class Keeping(MethodView):
    """How an article is kept."""

    get = KEEPING.shows("See as an editor whom an article is for and who keeps it", EVERYBODY)


# Lists are as phones hold them: for managers without the words.
LISTED = Collection(
    blp=blp, model=ArticleVersion, schema=ArticleVersionSchema, entity=ARTICLE_VERSION, noted=False
)
VERSIONS = Resource(
    blp=blp,
    model=ArticleVersion,
    schema=VersionSchema,
    get=service.get_version,
    get_locked=service.get_locked_version,
)


@blp.route("/knowledge/articles/<uuid:article_id>/text")
class Words(MethodView):
    """The words that are out."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(LanguageQuery, location="query")
    @blp.response(200, VersionSchema)
    def get(self, args: dict[str, Any], article_id: UUID) -> Any:
        """Read an article in a language, or in the nearest that there is

        Without the language asked for it is the company's, then Korean, then English.
        """
        with transaction() as (session, actor):
            return VERSIONS.answer(actor, service.published(session, actor, article_id, args.get("language")))


@blp.route("/knowledge/articles/<uuid:article_id>/versions")
class VersionsOfArticle(MethodView):
    """What an article said, says and will say."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(VersionCreateSchema)
    @blp.response(201, VersionSchema)
    def post(self, values: dict[str, Any], article_id: UUID) -> Any:
        """Begin the next version: a copy of the newest in its language, with these values"""
        with transaction() as (session, actor):
            version = service.create_version(session, actor, article_id, values, now=utc_now())
            return VERSIONS.answer(actor, version)


@blp.route("/knowledge/versions")
class Versions(MethodView):
    """The versions of one's scope."""

    get = LISTED.lists(
        "List versions: as a reader what is out or was, as an editor all",
        EVERYBODY,
        service.list_versions,
        VersionQuery,
        sorts=("n", "published_at", "publish_at", "updated_at"),
        default_sort="-updated_at",
    )


@blp.route("/knowledge/versions/<uuid:version_id>")
class VersionById(MethodView):
    """One version."""

    get = VERSIONS.shows("Get a version of an article", EVERYBODY)
    patch = VERSIONS.changes(
        "Change a draft", EVERYBODY, service.update_version, VersionChangeSchema(partial=True)
    )
    delete = VERSIONS.deletes("Throw a draft away", EVERYBODY, service.delete_version)


@blp.route("/knowledge/versions/<uuid:version_id>/html")
class Html(MethodView):
    """A version as it is shown."""

    @blp.allow(*EVERYBODY)
    @blp.response(200, HtmlSchema)
    def get(self, version_id: UUID) -> Any:
        """Read a version as safe HTML"""
        with transaction() as (session, actor):
            version = service.get_version(session, actor, version_id)
            return {"title": version.title, "html": service.html(session, actor, version)}


@blp.route("/knowledge/versions/<uuid:version_id>/diff")
class Diff(MethodView):
    """What changed."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(DiffQuery, location="query")
    @blp.response(200, DiffSchema)
    def get(self, args: dict[str, Any], version_id: UUID) -> Any:
        """See what changed from another version to this one"""
        with transaction() as (session, actor):
            return {"diff": service.diff_versions(session, actor, args["since_id"], version_id)}


for command, summary in (
    ("submit_for_review", "Ask a second person to read a draft"),
    ("approve", "Answer for words that somebody else wrote"),
    ("reject", "Give a version back to be written better"),
    ("publish", "Give an approved version to its readers, now or at a time"),
    ("withdraw", "Take a version back, now or at a time"),
):
    post = VERSIONS.obeys(
        summary, EVERYBODY, service.VERSION_COMMANDS[command], COMMAND_SCHEMAS[command], dated=False
    )
    view = type("Command", (MethodView,), {"post": post})
    blp.route(
        f"/knowledge/versions/<uuid:version_id>/{command.replace('_', '-')}", endpoint=f"version_{command}"
    )(view)


@blp.route("/knowledge/versions/<uuid:version_id>/acknowledge")
class Acknowledgement(MethodView):
    """That one has read it."""

    post = VERSIONS.obeys("Note that you have read a notice", EVERYBODY, service.acknowledge, NoArgsSchema)


RECEIPTS = Collection(blp=blp, model=ArticleReceipt, schema=ArticleReceiptSchema)


@blp.route("/knowledge/receipts")
class Receipts(MethodView):
    """What one has acknowledged."""

    get = RECEIPTS.lists(
        "List what you have acknowledged",
        EVERYBODY,
        service.list_receipts,
        sorts=("acknowledged_at",),
        default_sort="-acknowledged_at",
    )


@blp.route("/knowledge/unread")
class Unread(MethodView):
    """Who has not read what they had to."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(PageQuery, location="query")
    @blp.response(200, page_of(UnreadSchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List who has not acknowledged which notice: of all, or of your team"""
        with transaction() as (session, actor):
            pairs = service.list_unread(session, actor, now=utc_now()).c
            found = page(
                session,
                select(pairs.id),
                model=pairs,
                sortable={"since": pairs.since, "user_name": pairs.user_name},
                default_sort="since",
                args=args,
            )
            rows = {
                row.id: row for row in session.execute(select(*pairs).where(pairs.id.in_(found["items"])))
            }
            schema = UnreadSchema()
            found["items"] = [Rendered(schema.dump(rows[pair])) for pair in found["items"]]
            return found


PACKS = Collection(blp=blp, model=KnowledgePack, schema=KnowledgePackSchema)


@blp.route("/knowledge/packs")
class Packs(MethodView):
    """What phones are given."""

    get = PACKS.lists(
        "List what was left out of your phone for lack of room; as an editor of all",
        EVERYBODY,
        service.list_packs,
        sorts=("omitted",),
        default_sort="-omitted",
    )


@blp.route("/knowledge/pack-budgets")
class PackBudgets(MethodView):
    """How full phones may be."""

    @blp.allow(*EVERYBODY)
    @blp.response(200, PackBudgetsSchema)
    def get(self) -> Any:
        """See how many kilobytes of knowledge phones are given"""
        with transaction() as (session, actor):
            return service.get_budgets(session, actor)

    @blp.allow(Role.ADMIN)
    @blp.arguments(PackBudgetsSchema)
    @blp.response(200, PackBudgetsSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Say how many kilobytes of knowledge phones are given"""
        with transaction() as (session, actor):
            kilobytes = {ShapeClass(shape): value for shape, value in values.items()}
            return service.set_budgets(session, actor, kilobytes, now=utc_now())
