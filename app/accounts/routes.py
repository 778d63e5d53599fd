"""Accounts, their sites, contacts, buying roles and relations over REST."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from app.http.etag import require_version, set_version
from app.http.fields import WireSchema
from app.http.paging import PageQuery, page, page_of
from app.http.shapes import rendered
from app.http.transaction import note_access, transaction
from sync.policy import SyncEntity

blp = Blueprint(
    "accounts", __name__, url_prefix="/api/v1", description="Who we do business with, and their people"
)

OFFICE = (Role.MANAGER, Role.ADMIN, Role.INTEGRATION)
SALES = (Role.REP, *OFFICE)
SORTABLE = {
    "name": Account.name,
    "code": Account.code,
    "updated_at": Account.updated_at,
    "last_visited_at": Account.last_visited_at,
}
FILTERS = ("territory_id", "owner_id", "kind", "tier", "q", "updated_since")


@blp.route("/accounts")
class Accounts(MethodView):
    """The accounts of one's scope."""

    @blp.allow(*EVERYBODY)
    @blp.arguments(AccountQuery, location="query")
    @blp.response(200, page_of(AccountSchema))
    def get(self, args: dict[str, Any]) -> Any:
        """List the accounts of your scope"""
        with transaction() as (session, actor):
            filters = {name: args[name] for name in FILTERS if name in args}
            found = page(
                session,
                service.list_accounts(session, actor, **filters),
                model=Account,
                sortable=SORTABLE,
                args=args,
                render=rendered(ACCOUNT, AccountSchema, actor.scope.shape),
            )
            note_access(session, actor, "account", None, "list", count=len(found["items"]))
            return found

    @blp.allow(*SALES)
    @blp.arguments(AccountCreateSchema)
    @blp.response(201, AccountSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Create an account"""
        with transaction() as (session, actor):
            account = service.create_account(session, actor, values, now=utc_now())
            set_version(account.version)
            return rendered(ACCOUNT, AccountSchema, actor.scope.shape)(account)


@blp.route("/accounts/<uuid:account_id>")
class AccountById(MethodView):
    """One account."""

    @blp.allow(*EVERYBODY)
    @blp.etag
    @blp.response(200, AccountSchema)
    def get(self, account_id: UUID) -> Any:
        """Get an account"""
        with transaction() as (session, actor):
            account = service.get_account(session, actor, account_id)
            note_access(session, actor, "account", account_id, "read")
            set_version(account.version)
            return rendered(ACCOUNT, AccountSchema, actor.scope.shape)(account)

    @blp.allow(*SALES, Role.TECHNICIAN)
    @blp.etag
    @blp.arguments(AccountSchema(partial=True))
    @blp.response(200, AccountSchema)
    def patch(self, changes: dict[str, Any], account_id: UUID) -> Any:
        """Change fields of an account"""
        with transaction() as (session, actor):
            require_version(service.get_account(session, actor, account_id, lock=True).version)
            account = service.update_account(session, actor, account_id, changes, now=utc_now())
            set_version(account.version)
            return rendered(ACCOUNT, AccountSchema, actor.scope.shape)(account)

    @blp.allow(Role.MANAGER, Role.ADMIN)
    @blp.etag
    @blp.response(204)
    def delete(self, account_id: UUID) -> None:
        """Delete an account on which nothing hangs"""
        with transaction() as (session, actor):
            require_version(service.get_account(session, actor, account_id, lock=True).version)
            service.delete_account(session, actor, account_id, now=utc_now())


@blp.route("/accounts/<uuid:account_id>/move")
class AccountMove(MethodView):
    """An account's way to another territory or owner."""

    @blp.allow(*OFFICE)
    @blp.etag
    @blp.arguments(AccountMoveSchema)
    @blp.response(200, AccountSchema)
    def post(self, args: dict[str, Any], account_id: UUID) -> Any:
        """Move an account to another territory or owner"""
        now = utc_now()
        with transaction() as (session, actor):
            require_version(service.get_account(session, actor, account_id, lock=True).version)
            account = service.move_account(session, actor, account_id, args, at=now, now=now)
            set_version(account.version)
            return rendered(ACCOUNT, AccountSchema, actor.scope.shape)(account)


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


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of record that hangs on accounts, and the service functions behind its routes.

    ``below`` is its path under an account; ``noun`` is for the documents, as in "Create a site".
    """

    path: str
    below: str
    noun: str
    entity: SyncEntity
    model: type[Any]
    schema: type[WireSchema]
    create_schema: type[WireSchema]
    list: Callable[..., Any]
    get: Callable[..., Any]
    create: Callable[..., Any]
    update: Callable[..., Any]
    delete: Callable[..., None]
    sortable: Sequence[str]
    readers: Sequence[Role]
    writers: Sequence[Role]

    def rendered(self, shape_class: str) -> Any:
        """How a viewer of *shape_class* sees a record."""
        return rendered(self.entity, self.schema, shape_class)

    def page(self, session: Any, actor: Any, args: dict[str, Any], account_id: UUID | None = None) -> Any:
        """One page of those in the scope, or of one account's, noted as read."""
        found = page(
            session,
            self.list(session, actor, account_id=account_id),
            model=self.model,
            sortable={name: getattr(self.model, name) for name in self.sortable},
            args=args,
            render=self.rendered(actor.scope.shape),
        )
        note_access(session, actor, self.entity.name, account_id, "list", count=len(found["items"]))
        return found


def publish(resource: Resource) -> None:
    """Give *resource* its routes: a list, a list under its account, and each record by id."""

    class All(MethodView):
        @blp.allow(*resource.readers)
        @blp.arguments(PageQuery, location="query")
        @blp.response(200, page_of(resource.schema))
        def get(self, args: dict[str, Any]) -> Any:
            with transaction() as (session, actor):
                return resource.page(session, actor, args)

        get.__doc__ = f"List the {resource.noun}s of your scope"

    class OfAccount(MethodView):
        @blp.allow(*resource.readers)
        @blp.arguments(PageQuery, location="query")
        @blp.response(200, page_of(resource.schema))
        def get(self, args: dict[str, Any], account_id: UUID) -> Any:
            with transaction() as (session, actor):
                return resource.page(session, actor, args, account_id)

        @blp.allow(*SALES)
        @blp.arguments(resource.create_schema(exclude=("account_id",)))
        @blp.response(201, resource.schema)
        def post(self, values: dict[str, Any], account_id: UUID) -> Any:
            with transaction() as (session, actor):
                service.get_account(session, actor, account_id)
                record = resource.create(session, actor, {**values, "account_id": account_id}, now=utc_now())
                set_version(record.version)
                return resource.rendered(actor.scope.shape)(record)

        get.__doc__ = f"List the {resource.noun}s of an account"
        post.__doc__ = f"Create a {resource.noun} of an account"

    class ById(MethodView):
        @blp.allow(*resource.readers)
        @blp.etag
        @blp.response(200, resource.schema)
        def get(self, record_id: UUID) -> Any:
            with transaction() as (session, actor):
                record = resource.get(session, actor, record_id)
                note_access(session, actor, resource.entity.name, record_id, "read")
                set_version(record.version)
                return resource.rendered(actor.scope.shape)(record)

        @blp.allow(*resource.writers)
        @blp.etag
        @blp.arguments(resource.schema(partial=True))
        @blp.response(200, resource.schema)
        def patch(self, changes: dict[str, Any], record_id: UUID) -> Any:
            with transaction() as (session, actor):
                require_version(resource.get(session, actor, record_id, lock=True).version)
                record = resource.update(session, actor, record_id, changes, now=utc_now())
                set_version(record.version)
                return resource.rendered(actor.scope.shape)(record)

        @blp.allow(*SALES)
        @blp.etag
        @blp.response(204)
        def delete(self, record_id: UUID) -> None:
            with transaction() as (session, actor):
                require_version(resource.get(session, actor, record_id, lock=True).version)
                resource.delete(session, actor, record_id, now=utc_now())

        get.__doc__ = f"Get a {resource.noun}"
        patch.__doc__ = f"Change a {resource.noun}"
        delete.__doc__ = f"Delete a {resource.noun}"

    name = resource.path.replace("-", "_")
    blp.route(f"/{resource.path}", endpoint=f"{name}_all")(All)
    blp.route(f"/accounts/<uuid:account_id>/{resource.below}", endpoint=f"{name}_of_account")(OfAccount)
    blp.route(f"/{resource.path}/<uuid:record_id>", endpoint=f"{name}_by_id")(ById)


publish(
    Resource(
        path="sites",
        below="sites",
        noun="site",
        entity=SITE,
        model=Site,
        schema=SiteSchema,
        create_schema=SiteCreateSchema,
        list=service.list_sites,
        get=service.get_site,
        create=service.create_site,
        update=service.update_site,
        delete=service.delete_site,
        sortable=("name",),
        readers=EVERYBODY,
        writers=(*SALES, Role.TECHNICIAN),
    )
)
publish(
    Resource(
        path="contacts",
        below="contacts",
        noun="contact",
        entity=CONTACT,
        model=Contact,
        schema=ContactSchema,
        create_schema=ContactCreateSchema,
        list=service.list_contacts,
        get=service.get_contact,
        create=service.create_contact,
        update=service.update_contact,
        delete=service.delete_contact,
        sortable=("name",),
        readers=EVERYBODY,
        writers=(*SALES, Role.TECHNICIAN, Role.PARTNER),
    )
)
publish(
    Resource(
        path="relations",
        below="relations",
        noun="relation",
        entity=ACCOUNT_RELATION,
        model=AccountRelation,
        schema=AccountRelationSchema,
        create_schema=AccountRelationCreateSchema,
        list=service.list_account_relations,
        get=service.get_account_relation,
        create=service.create_account_relation,
        update=service.update_account_relation,
        delete=service.delete_account_relation,
        sortable=("kind",),
        readers=(*SALES, Role.PARTNER),
        writers=SALES,
    )
)
publish(
    Resource(
        path="buying-roles",
        below="buying-roles",
        noun="buying role",
        entity=ACCOUNT_CONTACT,
        model=AccountContact,
        schema=AccountContactSchema,
        create_schema=AccountContactCreateSchema,
        list=service.list_account_contacts,
        get=service.get_account_contact,
        create=service.create_account_contact,
        update=service.update_account_contact,
        delete=service.delete_account_contact,
        sortable=("role", "influence"),
        readers=(*SALES, Role.PARTNER),
        writers=SALES,
    )
)
