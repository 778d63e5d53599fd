"""Accounts, their sites, contacts, buying roles and relations over REST."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from flask.views import MethodView

from app.accounts import service
from app.accounts.models import Account, AccountContact, AccountRelation, Contact, Site
from app.accounts.schemas import (
    AccountContactCreateSchema,
    AccountContactSchema,
    AccountCreateSchema,
    AccountMoveSchema,
    AccountQuery,
    AccountRelationCreateSchema,
    AccountRelationSchema,
    AccountSchema,
    AccountsMovedSchema,
    AccountsMoveSchema,
    ContactCreateSchema,
    ContactSchema,
    SiteCreateSchema,
    SiteSchema,
)
from app.accounts.sync import ACCOUNT, ACCOUNT_CONTACT, ACCOUNT_RELATION, CONTACT, SITE
from app.core.clock import utc_now
from app.core.scope import Role
from app.http.api import EVERYBODY, Blueprint
from app.http.fields import WireSchema
from app.http.resources import Resource
from app.http.transaction import transaction

blp = Blueprint(
    "accounts", __name__, url_prefix="/api/v1", description="Who we do business with, and their people"
)

OFFICE = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
SALES = (Role.REP, *OFFICE)
ACCOUNTS = Resource(blp=blp, model=Account, schema=AccountSchema, entity=ACCOUNT, get=service.get_account)


@blp.route("/accounts")
class Accounts(MethodView):
    """The accounts of one's scope."""

    get = ACCOUNTS.lists(
        "List the accounts of your scope",
        EVERYBODY,
        service.list_accounts,
        AccountQuery,
        sorts=("name", "code", "updated_at", "last_visited_at"),
    )
    post = ACCOUNTS.creates("Create an account", SALES, service.create_account, AccountCreateSchema)


@blp.route("/accounts/<uuid:account_id>")
class AccountById(MethodView):
    """One account."""

    get = ACCOUNTS.shows("Get an account", EVERYBODY)
    patch = ACCOUNTS.changes("Change fields of an account", (*SALES, Role.TECHNICIAN), service.update_account)
    delete = ACCOUNTS.deletes(
        "Delete an account on which nothing hangs", (Role.MANAGER, Role.ADMIN), service.delete_account
    )


@blp.route("/accounts/<uuid:account_id>/move")
class AccountMove(MethodView):
    """An account's way to another territory or owner."""

    post = ACCOUNTS.obeys(
        "Move an account to another territory or owner", OFFICE, service.move_account, AccountMoveSchema
    )


@blp.route("/accounts/moves")
class AccountMoves(MethodView):
    """The way of many accounts to another territory."""

    @blp.allow(*OFFICE)
    @blp.arguments(AccountsMoveSchema)
    @blp.response(200, AccountsMovedSchema)
    @blp.alt_response(422, description="`account.move_unbounded`, `reference_not_found`")
    def post(self, args: dict[str, Any]) -> Any:
        """Move the next of many accounts to a territory

        At most 500 go in one request, with all that hangs on them. Ask again in the same words until
        `remaining` is 0; a request whose answer was lost does no harm.
        """
        ids = args.get("ids")
        selection = service.Selection(
            ids=None if ids is None else frozenset(ids),
            territory_id=args.get("from_territory_id"),
            **{name: args.get(name) for name in ("owner_id", "kind", "tier")},
        )
        with transaction() as (session, actor):
            return service.move_accounts(
                session, actor, selection, args["to_territory_id"], limit=args["limit"]
            )


def publish(
    path: str,
    noun: str,
    records: Resource,
    *,
    lists: Callable[..., Any],
    creates: Callable[..., Any],
    changes: Callable[..., Any],
    deletes: Callable[..., None],
    create_schema: type[WireSchema],
    sorts: Sequence[str],
    readers: Sequence[Role],
    writers: Sequence[Role],
) -> None:
    """Give a kind of record that hangs on accounts its routes: all, those of an account, and each by id.

    *path* stands also under an account; *noun* is for the documents, as in "Create a site".
    """

    class All(MethodView):
        get = records.lists(f"List the {noun}s of your scope", readers, lists, sorts=sorts)

    class OfAccount(MethodView):
        get = records.lists(f"List the {noun}s of an account", readers, lists, sorts=sorts)

        @blp.allow(*SALES)
        @blp.arguments(create_schema(exclude=("account_id",)))
        @blp.response(201, records.schema)
        def post(self, values: dict[str, Any], account_id: UUID) -> Any:
            with transaction() as (session, actor):
                service.get_account(session, actor, account_id)
                record = creates(session, actor, {**values, "account_id": account_id}, now=utc_now())
                return records.answer(actor, record)

        post.__doc__ = f"Create a {noun} of an account"

    class ById(MethodView):
        get = records.shows(f"Get a {noun}", readers)
        patch = records.changes(f"Change a {noun}", writers, changes)
        delete = records.deletes(f"Delete a {noun}", SALES, deletes)

    name = path.replace("-", "_")
    blp.route(f"/{path}", endpoint=f"{name}_all")(All)
    blp.route(f"/accounts/<uuid:account_id>/{path}", endpoint=f"{name}_of_account")(OfAccount)
    blp.route(f"/{path}/<uuid:record_id>", endpoint=f"{name}_by_id")(ById)


publish(
    "sites",
    "site",
    Resource(blp=blp, model=Site, schema=SiteSchema, entity=SITE, get=service.get_site),
    lists=service.list_sites,
    creates=service.create_site,
    changes=service.update_site,
    deletes=service.delete_site,
    create_schema=SiteCreateSchema,
    sorts=("name",),
    readers=EVERYBODY,
    writers=(*SALES, Role.TECHNICIAN),
)
publish(
    "contacts",
    "contact",
    Resource(blp=blp, model=Contact, schema=ContactSchema, entity=CONTACT, get=service.get_contact),
    lists=service.list_contacts,
    creates=service.create_contact,
    changes=service.update_contact,
    deletes=service.delete_contact,
    create_schema=ContactCreateSchema,
    sorts=("name",),
    readers=EVERYBODY,
    writers=(*SALES, Role.TECHNICIAN, Role.PARTNER),
)
publish(
    "relations",
    "relation",
    Resource(
        blp=blp,
        model=AccountRelation,
        schema=AccountRelationSchema,
        entity=ACCOUNT_RELATION,
        get=service.get_account_relation,
    ),
    lists=service.list_account_relations,
    creates=service.create_account_relation,
    changes=service.update_account_relation,
    deletes=service.delete_account_relation,
    create_schema=AccountRelationCreateSchema,
    sorts=("kind",),
    readers=(*SALES, Role.PARTNER),
    writers=SALES,
)
publish(
    "buying-roles",
    "buying role",
    Resource(
        blp=blp,
        model=AccountContact,
        schema=AccountContactSchema,
        entity=ACCOUNT_CONTACT,
        get=service.get_account_contact,
    ),
    lists=service.list_account_contacts,
    creates=service.create_account_contact,
    changes=service.update_account_contact,
    deletes=service.delete_account_contact,
    create_schema=AccountContactCreateSchema,
    sorts=("role", "influence"),
    readers=(*SALES, Role.PARTNER),
    writers=SALES,
)
