"""Articles: what they are about, for whom, and who keeps them true."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, case, exists, literal, select
from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.errors import HasDependants, IdTaken, NotFound, ReferenceNotFound
from app.core.ids import new_id
from app.core.scope import Actor
from app.identity import service as identity
from app.knowledge import markdown
from app.knowledge.models import (
    Article,
    ArticleAudience,
    ArticleKind,
    ArticleProduct,
    ArticleVersion,
    Language,
)
from app.knowledge.queries import articles as queries
from app.knowledge.service import indexing
from app.knowledge.service.errors import KnowledgeInvalid
from app.knowledge.service.records import articles_of, get_article, require_editor, write
from app.knowledge.states.articles import VersionStatus

PARTS: Final = ("products", "audiences")
# Links go by the slug.
FIXED: Final = frozenset({"slug"})


def list_articles(
    session: Session,
    actor: Actor,
    *,
    kind: ArticleKind | None = None,
    product_id: UUID | None = None,
    asset_model: str | None = None,
    slug: str | None = None,
    must_read: bool | None = None,
    for_customers: bool | None = None,
    due_to: date | None = None,
) -> Select[Article]:
    """The articles of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks; readers are given what is out and for them.
        kind: Of this kind only.
        product_id: About this product only.
        asset_model: About this model of asset only.
        slug: This one only.
        must_read: Only notices that everybody must read, or only the others.
        for_customers: Only what may be given to customers, or only the rest.
        due_to: Only those to be reviewed by this day.
    """
    statement = articles_of(actor)
    if product_id is not None:
        statement = statement.where(
            exists(
                select(literal(1)).where(
                    ArticleProduct.tenant_id == Article.tenant_id,
                    ArticleProduct.article_id == Article.id,
                    ArticleProduct.product_id == product_id,
                )
            )
        )
    if asset_model is not None:
        statement = statement.where(literal(asset_model) == Article.asset_models.any_())
    if due_to is not None:
        statement = statement.where(Article.next_review_on <= due_to)
    wanted = {
        Article.kind: kind,
        Article.slug: slug,
        Article.must_read: must_read,
        Article.for_customers: for_customers,
    }
    return statement.where(*(column == value for column, value in wanted.items() if value is not None))


def create_article(session: Session, actor: Actor, values: Mapping[str, Any], *, now: datetime) -> Article:
    """A page without words yet.

    Args:
        session: Open session of the tenant; the caller commits.
        actor: An editor.
        values: ``slug, kind``; optional ``id, asset_models, editor_id, review_every_days, next_review_on,
            priority, must_read, for_customers, products, audiences``. Without audiences it is for editors only.
        now: Server time, aware UTC.

    Raises:
        Forbidden: The actor is no editor.
        IdTaken, SlugTaken, ReferenceNotFound, KnowledgeInvalid: As they say.
    """
    require_editor(actor)
    record_id = values.get("id") or new_id()
    taken = select(literal(1)).where(Article.tenant_id == actor.tenant_id, Article.id == record_id)
    if session.scalar(taken) is not None:
        raise IdTaken
    article = Article(
        tenant_id=actor.tenant_id,
        id=record_id,
        products=[],
        audiences=[],
        must_read=False,
        editor_id=actor.user_id,
    )
    return _take(session, actor, article, values)


def update_article(
    session: Session, actor: Actor, article_id: UUID, changes: Mapping[str, Any], *, now: datetime
) -> Article:
    """Change fields; products and audiences as whole lists. Phones that lose it drop it with their next sync.

    Raises:
        NotFound: No such article.
        Forbidden, ReferenceNotFound, KnowledgeInvalid: As at creation; the slug stays as it is.
    """
    article = get_article(session, actor, article_id, lock=True)
    require_editor(actor)
    moved = {name for name in FIXED & changes.keys() if getattr(article, name) != changes[name]}
    if moved:
        raise KnowledgeInvalid(fields=dict.fromkeys(sorted(moved), "read_only_field"))
    _take(session, actor, article, changes)
    indexing.note_changed(session, article, now=now)
    return article


def delete_article(session: Session, actor: Actor, article_id: UUID, *, now: datetime) -> None:
    """Take back a page that has nothing out.

    Raises:
        NotFound, Forbidden: As above.
        HasDependants: Words of it are published or about to be: withdraw them first.
    """
    article = get_article(session, actor, article_id, lock=True)
    require_editor(actor)
    out = select(literal(1)).where(
        ArticleVersion.tenant_id == actor.tenant_id,
        ArticleVersion.article_id == article_id,
        ArticleVersion.status.in_((VersionStatus.APPROVED, VersionStatus.PUBLISHED)),
        ArticleVersion.deleted_at.is_(None),
    )
    if session.scalar(out.limit(1)) is not None:
        raise HasDependants(dependants=["article_version"])
    article.deleted_at = now
    session.flush()


def refer_to_article(session: Session, actor: Actor, article_id: UUID, field: str = "article_id") -> Article:
    """The article that a new record will point to, held so that it cannot be deleted meanwhile.

    Raises:
        ReferenceNotFound: No such article in the actor's scope.
    """
    statement = articles_of(actor).where(Article.id == article_id).with_for_update(of=Article, read=True)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise ReferenceNotFound(field=field)
    return found


def published(
    session: Session, actor: Actor, article_id: UUID, language: Language | None = None
) -> ArticleVersion:
    """The words of an article that are out, in the language asked for, else the company's, Korean, English, any.

    Raises:
        NotFound: No such article in the scope, or nothing of it is out.
    """
    get_article(session, actor, article_id)
    company = identity.get_tenant(session, actor.tenant_id).locale
    chain = list(dict.fromkeys([language or actor.locale, company, "ko", "en"]))
    order = case(
        {name: place for place, name in enumerate(chain)}, value=ArticleVersion.language, else_=len(chain)
    )
    found = session.scalars(
        select(ArticleVersion)
        .where(ArticleVersion.article_id == article_id, queries.sees_published_version(actor))
        .where(ArticleVersion.tenant_id == actor.tenant_id)
        .order_by(order, ArticleVersion.language)
        .limit(1)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def html(session: Session, actor: Actor, version: ArticleVersion) -> str:
    """The safe HTML of a version; links to articles that the actor may not know of become their words."""
    return markdown.html(version.body, leads=_leads_of(session, actor, version.body))


def known_slugs(session: Session, actor: Actor, slugs: Iterable[str]) -> set[str]:
    """Which of *slugs* are articles that the actor may know of."""
    return set(
        session.scalars(
            articles_of(actor).with_only_columns(Article.slug).where(Article.slug.in_(list(slugs)))
        )
    )


def _leads_of(session: Session, actor: Actor, body: str) -> Callable[[str], bool]:
    try:
        slugs = markdown.check(body)
    except markdown.MarkdownRefused:
        return lambda slug: False
    known = known_slugs(session, actor, slugs) if slugs else set()
    return known.__contains__


def _take(session: Session, actor: Actor, article: Article, values: Mapping[str, Any]) -> Article:
    """Write checked values."""
    with session.no_autoflush:
        for name, value in values.items():
            if name not in (*PARTS, "id"):
                setattr(article, name, value)
        if article.must_read and article.kind is not ArticleKind.SAFETY_NOTICE:
            raise KnowledgeInvalid(fields={"must_read": "value_invalid"})
        if values.get("editor_id") is not None:
            identity.reference_user(session, actor, values["editor_id"], "editor_id")
        if "products" in values:
            _take_products(session, actor, article, values["products"])
        if "audiences" in values:
            _take_audiences(session, actor, article, values["audiences"])
    session.add(article)
    write(session, article)
    return article


def _take_products(
    session: Session, actor: Actor, article: Article, rows: Iterable[Mapping[str, Any]]
) -> None:
    wanted = [row["product_id"] for row in rows]
    if len(set(wanted)) < len(wanted):
        raise KnowledgeInvalid(fields={"products": "duplicate_item"})
    held = {part.product_id: part for part in article.products}
    for product_id in wanted:
        if product_id not in held:
            catalog.refer_to_product(session, actor, product_id, "products")
            held[product_id] = ArticleProduct(tenant_id=article.tenant_id, id=new_id(), product_id=product_id)
    article.products = [held[product_id] for product_id in wanted]


def _take_audiences(
    session: Session, actor: Actor, article: Article, rows: Iterable[Mapping[str, Any]]
) -> None:
    wanted = [(row.get("role"), row.get("unit_id")) for row in rows]
    if len(set(wanted)) < len(wanted):
        raise KnowledgeInvalid(fields={"audiences": "duplicate_item"})
    if (None, None) in wanted:
        raise KnowledgeInvalid(fields={"audiences": "required"})
    held = {(part.role, part.unit_id): part for part in article.audiences}
    for role, unit_id in wanted:
        if (role, unit_id) in held:
            continue
        if unit_id is not None:
            _check_unit(session, actor, unit_id)
        held[role, unit_id] = ArticleAudience(
            tenant_id=article.tenant_id, id=new_id(), role=role, unit_id=unit_id
        )
    article.audiences = [held[one] for one in wanted]


def _check_unit(session: Session, actor: Actor, unit_id: UUID) -> None:
    try:
        identity.get_org_unit(session, actor, unit_id)
    except NotFound:
        raise ReferenceNotFound(field="audiences") from None
