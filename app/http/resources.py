"""The views that rooms have in common: list, create, get, change, delete, and commands by their names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask.views import MethodView
from sqlalchemy.orm import Session

from app.core.clock import utc_now
from app.core.scope import Actor, Role
from app.http.api import Blueprint
from app.http.etag import require_version, set_version
from app.http.fields import WireSchema
from app.http.paging import PageQuery, PlaceQuery, page, page_of
from app.http.shapes import rendered
from app.http.transaction import note_access, transaction
from sync.policy import SyncEntity

View = Callable[..., Any]
Roles = Sequence[Role]

PAGED = frozenset({"cursor", "limit", "sort"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Records that are listed and made. Each verb gives a view, to be named in a ``MethodView``.

    Attributes:
        blp: Of the room.
        model: Their class.
        schema: One of them on the wire.
        entity: Their sync policy, where phones have them too: an answer is cut to what the viewer's phone would
            hold, and who read is noted. Without it they go out whole, and nothing is noted.
        noted: False where reading them says nothing about a customer.
    """

    blp: Blueprint
    model: type[Any]
    schema: type[WireSchema]
    entity: SyncEntity | None = None
    noted: bool = True

    def lists(
        self,
        summary: str,
        roles: Roles,
        verb: Callable[..., Any],
        query: type[PlaceQuery] = PageQuery,
        *,
        sorts: Sequence[str],
        default_sort: str = "id",
    ) -> View:
        """``get`` of all: what *verb* selects with the filters of *query*, page by page.

        *sorts* are columns of the model; a path parameter (of an account, say) is one more filter.
        """
        sortable = {name: getattr(self.model, name) for name in sorts}

        @self.blp.allow(*roles)
        @self.blp.arguments(query, location="query")
        @self.blp.response(200, page_of(self.schema))
        def view(_: MethodView, args: dict[str, Any], **place: UUID) -> Any:
            filters = {name: value for name, value in args.items() if name not in PAGED}
            with transaction() as (session, actor):
                found = page(
                    session,
                    verb(session, actor, **filters, **place),
                    model=self.model,
                    sortable=sortable,
                    default_sort=default_sort,
                    args=args,
                    render=self._render(actor),
                )
                self._note(session, actor, next(iter(place.values()), None), "list", len(found["items"]))
                return found

        return _said(view, summary)

    def creates(
        self, summary: str, roles: Roles, verb: Callable[..., Any], schema: type[WireSchema] | WireSchema
    ) -> View:
        """``post`` of what *verb* makes of a body of *schema*."""

        @self.blp.allow(*roles)
        @self.blp.arguments(schema)
        @self.blp.response(201, self.schema)
        def view(_: MethodView, values: dict[str, Any]) -> Any:
            with transaction() as (session, actor):
                return self.answer(actor, verb(session, actor, values, now=utc_now()))

        return _said(view, summary)

    def answer(self, actor: Actor, record: Any) -> Any:
        """*record* as *actor* may see it, and its version as ETag."""
        set_version(record.version)
        render = self._render(actor)
        return render(record) if render else record

    def _render(self, actor: Actor) -> Callable[[Any], Any] | None:
        return rendered(self.entity, self.schema, actor.scope.shape) if self.entity else None

    def _note(
        self, session: Session, actor: Actor, subject_id: UUID | None, action: str, count: int = 1
    ) -> None:
        if self.entity and self.noted:
            note_access(session, actor, self.entity.name, subject_id, action, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Collection):
    """Records that have an address of their own, which ends in the one path parameter.

    Attributes:
        get: The service's ``get_x(session, actor, id, *, lock=False)``.
        get_locked: Where ``get(…, lock=True)`` would lock in the wrong order: what to call instead before a change.
    """

    get: Callable[..., Any]
    get_locked: Callable[[Session, Actor, UUID], Any] | None = None

    def shows(self, summary: str, roles: Roles) -> View:
        """``get`` of one."""

        @self.blp.allow(*roles)
        @self.blp.etag
        @self.blp.response(200, self.schema)
        def view(_: MethodView, **place: UUID) -> Any:
            (record_id,) = place.values()
            with transaction() as (session, actor):
                record = self.get(session, actor, record_id)
                self._note(session, actor, record_id, "read")
                return self.answer(actor, record)

        return _said(view, summary)

    def changes(
        self,
        summary: str,
        roles: Roles,
        verb: Callable[..., Any],
        schema: type[WireSchema] | WireSchema | None = None,
    ) -> View:
        """``patch`` of one by *verb*; without *schema*, of any of its fields."""

        @self.blp.allow(*roles)
        @self.blp.etag
        @self.blp.arguments(schema or self.schema(partial=True))
        @self.blp.response(200, self.schema)
        def view(_: MethodView, changes: dict[str, Any], **place: UUID) -> Any:
            (record_id,) = place.values()
            with transaction() as (session, actor):
                self._require_version(session, actor, record_id)
                return self.answer(actor, verb(session, actor, record_id, changes, now=utc_now()))

        return _said(view, summary)

    def deletes(self, summary: str, roles: Roles, verb: Callable[..., None]) -> View:
        """``delete`` of one by *verb*."""

        @self.blp.allow(*roles)
        @self.blp.etag
        @self.blp.response(204)
        def view(_: MethodView, **place: UUID) -> None:
            (record_id,) = place.values()
            with transaction() as (session, actor):
                self._require_version(session, actor, record_id)
                verb(session, actor, record_id, now=utc_now())

        return _said(view, summary)

    def obeys(
        self,
        summary: str,
        roles: Roles,
        verb: Callable[..., Any],
        schema: type[WireSchema],
        *,
        dated: bool = True,
    ) -> View:
        """``post`` of a command with arguments of *schema*.

        A *dated* one may come late, from a phone, and takes the time ``at`` which it was given; here that is now.
        """

        @self.blp.allow(*roles)
        @self.blp.etag
        @self.blp.arguments(schema)
        @self.blp.response(200, self.schema)
        def view(_: MethodView, args: dict[str, Any], **place: UUID) -> Any:
            (record_id,) = place.values()
            now = utc_now()
            times = {"at": now, "now": now} if dated else {"now": now}
            with transaction() as (session, actor):
                self._require_version(session, actor, record_id)
                return self.answer(actor, verb(session, actor, record_id, args, **times))

        return _said(view, summary)

    def commands(
        self,
        address: str,
        verbs: Mapping[str, Callable[..., Any]],
        schemas: Mapping[str, type[WireSchema]],
        *,
        dated: bool = True,
    ) -> Callable[[str, str, Roles], None]:
        """A function that gives a command its route: ``POST <address>/check-in`` for ``check_in``."""
        assert self.entity is not None, "commands are named after their entity"
        noun = self.entity.name

        def publish(command: str, summary: str, roles: Roles) -> None:
            post = self.obeys(summary, roles, verbs[command], schemas[command], dated=dated)
            view = type("Command", (MethodView,), {"post": post})
            path = command.replace("_", "-")
            self.blp.route(f"{address}/{path}", endpoint=f"{noun}_{command}")(view)

        return publish

    def _require_version(self, session: Session, actor: Actor, record_id: UUID) -> None:
        if self.get_locked:
            record = self.get_locked(session, actor, record_id)
        else:
            record = self.get(session, actor, record_id, lock=True)
        require_version(record.version)


def _said(view: View, summary: str) -> View:
    """*view* with its line in the OpenAPI document."""
    view.__doc__ = summary
    return view
