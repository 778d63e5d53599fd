"""Blueprints whose every operation says who may call it, and the OpenAPI document they write."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from functools import wraps
from typing import Any, ClassVar, TypeVar

import flask_smorest
from flask import Flask, current_app, g, request

from app.core.scope import Role
from app.http.auth import Rule, prove_caller
from app.http.deprecation import Deprecation, announcing
from app.http.etag import check_precondition_was_sent
from app.http.openapi import ProblemSchema, example_of, prepare_spec, register_problem_responses
from app.http.strict_json import StrictParser

View = TypeVar("View", bound=Callable[..., Any])

EVERYBODY = tuple(Role)


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest ships no types
    """flask-smorest's Api, with problem+json as the form of every error."""

    ERROR_SCHEMA = ProblemSchema

    def _register_error_handlers(self) -> None:
        """Leave errors to app.http.errors."""

    def _register_pagination_header(self) -> None:
        """Leave out flask-smorest's own paging; lists page by keyset."""

    def _register_responses(self) -> None:
        prepare_spec(self)
        register_problem_responses(self)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest ships no types
    """A room's routes.

    Decorators stand in this order above a view: ``@blp.allow``, ``@blp.etag`` (when it takes If-Match or
    answers with a version), ``@blp.arguments``, ``@blp.response``.
    """

    ARGUMENTS_PARSER = StrictParser()
    METHODS_NEEDING_CHECK_ETAG: ClassVar[list[str]] = ["PUT", "PATCH", "DELETE", "POST"]
    METHODS_CHECKING_NOT_MODIFIED: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks += [_prepare_rule_doc, _prepare_deprecation_doc]

    def allow(
        self,
        *roles: Role | str,
        anonymous: bool = False,
        password_may_be_due: bool = False,
        farewell: bool = False,
    ) -> Callable[[View], View]:
        """Declare who may call the operation; an operation without it fails the suite.

        The token is proved before anything else of the request is read; the role, which only the
        database knows, when the view opens its transaction (``current_actor``).

        Args:
            roles: Roles that may; ``EVERYBODY`` for whoever is logged in.
            anonymous: No login is needed (login itself, health).
            password_may_be_due: Open to people who must choose a password of their own first.
            farewell: Open to devices that may only hand in their work; the view asks ``current_farewell``.
        """
        if anonymous == bool(roles):
            raise ValueError("Name the roles, or say anonymous=True.")
        rule = Rule(frozenset(Role(role) for role in roles), anonymous, password_may_be_due, farewell)

        def decorate(view: View) -> View:
            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                g.rule = rule
                if not anonymous:
                    prove_caller(rule)
                answer = current_app.ensure_sync(view)(*args, **kwargs)
                if not anonymous and "rule_was_checked" not in g:
                    raise RuntimeError(f"{request.endpoint} never asked who calls: no role was checked.")
                return answer

            guarded._apidoc = deepcopy(getattr(guarded, "_apidoc", {})) | {"rule": rule}  # type: ignore[attr-defined]
            return declare(guarded, rule)  # type: ignore[return-value]

        return decorate

    def deprecated(self, *, since: date, sunset: date, instead: str | None = None) -> Callable[[View], View]:
        """Say that the operation is to go; it stands above ``allow``, so that refusals tell it too.

        Raises:
            ValueError: The sunset is less than a year away.
        """
        farewell = Deprecation(since, sunset, instead)

        def decorate(view: View) -> View:
            told = announcing(view, farewell)
            told._apidoc = deepcopy(getattr(view, "_apidoc", {})) | {"deprecation": farewell}  # type: ignore[attr-defined]
            return told  # type: ignore[return-value]

        return decorate

    def refuses(self, status: int, *codes: str) -> Callable[[View], View]:
        """Document refusals that are not found by reading the view's code: those made far below it, from data.

        The code ``*`` stands for whatever an edit may be rejected with: the operation carries out edits of others.
        """

        def decorate(view: View) -> View:
            said: frozenset[tuple[int, str]] = getattr(view, "refusals", frozenset())
            view.refusals = said | {(status, code) for code in codes}  # type: ignore[attr-defined]
            return view

        return decorate

    def etag(self, view: View) -> View:
        """Ask for If-Match (on changes), and document the ETag of the answer.

        The view calls ``require_version`` with the locked row's version and ``set_version`` with the new one.
        """

        @wraps(view)
        def versioned(*args: Any, **kwargs: Any) -> Any:
            changes = request.method in self.METHODS_NEEDING_CHECK_ETAG
            if changes:
                check_precondition_was_sent()
            answer = current_app.ensure_sync(view)(*args, **kwargs)
            if changes and "version_was_checked" not in g:
                raise RuntimeError(f"{request.endpoint} never compared If-Match: call require_version().")
            return answer

        versioned._apidoc = deepcopy(getattr(versioned, "_apidoc", {})) | {"etag": True}  # type: ignore[attr-defined]
        return versioned  # type: ignore[return-value]

    def arguments(self, schema: Any, *, location: str = "json", **kwargs: Any) -> Any:
        """As flask-smorest's, with an example from the schema where none is given."""
        if location == "json" and not kwargs.keys() & {"example", "examples"}:
            kwargs["example"] = example_of(schema, loading=True)
        return super().arguments(schema, location=location, **kwargs)

    def response(self, status_code: int, schema: Any = None, **kwargs: Any) -> Any:
        """As flask-smorest's, with an example from the schema where none is given."""
        if schema is not None and not kwargs.keys() & {"example", "examples"}:
            kwargs["example"] = example_of(schema, loading=False)
        return super().response(status_code, schema, **kwargs)


def declare(view: View, rule: Rule) -> View:
    """Write down the rule of a view that is no operation of a room (health, metrics, documents)."""
    view.rule = rule  # type: ignore[attr-defined]
    return view


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route, with its rule."""

    endpoint: str
    method: str
    path: str
    rule: Rule | None


def operations(app: Flask) -> Iterator[Operation]:
    """Every operation of *app*, for the matrix of rights; ``rule`` is None where none was declared."""
    for route in app.url_map.iter_rules():
        view = app.view_functions[route.endpoint]
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            view_class = getattr(view, "view_class", None)
            handler = getattr(view_class, method.lower(), None) if view_class else view
            yield Operation(route.endpoint, method, route.rule, getattr(handler, "rule", None))


def _prepare_deprecation_doc(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    farewell: Deprecation | None = doc_info.get("deprecation")
    if farewell is not None:
        farewell.documented(doc)
    return doc


def _prepare_rule_doc(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    rule: Rule | None = doc_info.get("rule")
    if rule is None:
        return doc
    doc["x-roles"] = sorted(rule.roles)
    if rule.anonymous:
        doc["security"] = []
    return doc
