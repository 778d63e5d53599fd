"""A library for tests: editors, and articles made the way that editors make them."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from app.core.clock import utc_now
from app.core.scope import Role
from app.identity import service as identity
from app.identity.models import OrgUnit, UnitKind
from app.knowledge import service
from app.knowledge.models import ArticleKind, Language
from tests.world import Person, World

_serial = count(1)


@dataclass(slots=True)
class Library:
    """One company's knowledge. The author writes, the reviewer approves and publishes."""

    world: World
    author: Person = field(init=False)
    reviewer: Person = field(init=False)

    def __post_init__(self) -> None:
        """Hire two editors."""
        self.author = self.editor()
        self.reviewer = self.editor()

    def editor(self, role: Role = Role.REP) -> Person:
        """Somebody who keeps the articles."""
        person = self.world.person(role, self.world.north)
        self.permit(person)
        return person

    def permit(self, person: Person) -> None:
        """Make them an editor."""
        admin = self.world.person(Role.ADMIN)
        with self.world.acting(admin) as (session, actor):
            identity.ensure_permission_sets(session, actor, {"knowledge_editor": "지식 편집"})
            identity.set_permissions(session, actor, person.id, ["knowledge_editor"])

    def unit(self, parent: UUID | None = None, code: str | None = None) -> UUID:
        """A unit of the company."""
        with self.world.session() as session:
            unit = OrgUnit(
                tenant_id=self.world.id,
                kind=UnitKind.BRANCH,
                code=code or f"u{next(_serial)}",
                name="지점",
                parent_id=parent,
            )
            session.add(unit)
            session.flush()
            return unit.id

    def put_into(self, person: Person, unit_id: UUID) -> None:
        """Let a person work in a unit."""
        self.world.sql("UPDATE users SET org_unit_id = :unit WHERE id = :id", unit=unit_id, id=person.id)

    def article(self, *audiences: Role | UUID | tuple[Role, UUID], **values: Any) -> UUID:
        """A page without words."""
        rows = [self._audience(one) for one in audiences]
        values = {
            "slug": f"article-{uuid4().hex[:12]}",
            "kind": ArticleKind.PROCEDURE,
            "audiences": rows,
        } | values
        admin = self.world.person(Role.ADMIN)  # may name any unit
        with self.world.acting(admin) as (session, actor):
            return service.create_article(session, actor, values, now=utc_now()).id

    def draft(self, article_id: UUID, by: Person | None = None, **values: Any) -> UUID:
        """The next version of an article."""
        values = {
            "language": Language.KO,
            "title": "윤활유 교체 주기",
            "summary": "교체 주기를 정하는 법",
            "body": "# 교체 주기\n\n5W-30은 **6개월**마다 교체합니다.",
            "keywords": ["엔진오일"],
        } | values
        with self.world.acting(by or self.author) as (session, actor):
            return service.create_version(session, actor, article_id, values, now=utc_now()).id

    def step(self, command: str, version_id: UUID, by: Person | None = None, **args: Any) -> Any:
        """A command of an editor; the version after it."""
        if by is None:
            by = self.author if command == "submit_for_review" else self.reviewer
        now: datetime = args.pop("now", None) or utc_now()
        with self.world.acting(by) as (session, actor):
            return service.VERSION_COMMANDS[command](session, actor, version_id, args, now=now)

    def approved(self, article_id: UUID, **values: Any) -> UUID:
        """A version that a second person has read."""
        version_id = self.draft(article_id, **values)
        self.step("submit_for_review", version_id)
        self.step("approve", version_id)
        return version_id

    def published(self, article_id: UUID, **values: Any) -> UUID:
        """A version that is out."""
        version_id = self.approved(article_id, **values)
        self.step("publish", version_id)
        return version_id

    def out(self, *audiences: Role | UUID | tuple[Role, UUID], **values: Any) -> tuple[UUID, UUID]:
        """An article with words that are out: its id and theirs."""
        article_id = self.article(*audiences, **values)
        return article_id, self.published(article_id)

    def status(self, version_id: UUID) -> str:
        """Where a version stands."""
        ((found,),) = self.world.sql("SELECT status FROM article_versions WHERE id = :id", id=version_id)
        return str(found)

    def sees(self, person: Person, article_id: UUID) -> bool:
        """Whether a person finds the article in their list."""
        with self.world.acting(person) as (session, actor):
            listed = session.scalars(service.list_articles(session, actor)).all()
            return article_id in {one.id for one in listed}

    def holds(self, person: Person, article_id: UUID) -> bool:
        """Whether a person's phone has the article after its next sync."""
        person.sync()
        return person.held("article", article_id) is not None

    @staticmethod
    def _audience(one: Role | UUID | tuple[Role, UUID]) -> dict[str, Any]:
        if isinstance(one, tuple):
            return {"role": one[0], "unit_id": one[1]}
        return {"role": one} if isinstance(one, Role) else {"unit_id": one}


def readers_of(world: World, article_id: UUID) -> set[tuple[str, str]]:
    """The buckets and classes that an article goes to."""
    with world.session() as session:
        rows = session.execute(
            text("SELECT bucket, shape FROM article_readers WHERE article_id = :id"), {"id": article_id}
        )
        return {(row.bucket, row.shape) for row in rows}
