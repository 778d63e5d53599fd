"""All about a product in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.catalog import service as catalog
from app.core.scope import Actor
from app.identity import service as identity
from app.knowledge.models import Article, ArticleVersion, DiagnosisTree, ExpertQuestion, Language
from app.knowledge.service.articles import list_articles
from app.knowledge.service.questions import list_questions
from app.knowledge.service.trees import list_trees
from app.knowledge.service.versions import list_versions
from app.knowledge.states.articles import VersionStatus

ARTICLES: Final = 100
TREES: Final = 50
QUESTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class KnownArticle:
    """An article, and its words in the language that suits the reader."""

    article: Article
    words: ArticleVersion


@dataclass(frozen=True, slots=True)
class ProductView:
    """A product, and what the actor may know of it.

    Attributes:
        product: Itself.
        prices: Today's, of the lists of the scope; none for technicians and partners.
        promotions: Today's that may touch it; none for them either.
        articles: About it, the most important first.
        trees: About it.
        questions: About it that the actor asked; for editors all, the newest first.
    """

    product: Any
    prices: Sequence[Any]
    promotions: Sequence[Any]
    articles: Sequence[KnownArticle]
    trees: Sequence[DiagnosisTree]
    questions: Sequence[ExpertQuestion]


def view_product(
    session: Session, actor: Actor, product_id: UUID, *, now: datetime, language: Language | None = None
) -> ProductView:
    """Gather what the actor may know of a product; each part as its own list would show it.

    Args:
        session: Open session of the tenant.
        actor: Who asks.
        product_id: Of the product.
        now: Server time, aware UTC.
        language: Of the articles' words, where there are any in it; else the actor's.

    Raises:
        NotFound: No such product.
    """
    product = catalog.get_product(session, actor, product_id)
    day = identity.tenant_day(session, actor.tenant_id, now)
    prices, promotions = catalog.list_offers(session, actor, product, day)
    trees = list_trees(session, actor, product_id=product_id).order_by(DiagnosisTree.code).limit(TREES)
    questions = list_questions(session, actor, product_id=product_id).order_by(
        ExpertQuestion.asked_at.desc(), ExpertQuestion.id
    )
    return ProductView(
        product,
        prices,
        promotions,
        _articles(session, actor, product_id, [language or actor.locale, "ko", "en"]),
        session.scalars(trees).all(),
        session.scalars(questions.limit(QUESTIONS)).all(),
    )


def _articles(
    session: Session, actor: Actor, product_id: UUID, languages: Sequence[str]
) -> list[KnownArticle]:
    found = session.scalars(
        list_articles(session, actor, product_id=product_id)
        .order_by(Article.priority.desc(), Article.slug)
        .limit(ARTICLES)
    ).all()
    out = list_versions(session, actor, status=VersionStatus.PUBLISHED).where(
        ArticleVersion.article_id.in_([article.id for article in found])
    )
    words: dict[UUID, ArticleVersion] = {}
    # The best language is written last.
    for version in sorted(session.scalars(out), key=lambda one: -languages.index(one.language)):
        words[version.article_id] = version
    return [KnownArticle(article, words[article.id]) for article in found if article.id in words]
