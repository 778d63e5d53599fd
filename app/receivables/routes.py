"""Invoices, payments and credit over REST."""

from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.accounts import service as accounts
from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import Blueprint
from app.http.etag import require_version, set_version
from app.http.paging import page, page_of
from app.http.resources import Resource
from app.http.shapes import rendered
from app.http.transaction import note_access, transaction
from app.receivables import service
from app.receivables.models import AccountBalance, CreditEvent, Invoice, Payment
from app.receivables.schemas import (
    AccountBalanceSchema,
    AllocateSchema,
    BalanceQuery,
    CollectPaymentSchema,
    ConfirmSchema,
    CreditEventQuery,
    CreditEventSchema,
    CreditSchema,
    InvoiceCreateSchema,
    InvoicePatchSchema,
    InvoiceQuery,
    InvoiceSchema,
    PaymentCreateSchema,
    PaymentQuery,
    PaymentSchema,
    ReasonSchema,
    TotalsQuery,
    TotalsSchema,
)
from app.receivables.sync import ACCOUNT_BALANCE, INVOICE, PAYMENT
from app.visits import service as visits

blp = Blueprint(
    "receivables",
    __name__,
    url_prefix="/api/v1",
    description="What accounts owe and pay, and how much credit they have",
)

OFFICE = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
COLLECTORS = (Role.REP, *OFFICE)
READERS = (*COLLECTORS, Role.PARTNER)
INVOICES = Resource(blp=blp, model=Invoice, schema=InvoiceSchema, entity=INVOICE, get=service.get_invoice)


@blp.route("/invoices")
class Invoices(MethodView):
    """The invoices of one's scope."""

    get = INVOICES.lists(
        "List the invoices of your scope",
        READERS,
        service.list_invoices,
        InvoiceQuery,
        sorts=("due_on", "issued_on", "number", "updated_at"),
        default_sort="due_on",
    )
    post = INVOICES.creates("Record an invoice", OFFICE, service.record_invoice, InvoiceCreateSchema)


@blp.route("/invoices/<uuid:invoice_id>")
class InvoiceById(MethodView):
    """One invoice."""

    get = INVOICES.shows("Get an invoice", READERS)
    patch = INVOICES.changes("Correct an invoice", OFFICE, service.update_invoice, InvoicePatchSchema)


@blp.route("/invoices/<uuid:invoice_id>/void")
class InvoiceVoid(MethodView):
    """An invoice that is called off."""

    @blp.allow(*OFFICE)
    @blp.etag
    @blp.response(200, InvoiceSchema)
    def post(self, invoice_id: UUID) -> Any:
        """Call an invoice off; what had settled it is unapplied again"""
        with transaction() as (session, actor):
            require_version(service.get_invoice(session, actor, invoice_id, lock=True).version)
            invoice = service.void_invoice(session, actor, invoice_id, now=utc_now())
            return INVOICES.answer(actor, invoice)


PAYMENTS = Resource(blp=blp, model=Payment, schema=PaymentSchema, entity=PAYMENT, get=service.get_payment)


@blp.route("/payments")
class Payments(MethodView):
    """The payments of one's scope."""

    get = PAYMENTS.lists(
        "List the payments of your scope",
        READERS,
        service.list_payments,
        PaymentQuery,
        sorts=("received_at", "updated_at"),
        default_sort="received_at",
    )
    post = PAYMENTS.creates(
        "Record a payment and settle invoices with it", OFFICE, service.record_payment, PaymentCreateSchema
    )


@blp.route("/payments/<uuid:payment_id>")
class PaymentById(MethodView):
    """One payment."""

    get = PAYMENTS.shows("Get a payment with its allocations", READERS)


publish = PAYMENTS.commands(
    "/payments/<uuid:payment_id>",
    {
        "allocate": service.allocate,
        "confirm": service.confirm_payment,
        "bounce": service.bounce_payment,
        "cancel": service.cancel_payment,
    },
    {"allocate": AllocateSchema, "confirm": ConfirmSchema, "bounce": ReasonSchema, "cancel": ReasonSchema},
    dated=False,
)
publish("allocate", "Settle invoices with what is left of a payment", OFFICE)
publish("confirm", "Say that the bank has a payment", OFFICE)
publish("bounce", "Say that a payment was worth nothing", OFFICE)
publish("cancel", "Take a payment back that was a mistake", OFFICE)


@blp.route("/visits/<uuid:visit_id>/collect-payment")
class Collection(MethodView):
    """Money taken on a visit."""

    @blp.allow(*COLLECTORS)
    @blp.etag
    @blp.arguments(CollectPaymentSchema)
    @blp.response(200, PaymentSchema)
    def post(self, args: dict[str, Any], visit_id: UUID) -> Any:
        """Take a payment on a visit; the same receipt again is the same payment"""
        now = utc_now()
        with transaction() as (session, actor):
            require_version(visits.get_visit(session, actor, visit_id, lock=True).version)
            service.collect_payment(session, actor, visit_id, args, at=now, now=now)
            payment = service.get_receipt(session, actor, visit_id, args["receipt_number"])
            return rendered(PAYMENT, PaymentSchema, actor.scope.shape)(payment)


