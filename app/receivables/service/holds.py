"""Credit that somebody has stopped, and let go again, by themselves or after an approval."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.approvals import service as approvals
from app.catalog import service as catalog
from app.core.ids import new_id
from app.core.many import write_rows
from app.core.masking import mask_fields
from app.core.scope import Actor, Role
from app.identity import service as identity
from app.receivables import queries
from app.receivables.models import AccountBalance, CreditEvent, CreditEventKind
from app.receivables.service.balances import Credit, credit_of
from app.receivables.service.errors import AlreadyOnHold, NoPolicyForRelease, NotOnHold, ReleasePending
from app.receivables.service.records import OFFICE, allow
from app.receivables.service.telling import tell_of_credit

KIND: Final = "credit_hold"
REQUESTERS: Final = (Role.REP, *OFFICE)


def place_hold(session: Session, actor: Actor, account_id: UUID, reason: str, now: datetime) -> CreditEvent:
    """Stop an account's credit.

    Raises:
        Forbidden: Not for the actor's role.
        NotFound: No such account in the actor's scope.
        AlreadyOnHold: It is stopped already.
    """
    allow(actor, *OFFICE)
    accounts.get_account(session, actor, account_id)
    credit = credit_of(session, account_id, now=now, lock=True)
    if credit.on_hold:
        raise AlreadyOnHold(reason=_balance(session, actor.tenant_id, account_id).hold_reason)
    return _turn(
        session, actor.tenant_id, actor.user_id, account_id, CreditEventKind.HOLD, reason, credit, now
    )


def release_hold(session: Session, actor: Actor, account_id: UUID, reason: str, now: datetime) -> CreditEvent:
    """Let an account's credit go on; an open request for that is superseded. Raises as above, and NotOnHold."""
    allow(actor, *OFFICE)
    accounts.get_account(session, actor, account_id)
    credit = credit_of(session, account_id, now=now, lock=True)
    if not credit.on_hold:
        raise NotOnHold
    approvals.supersede(session, KIND, _balance(session, actor.tenant_id, account_id).id, now=now)
    return _turn(
        session, actor.tenant_id, actor.user_id, account_id, CreditEventKind.RELEASE, reason, credit, now
    )


def request_release(
    session: Session, actor: Actor, account_id: UUID, args: Mapping[str, Any], *, now: datetime
) -> None:
    """Ask those whom the policies for ``credit_hold`` name to let an account's credit go on.

    The approval is of this hold: it releases no later one.

    Args:
        session: Open session of the actor's tenant; the caller commits.
        actor: A rep, or the office.
        account_id: Of the scope.
        args: ``reason``.
        now: Server time, aware UTC.

    Raises:
        Forbidden, NotFound, NotOnHold: As above.
        ReleasePending: Somebody has asked already.
        NoPolicyForRelease: Nobody is named to decide it.
    """
    allow(actor, *REQUESTERS)
    account = accounts.get_account(session, actor, account_id)
    credit = credit_of(session, account_id, now=now, lock=True)
    if not credit.on_hold:
        raise NotOnHold
    balance = _balance(session, actor.tenant_id, account_id)
    if approvals.find_open(session, KIND, balance.id) is not None:
        raise ReleasePending
    document = approvals.Document(
        kind=KIND,
        id=balance.id,
        account_id=account_id,
        territory_id=account.territory_id,
        title=f"{account.name}: {balance.hold_reason}",
        hash=_hash_of_hold(session, actor.tenant_id, account_id),
        snapshot=_snapshot(credit, balance.hold_reason, mask_fields(args, {"reason"})[0]["reason"]),
        metrics=_metrics(session, actor.tenant_id, credit, now),
        requester_id=actor.user_id,
    )
    if approvals.request_approval(session, actor, document, now=now) is None:
        raise NoPolicyForRelease


def on_decided(session: Session, request: Any, outcome: str, now: datetime) -> None:
    """Release a hold after it was approved, in the name of who decided last; another hold stays."""
    account_id = queries.account_of_balance(session, request.document_id)
    if account_id is None or outcome != "approved":
        return
    credit = credit_of(session, account_id, now=now, lock=True)
    if not credit.on_hold or _hash_of_hold(session, request.tenant_id, account_id) != request.document_hash:
        return
    acted = [step.acted_by for step in request.steps if step.acted_by is not None]
    who = acted[-1] if acted else request.requester_id
    reason = request.snapshot["reason"]
    _turn(session, request.tenant_id, who, account_id, CreditEventKind.RELEASE, reason, credit, now)


approvals.register(KIND, on_decided, lock=queries.lock_balance)


def _turn(
    session: Session,
    tenant_id: UUID,
    actor_id: UUID,
    account_id: UUID,
    kind: CreditEventKind,
    reason: str,
    credit: Credit,
    now: datetime,
) -> CreditEvent:
    clean = mask_fields({"reason": reason}, {"reason"})[0]["reason"]
    holds = kind is CreditEventKind.HOLD
    balance = _balance(session, tenant_id, account_id)
    values = {"on_hold": holds, "hold_reason": clean if holds else None}
    write_rows(session, AccountBalance.__table__, tenant_id, {balance.id: values})
    event = CreditEvent(
        tenant_id=tenant_id,
        id=new_id(),
        account_id=account_id,
        kind=kind,
        reason=clean,
        happened_at=now,
        actor_id=actor_id,
        currency=credit.currency,
        credit_limit=credit.limit,
        exposure=credit.exposure,
    )
    session.add(event)
    session.flush()
    tell_of_credit(session, event, now)
    return event


def _balance(session: Session, tenant_id: UUID, account_id: UUID) -> Any:
    return queries.find_balance(session, tenant_id, account_id)


def _hash_of_hold(session: Session, tenant_id: UUID, account_id: UUID) -> str:
    return f"sha256:{sha256(str(queries.last_hold(session, tenant_id, account_id)).encode()).hexdigest()}"


def _snapshot(credit: Credit, hold_reason: str, reason: str) -> dict[str, Any]:
    return {
        "hold_reason": hold_reason,
        "reason": reason,
        "currency": credit.currency,
        "limit": credit.limit,
        "exposure": credit.exposure,
        "overdue_amount": credit.overdue_amount,
        "overdue_days": credit.overdue_days,
    }


def _metrics(session: Session, tenant_id: UUID, credit: Credit, now: datetime) -> dict[str, Decimal]:
    day = identity.tenant_day(session, tenant_id, now)
    over = max(Decimal(0), credit.exposure - credit.limit) if credit.limit is not None else Decimal(0)
    return {
        "amount": catalog.in_base(session, tenant_id, credit.exposure, credit.currency, day).amount,
        "credit_over": catalog.in_base(session, tenant_id, over, credit.currency, day).amount,
        "overdue_days": Decimal(credit.overdue_days),
    }
