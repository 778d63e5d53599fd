"""How invoices and payments are read, locked and written."""

from datetime import date, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.core.errors import DomainError, Forbidden, IdTaken, NotFound, TransitionNotAllowed
from app.core.scope import Actor, Role
from app.receivables import queries
from app.receivables.models import AccountBalance, CreditEvent, Invoice, Payment
from app.receivables.service.balances import hold_balances
from app.receivables.service.errors import InvoiceNumberTaken, ReceiptTaken
from app.receivables.states import InvoiceStatus, PaymentStatus
from sync.policy import StateMachine

Record = TypeVar("Record", Invoice, Payment)

OFFICE: Final = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
_TAKEN: Final[dict[str, type[DomainError]]] = {
    "pk_invoices": IdTaken,
    "pk_payments": IdTaken,
    "uq_invoices_tenant_id_number": InvoiceNumberTaken,
    "uq_payments_tenant_id_receipt_number": ReceiptTaken,
}


def list_invoices(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    order_id: UUID | None = None,
    status: InvoiceStatus | None = None,
    currency: str | None = None,
    due_before: date | None = None,
) -> Select[Invoice]:
    """The invoices of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: Of this account only.
        order_id: Of this order only.
        status: In this state only.
        currency: In this currency only.
        due_before: Due before this day.
    """
    statement = queries.live(actor, Invoice)
    if account_id is not None:
        statement = statement.where(Invoice.account_id == account_id)
    if order_id is not None:
        statement = statement.where(Invoice.order_id == order_id)
    if status is not None:
        statement = statement.where(Invoice.status == status)
    if currency is not None:
        statement = statement.where(Invoice.currency == currency)
    if due_before is not None:
        statement = statement.where(Invoice.due_on < due_before)
    return statement


def list_payments(
    session: Session,
    actor: Actor,
    *,
    account_id: UUID | None = None,
    visit_id: UUID | None = None,
    status: PaymentStatus | None = None,
    currency: str | None = None,
    received_from: datetime | None = None,
    received_to: datetime | None = None,
) -> Select[Payment]:
    """The payments of the scope, as a statement for the route to page.

    Args:
        session: Unused; all list functions take it.
        actor: Who asks.
        account_id: Of this account only.
        visit_id: Collected at this visit only.
        status: In this state only.
        currency: In this currency only.
        received_from: Received at or after this moment.
        received_to: Received before this moment.
    """
    statement = queries.live(actor, Payment)
    if account_id is not None:
        statement = statement.where(Payment.account_id == account_id)
    if visit_id is not None:
        statement = statement.where(Payment.visit_id == visit_id)
    if status is not None:
        statement = statement.where(Payment.status == status)
    if currency is not None:
        statement = statement.where(Payment.currency == currency)
    if received_from is not None:
        statement = statement.where(Payment.received_at >= received_from)
    if received_to is not None:
        statement = statement.where(Payment.received_at < received_to)
    return statement


def list_account_balances(
    session: Session, actor: Actor, *, account_id: UUID | None = None, overdue: bool | None = None
) -> Select[AccountBalance]:
    """The balances of the scope; *overdue* chooses those with or without something overdue."""
    statement = queries.live(actor, AccountBalance)
    if account_id is not None:
        statement = statement.where(AccountBalance.account_id == account_id)
    if overdue is not None:
        is_overdue = AccountBalance.overdue_amount > 0
        statement = statement.where(is_overdue if overdue else ~is_overdue)
    return statement


def list_credit_events(session: Session, actor: Actor, account_id: UUID) -> Select[CreditEvent]:
    """Holds and releases of an account of the scope."""
    return queries.seen(actor, CreditEvent).where(CreditEvent.account_id == account_id)


def get_invoice(session: Session, actor: Actor, invoice_id: UUID, *, lock: bool = False) -> Invoice:
    """One invoice of the scope; with *lock* it is held, behind the balance of its account.

    Raises:
        NotFound: No such invoice in the actor's scope.
    """
    statement = queries.live(actor, Invoice).where(Invoice.id == invoice_id)
    return _get(session, statement, Invoice, lock=lock)


def get_payment(session: Session, actor: Actor, payment_id: UUID, *, lock: bool = False) -> Payment:
    """One payment of the scope with its allocations; *lock* as for invoices.

    Raises:
        NotFound: No such payment in the actor's scope.
    """
    statement = queries.live(actor, Payment).where(Payment.id == payment_id)
    return _get(session, statement, Payment, lock=lock)


def get_account_balance(session: Session, actor: Actor, balance_id: UUID) -> AccountBalance:
    """One balance of the scope, as it was last written.

    Raises:
        NotFound: No such balance in the actor's scope.
    """
    statement = queries.live(actor, AccountBalance).where(AccountBalance.id == balance_id)
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    return found


def _get(session: Session, statement: Select[Record], model: type[Record], *, lock: bool) -> Record:
    found: Record | None = session.scalars(statement).one_or_none()
    if found is None:
        raise NotFound
    if not lock:
        return found
    hold_balances(session, found.tenant_id, [found.account_id])
    held: Record = session.scalars(locked(statement, model)).one()
    return held


def locked(statement: Select[Any], model: type[Any]) -> Select[Any]:
    """The statement with its rows held and read anew."""
    return statement.with_for_update(of=model, key_share=True).execution_options(populate_existing=True)


def lock_invoices(session: Session, tenant_id: UUID, invoice_ids: list[UUID]) -> dict[UUID, Invoice]:
    """Live invoices, held in the order of their ids; the balance of their account is held already."""
    statement = select(Invoice).where(
        Invoice.tenant_id == tenant_id, Invoice.id.in_(invoice_ids), Invoice.deleted_at.is_(None)
    )
    return {one.id: one for one in session.scalars(locked(statement.order_by(Invoice.id), Invoice))}


def allow(actor: Actor, *roles: Role) -> None:
    """Refuse other roles."""
    if actor.role not in roles:
        raise Forbidden


def check_id_free(session: Session, actor: Actor, model: type[Any], record_id: UUID | None) -> None:
    """Refuse an id that is in use, also by a deleted record or one outside the scope."""
    if record_id is not None and session.scalar(
        select(model.id).where(model.tenant_id == actor.tenant_id, model.id == record_id)
    ):
        raise IdTaken


def take_step(record: Any, machine: StateMachine, command: str) -> None:
    """Move a record's status by one command.

    Raises:
        TransitionNotAllowed: There is no such step from there.
    """
    if not machine.is_legal(command, record.status):
        raise TransitionNotAllowed(status=str(record.status), allowed=list(machine.allowed(record.status)))
    record.status = type(record.status)(machine.steps[command][1])


def write(session: Session, record: Any) -> Any:
    """Flush, and read back what the triggers made of the record.

    Raises:
        IdTaken, InvoiceNumberTaken, ReceiptTaken: Another writer took it at the same moment.
    """
    try:
        session.flush()
    except IntegrityError as error:
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        if name is not None and name in _TAKEN:
            raise _TAKEN[name] from error
        raise
    session.refresh(record)
    return record
