"""What search finds of articles: one document for each set of words that is out."""

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session, load_only

from app.core.db import compact_json
from app.core.scope import SHAPE_OF_ROLE, Actor, ShapeClass
from app.knowledge.models import Article, ArticleVersion
from app.knowledge.queries import articles as queries
from app.knowledge.states.articles import VersionStatus
from app.textindex import service as textindex
from app.textindex.tokens import Text, tokens_of

KIND: Final = "article_version"
_SHOWN: Final = (
    ArticleVersion.article_id,
    ArticleVersion.language,
    ArticleVersion.title,
    ArticleVersion.summary,
    ArticleVersion.body,
    ArticleVersion.keywords,
    ArticleVersion.version,
    ArticleVersion.updated_at,
)


def note_published(session: Session, article: Article, version: ArticleVersion, *, now: datetime) -> None:
    """Let search find a version that goes out, and put what phones search by beside it."""
    version.tokens = tokens_of(texts_of(version))
    version.size_bytes = size_of(version)
    session.flush()
    _put(session, article, [version], now=now)


def note_gone(session: Session, version: ArticleVersion) -> None:
    """Search finds the version no more."""
    textindex.remove(session, version.tenant_id, KIND, [version.id])


def note_changed(session: Session, article: Article, *, now: datetime) -> None:
    """Rank by what an article, or the rating of its words, has become; find it for whom it is for now."""
    _put(session, article, _out(session, article.tenant_id, Article.id == article.id), now=now)


def version_documents(
    session: Session, tenant_id: UUID, ids: Collection[UUID]
) -> Iterator[textindex.Document]:
    """What the index holds of versions, of those among *ids* that are out."""
    for version in _out(session, tenant_id, ArticleVersion.id.in_(ids)):
        yield _document(session.get_one(Article, (tenant_id, version.article_id)), version)


def indexed_ids(tenant_id: UUID) -> Select[UUID]:
    """The versions that the index should hold."""
    return _published(tenant_id).with_only_columns(ArticleVersion.id)


def search_visible(actor: Actor) -> textindex.Visible:
    """Which documents an actor finds: what is out and for them, editors all that is out."""
    buckets = None
    if not queries.is_editor(actor):
        buckets = frozenset(_reader(bucket, actor.scope.shape) for bucket in actor.scope.buckets)
    return textindex.Visible(lambda version_id: queries.finds_version(actor, version_id), buckets)


def find_published(session: Session, actor: Actor, ids: Collection[UUID]) -> dict[UUID, ArticleVersion]:
    """Of *ids*, the versions that are out and for the actor, with what is shown of a hit; the rest is not loaded."""
    found = session.scalars(
        _published(actor.tenant_id)
        .where(ArticleVersion.id.in_(ids), queries.sees_published_version(actor))
        .options(load_only(*_SHOWN))
    )
    return {version.id: version for version in found}


def texts_of(version: ArticleVersion) -> list[Text]:
    """What a version is found by."""
    return [
        Text("title", version.title),
        Text("keywords", "\n".join(version.keywords)),
        Text("summary", version.summary),
        Text("body", version.body),
    ]


def size_of(version: ArticleVersion) -> int:
    """What a version takes on a phone, in bytes."""
    texts = (version.title, version.summary, version.body, version.changelog, *version.keywords)
    return sum(len(text.encode()) for text in texts) + len(compact_json(version.tokens).encode())


def _put(session: Session, article: Article, versions: Iterable[ArticleVersion], *, now: datetime) -> None:
    documents = [_document(article, version) for version in versions]
    textindex.put_many(session, article.tenant_id, KIND, documents, now=now)


def _document(article: Article, version: ArticleVersion) -> textindex.Document:
    published_at = version.published_at
    facts = textindex.Facts(
        published_on=published_at.astimezone(UTC).date() if published_at else None,
        rating=version.rating or 0,
        priority=article.priority,
        language=version.language,
        buckets=_readers(article),
    )
    return textindex.Document(version.id, texts_of(version), facts)


def _readers(article: Article) -> frozenset[str] | None:
    """Who finds it, where its audiences are roles alone; where units have a part, the tree of today says who."""
    if any(audience.unit_id is not None for audience in article.audiences):
        return None
    roles = (audience.role for audience in article.audiences if audience.role)
    return frozenset(_reader(f"audience:{role}", SHAPE_OF_ROLE[role]) for role in roles)


def _reader(bucket: str, shape: ShapeClass) -> str:
    """Readers are a bucket and a class: of a unit, say, only the technicians."""
    return f"{bucket}/{shape}"


def _published(tenant_id: UUID) -> Select[ArticleVersion]:
    return (
        select(ArticleVersion)
        .join(
            Article,
            (Article.tenant_id == ArticleVersion.tenant_id) & (Article.id == ArticleVersion.article_id),
        )
        .where(
            ArticleVersion.tenant_id == tenant_id,
            ArticleVersion.status == VersionStatus.PUBLISHED,
            ArticleVersion.deleted_at.is_(None),
            Article.deleted_at.is_(None),
        )
    )


def _out(session: Session, tenant_id: UUID, condition: ColumnElement[bool]) -> list[ArticleVersion]:
    return list(session.scalars(_published(tenant_id).where(condition)))