BALANCES = Resource(
    blp=blp,
    model=AccountBalance,
    schema=AccountBalanceSchema,
    entity=ACCOUNT_BALANCE,
    get=service.get_account_balance,
)


@blp.route("/account-balances")
class AccountBalances(MethodView):
    """The balances of one's scope."""

    get = BALANCES.lists(
        "List what the accounts of your scope owe, by age",
        READERS,
        service.list_account_balances,
        BalanceQuery,
        sorts=("exposure", "overdue_amount", "updated_at"),
    )


@blp.route("/account-balances/<uuid:balance_id>")
class AccountBalanceById(MethodView):
    """One balance."""

    get = BALANCES.shows("Get what an account owes, by age, as phones hold it", READERS)


@blp.route("/receivables/totals")
class ReceivableTotals(MethodView):
    """Sums over one's scope."""

    @blp.allow(*READERS)
    @blp.arguments(TotalsQuery, location="query")
    @blp.response(200, TotalsSchema)
    def get(self, args: dict[str, Any]) -> Any:
        """Sum what the accounts of your scope owe, each currency by itself"""
        with transaction() as (session, actor):
            found = service.totals_of(session, actor, account_id=args.get("account_id"), now=utc_now())
            note_access(session, actor, "invoice", None, "totals")
            return found


@blp.route("/accounts/<uuid:account_id>/credit")
class AccountCredit(MethodView):
    """The credit of an account."""

    @blp.allow(*READERS)
    @blp.etag
    @blp.response(200, CreditSchema)
    def get(self, account_id: UUID) -> Any:
        """Count what an account owes and may still order"""
        with transaction() as (session, actor):
            return _shown(session, actor, account_id)


def publish_turn(name: str, verb: Any, summary: str) -> None:
    """Give a hold or a release its route: ``POST /accounts/{id}/credit/hold``."""

    class Turn(MethodView):
        @blp.allow(*OFFICE)
        @blp.etag
        @blp.arguments(ReasonSchema)
        @blp.response(200, CreditSchema)
        def post(self, args: dict[str, Any], account_id: UUID) -> Any:
            with transaction() as (session, actor):
                require_version(service.lock_credit(session, actor, account_id))
                verb(session, actor, account_id, args["reason"], utc_now())
                return _shown(session, actor, account_id)

        post.__doc__ = summary

    blp.route(f"/accounts/<uuid:account_id>/credit/{name}", endpoint=f"credit_{name}")(Turn)


publish_turn("hold", service.place_hold, "Put an account's credit on hold")
publish_turn("release", service.release_hold, "Let an account's credit go on")


@blp.route("/accounts/<uuid:account_id>/credit/request-release")
class CreditRelease(MethodView):
    """A hold that somebody wants to be released."""

    @blp.allow(*COLLECTORS)
    @blp.etag
    @blp.arguments(ReasonSchema)
    @blp.response(200, CreditSchema)
    def post(self, args: dict[str, Any], account_id: UUID) -> Any:
        """Ask for an approval that an account's credit goes on"""
        with transaction() as (session, actor):
            require_version(service.lock_credit(session, actor, account_id))
            service.request_release(session, actor, account_id, args, now=utc_now())
            return _shown(session, actor, account_id)


@blp.route("/accounts/<uuid:account_id>/credit-events")
class CreditEvents(MethodView):
    """Holds and releases of an account."""

    @blp.allow(*READERS)
    @blp.arguments(CreditEventQuery, location="query")
    @blp.response(200, page_of(CreditEventSchema))
    def get(self, args: dict[str, Any], account_id: UUID) -> Any:
        """List the holds and releases of an account's credit"""
        with transaction() as (session, actor):
            accounts.get_account(session, actor, account_id)
            return page(
                session,
                service.list_credit_events(session, actor, account_id),
                model=CreditEvent,
                sortable={"happened_at": CreditEvent.happened_at},
                default_sort="happened_at",
                args=args,
            )


def _shown(session: Any, actor: Any, account_id: UUID) -> dict[str, Any]:
    view = service.read_credit(session, actor, account_id, now=utc_now())
    note_access(session, actor, "account_balance", account_id, "read")
    set_version(view.version)
    credit = view.credit
    return {
        "account_id": view.account_id,
        "currency": credit.currency,
        "limit": credit.limit,
        "open_receivables": credit.open_receivables,
        "committed": credit.committed,
        "unapplied": credit.unapplied,
        "exposure": credit.exposure,
        "available": None if credit.limit is None else credit.limit - credit.exposure,
        "overdue_amount": credit.overdue_amount,
        "overdue_days": credit.overdue_days,
        "on_hold": credit.on_hold,
        "by_currency": view.by_currency,
    }
