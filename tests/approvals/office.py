"""A company with a reporting line, policies and documents that ask for approval."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.approvals import service
from app.approvals.models import ApprovalRequest
from app.approvals.service.documents import REGISTERED
from app.core.db import compact_json
from app.core.ids import new_id
from app.core.scope import Actor, Role
from app.identity import service as identity
from tests.world import World

# A Tuesday, ten in the morning in Seoul.
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
KIND = "order"
HASH = "sha256:first"


@dataclass
class Office:
    """One tenant, its people by id, and what its documents were told."""

    world: World
    told: list[tuple[UUID, str]] = field(default_factory=list)

    def hire(self, role: Role | str = Role.MANAGER, manager: UUID | None = None, **values: Any) -> UUID:
        """Somebody without a phone."""
        user_id = new_id()
        self.world.insert(
            "users",
            **{
                "id": user_id,
                "login": f"u{user_id.hex}",
                "name": f"{role} {user_id.hex[-4:]}",
                "role": str(role),
                "org_unit_id": self.world.unit_id,
                "manager_id": manager,
            }
            | values,
        )
        return user_id

    def dismiss(self, user_id: UUID) -> None:
        self.world.sql(
            "UPDATE users SET status = 'disabled' WHERE tenant_id = :tenant AND id = :u", u=user_id
        )

    def away(self, user_id: UUID, first: date = TODAY, last: date = TODAY) -> UUID:
        """A leave."""
        absence_id = new_id()
        self.world.insert("absences", id=absence_id, user_id=user_id, first_day=first, last_day=last)
        return absence_id

    def stand_in(self, user_id: UUID, for_user: UUID, first: date = TODAY, last: date | None = None) -> UUID:
        """Let somebody decide in another's name."""
        delegation_id = new_id()
        self.world.insert(
            "delegations",
            id=delegation_id,
            from_user_id=for_user,
            to_user_id=user_id,
            work="approvals",
            valid_from=first,
            valid_to=last,
        )
        return delegation_id

    def policy(
        self,
        *levels: Mapping[str, Any] | str,
        metric: str = "discount_percent",
        threshold: str = "10",
        **values: Any,
    ) -> UUID:
        """A policy; a level is a whole entry, or the name of its approver."""
        whole = [
            {"escalate_after_h": 9} | (dict(one) if isinstance(one, Mapping) else {"approver": one})
            for one in levels
        ]
        policy_id = new_id()
        self.world.insert(
            "approval_policies",
            id=policy_id,
            **{
                "name": "할인 결재",
                "document_kind": KIND,
                "metric": metric,
                "threshold": Decimal(threshold),
                "levels": compact_json(whole),
                "priority": 0,
            }
            | values,
        )
        return policy_id

    def document(self, requester_id: UUID, **values: Any) -> service.Document:
        """An order with a discount of 15 %."""
        return service.Document(
            **{
                "kind": KIND,
                "id": new_id(),
                "account_id": None,
                "territory_id": None,
                "title": "주문 2026-0001",
                "hash": HASH,
                "snapshot": {"total": Decimal("1200.0000"), "lines": [{"id": "a", "quantity": "3"}]},
                "metrics": {"discount_percent": Decimal(15)},
                "requester_id": requester_id,
            }
            | values
        )

    def ask(
        self,
        requester_id: UUID,
        document: service.Document | None = None,
        *,
        now: datetime = NOW,
        **values: Any,
    ) -> ApprovalRequest:
        """Hand a document in."""
        document = document or self.document(requester_id, **values)
        with self.acting(requester_id, now) as (session, actor):
            request = service.request_approval(session, actor, document, now=now)
            assert request is not None
            return request

    def do(
        self,
        user_id: UUID,
        command: str,
        request: ApprovalRequest | UUID,
        *,
        now: datetime = NOW,
        **args: Any,
    ) -> ApprovalRequest:
        """One command of a person on the hash that the request had when it was asked."""
        request_id = request.id if isinstance(request, ApprovalRequest) else request
        whole = {"document_hash": HASH, "comment": "확인"} | args
        with self.acting(user_id, now) as (session, actor):
            return service.COMMANDS[command](session, actor, request_id, whole, at=now, now=now)

    def look(self, request: ApprovalRequest | UUID) -> ApprovalRequest:
        """The request as it stands."""
        request_id = request.id if isinstance(request, ApprovalRequest) else request
        with self.world.session() as session:
            return session.get_one(ApprovalRequest, (self.world.id, request_id))

    def asked(self, request: ApprovalRequest | UUID) -> UUID | None:
        """Who is asked at this moment."""
        (step,) = [step for step in self.look(request).steps if step.status == "active"]
        return step.assignee_id

    def notices(self, user_id: UUID) -> list[str]:
        """What somebody was told."""
        rows = self.world.sql(
            "SELECT title_code FROM notifications WHERE tenant_id = :tenant AND user_id = :u"
            " ORDER BY notified_at, id",
            u=user_id,
        )
        return [row.title_code.removeprefix("approval.notice_") for row in rows]

    @contextmanager
    def acting(self, user_id: UUID, now: datetime = NOW) -> Iterator[tuple[Session, Actor]]:
        """A committed transaction of a person."""
        with self.world.db.session(self.world.id, user_id=user_id) as session:
            yield session, identity.actor_of(session, self.world.id, user_id, None, now)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note what the documents' room is told."""

        def decided(session: Session, request: ApprovalRequest, outcome: str, now: datetime) -> None:
            self.told.append((request.document_id, outcome))

        before = dict(REGISTERED.decided), dict(REGISTERED.locks)
        service.register(KIND, decided)
        try:
            yield
        finally:
            REGISTERED.decided, REGISTERED.locks = before
