"""Trees that editors draw, and visits in which technicians walk them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from app.core.clock import utc_now
from app.core.ids import new_id
from app.core.scope import Role
from app.knowledge import service
from app.knowledge.models import DiagnosisRun, RunOutcome
from tests.knowledge.library import Library
from tests.world import Person, World

Json = dict[str, Any]


def node(name: str, kind: str, *answers: tuple[str, str], **values: Any) -> Json:
    """A node as its schema loads it."""
    rows = [{"id": answer, "ko": answer, "en": answer, "next": target} for answer, target in answers]
    return {
        "id": name,
        "kind": kind,
        "ko": f"{name} 확인",
        "answers": rows,
        "parts": [],
        "articles": [],
    } | values


NOISE = [
    node("noise", "symptom", ("go", "suction"), ko="펌프에서 소음이 난다"),
    node("suction", "question", ("low", "cavitation"), ("normal", "expert"), ko="흡입 압력이 낮습니까?"),
    node("cavitation", "cause", ("dirty", "clean"), ("worn", "seal"), ko="캐비테이션"),
    node("clean", "remedy", ko="스트레이너 청소"),
    node("seal", "remedy", ko="메카니컬 씰 교체"),
    node("expert", "escalate", ko="본사 기술팀 연락"),
]
CLEANED = (("noise", "go"), ("suction", "low"), ("cavitation", "dirty"), ("clean", None))
SEALED = (("noise", "go"), ("suction", "low"), ("cavitation", "worn"), ("seal", None))
ASKED = (("noise", "go"), ("suction", "normal"), ("expert", None))


def path(steps: Sequence[tuple[str, str | None]], at: datetime | None = None) -> list[Json]:
    """The steps of a path as their schema loads them."""
    return [{"node": name, "answer": answer, "at": at} for name, answer in steps]


@dataclass(slots=True)
class Clinic:
    """One company's trees and visits."""

    library: Library

    @property
    def world(self) -> World:
        """The company."""
        return self.library.world

    def tree(self, *audiences: Role | UUID | tuple[Role, UUID], **values: Any) -> UUID:
        """A tree without nodes."""
        rows = [Library._audience(one) for one in audiences]
        values = {"code": f"tree-{uuid4().hex[:12]}", "title_ko": "펌프 소음", "audiences": rows} | values
        admin = self.world.person(Role.ADMIN)  # may name any unit
        with self.world.acting(admin) as (session, actor):
            return service.create_tree(session, actor, values, now=utc_now()).id

    def draft(self, tree_id: UUID, nodes: Sequence[Json] = NOISE, by: Person | None = None) -> UUID:
        """The next version of a tree."""
        with self.world.acting(by or self.library.author) as (session, actor):
            values = {"tree_id": tree_id, "nodes": list(nodes)}
            return service.create_tree_version(session, actor, values, now=utc_now()).id

    def step(self, command: str, version_id: UUID, by: Person | None = None) -> Any:
        """A command of an editor; the version after it."""
        usual = self.library.author if command == "submit_for_review" else self.library.reviewer
        with self.world.acting(by or usual) as (session, actor):
            return service.TREE_COMMANDS[command](session, actor, version_id, {}, now=utc_now())

    def publish(self, version_id: UUID) -> UUID:
        """A draft on its whole way."""
        for command in ("submit_for_review", "approve", "publish"):
            self.step(command, version_id)
        return version_id

    def out(self, *audiences: Role | UUID | tuple[Role, UUID], **values: Any) -> tuple[UUID, UUID]:
        """A tree that is out: its id and that of its first version."""
        tree_id = self.tree(*audiences, **values)
        return tree_id, self.publish(self.draft(tree_id))

    def technician(self) -> Person:
        """Somebody who goes to customers' pumps."""
        return self.world.person(Role.TECHNICIAN)

    def visit(self, person: Person, account_id: UUID | None = None, **values: Any) -> tuple[UUID, UUID]:
        """A visit of today: its account's id and its own."""
        account_id = account_id or self.world.account()
        visit_id = new_id()
        self.world.insert(
            "visits",
            **{
                "id": visit_id,
                "account_id": account_id,
                "assignee_id": person.id,
                "planned_start": utc_now(),
            }
            | values,
        )
        return account_id, visit_id

    def run(
        self,
        person: Person,
        version_id: UUID,
        steps: Sequence[tuple[str, str | None]] = CLEANED,
        outcome: RunOutcome = RunOutcome.SOLVED,
        **values: Any,
    ) -> DiagnosisRun:
        """A way that somebody took, in a visit of their own unless *values* name one."""
        if "visit_id" not in values:
            values["account_id"], values["visit_id"] = self.visit(person)
        values = {"tree_version_id": version_id, "path": path(steps), "outcome": outcome} | values
        with self.world.acting(person) as (session, actor):
            return service.create_run(session, actor, values, now=utc_now())

    def correct(self, person: Person, run: DiagnosisRun, **changes: Any) -> DiagnosisRun:
        """What came of it after all."""
        with self.world.acting(person) as (session, actor):
            return service.update_run(session, actor, run.id, changes, now=utc_now())

    def tallies(self, tree_id: UUID) -> dict[str, tuple[int, int, int]]:
        """By remedy: solved, not solved, escalated."""
        rows = self.world.sql(
            "SELECT node, solved, not_solved, escalated FROM remedy_tallies WHERE tree_id = :tree",
            tree=tree_id,
        )
        return {row.node: (row.solved, row.not_solved, row.escalated) for row in rows}

    def counted(self, tree_id: UUID) -> dict[str, tuple[int, int, int]]:
        """The same, counted in the runs themselves."""
        rows = self.world.sql(
            "SELECT remedy, count(*) FILTER (WHERE outcome = 'solved') AS a,"
            " count(*) FILTER (WHERE outcome = 'not_solved') AS b,"
            " count(*) FILTER (WHERE outcome = 'escalated') AS c"
            " FROM diagnosis_runs WHERE tree_id = :tree AND remedy IS NOT NULL GROUP BY 1",
            tree=tree_id,
        )
        return {row.remedy: (row.a, row.b, row.c) for row in rows}

    def rates(self, version_id: UUID) -> Json:
        """The steps that phones hold."""
        ((found,),) = self.world.sql("SELECT rates FROM tree_versions WHERE id = :id", id=version_id)
        return dict(found)
