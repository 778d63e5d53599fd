"""Every refusal and failure as application/problem+json, with a stable code and no driver text."""

import errno
import random
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import marshmallow as ma
import orjson
import psycopg
import structlog
from flask import Flask, Response, g, request
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app.core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    NotFound,
    ReferenceNotFound,
    RuleViolation,
    Stale,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from app.core.messages import DEFAULT_LOCALE, LOCALES, text_of

MIMETYPE = "application/problem+json"
MAX_ERRORS = 100
RETRY_AFTER_S = 2

STATUS: dict[type[DomainError], int] = {
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Stale: 412,
    ReferenceNotFound: 422,
    RuleViolation: 422,
    TooManyRequests: 429,
    Unavailable: 503,
}

# Codes of plain HTTP errors, as werkzeug raises them.
HTTP_CODES: dict[int, str] = {
    400: "request_malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    411: "length_required",
    412: "version_stale",
    413: "body_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    421: "request_malformed",
    422: "validation_failed",
    428: "version_required",
    429: "too_many_requests",
    431: "header_too_large",
    500: "internal_error",
    501: "method_not_allowed",
    503: "unavailable",
}

# SQLSTATE classes and codes after which the same request may work.
_RETRYABLE = ("08", "40001", "40P01", "53", "55P03", "57")
# Integrity errors that no service foresaw, by SQLSTATE.
_INTEGRITY = {"23505": (409, "duplicate"), "23503": (422, "reference_not_found")}

# What the machine lacks for a while: handles, memory, disk.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT}

log = structlog.get_logger(__name__)


class Refused(Exception):
    """A request that is turned away before a room sees it."""

    def __init__(self, code: str, status: int = 400, *, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.details = dict(details or {})


def status_of(error: DomainError) -> int:
    """The status of the nearest ancestor in ``STATUS``; 500 if there is none."""
    return next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 500)


def problem(
    status: int,
    code: str,
    *,
    errors: list[dict[str, str]] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Response:
    """One problem+json answer in the language that the caller accepts."""
    locale = wanted_locale()
    body: dict[str, Any] = {
        "type": f"urn:fieldmerge:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": text_of(code, locale, details),
    }
    if errors:
        body["errors"] = [error | {"detail": text_of(error["code"], locale)} for error in errors]
    if details:
        body["details"] = details
    body["request_id"] = g.get("request_id", "")
    response = Response(orjson.dumps(body, default=str), status=status, mimetype=MIMETYPE)
    response.headers["Content-Language"] = locale
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="fieldmerge"'
    if status in (429, 503):
        response.headers["Retry-After"] = str((details or {}).get("retry_after_s") or retry_after_s())
    return response


def wanted_locale() -> str:
    """The language to answer in, by Accept-Language."""
    return request.accept_languages.best_match(LOCALES, DEFAULT_LOCALE) or DEFAULT_LOCALE


def retry_after_s() -> int:
    """Seconds to wait, with jitter, so that a crowd of phones does not come back at one moment."""
    return RETRY_AFTER_S + random.randrange(0, 2 * RETRY_AFTER_S + 1)  # noqa: S311  (spreads load, hides nothing)


def field_errors(messages: Any, location: str = "json") -> list[dict[str, str]]:
    """Marshmallow's nested messages as ``[{"pointer": "/lines/0/quantity", "code": …}]``.

    Args:
        messages: Of a ValidationError.
        location: ``json`` for a body; anything else is named in ``in``.
    """
    found = []
    for path, code in _leaves(messages, ()):
        error = {"pointer": "".join(f"/{_escaped(part)}" for part in path), "code": code}
        if location != "json":
            error["in"] = location
        found.append(error)
        if len(found) == MAX_ERRORS:
            break
    return found


def _leaves(messages: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from _leaves(inner, path if name == "_schema" else (*path, name))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _leaves(inner, path)
    else:
        yield path, str(messages)


def _escaped(part: Any) -> str:
    """A step of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1").encode(errors="replace").decode()


def init_errors(app: Flask) -> None:
    """Answer every exception of *app* as a problem."""
    app.register_error_handler(Refused, _on_refused)
    app.register_error_handler(DomainError, _on_domain_error)
    app.register_error_handler(ma.ValidationError, _on_validation_error)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(DBAPIError, _on_database_error)
    app.register_error_handler(PoolTimeout, _on_unavailable)
    # The engine does not wrap what a raw connection meets when it is made: nobody listens, or nobody is let in.
    app.register_error_handler(psycopg.OperationalError, _on_unavailable)
    app.register_error_handler(OSError, _on_os_error)
    app.register_error_handler(Exception, _on_bug)


def _on_refused(error: Refused) -> Response:
    return problem(error.status, error.code, details=error.details)


def _on_domain_error(error: DomainError) -> Response:
    fields = error.details.get("fields", ())
    by_field = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, error.code)
    errors = field_errors({name: [code] for name, code in by_field.items()})
    details = {name: value for name, value in error.details.items() if name != "fields"}
    return problem(status_of(error), error.code, errors=errors, details=details)


def _on_validation_error(error: ma.ValidationError) -> Response:
    return problem(422, "validation_failed", errors=field_errors(error.messages))


def on_http_error(error: HTTPException) -> Response:
    """Answer an error of werkzeug or of webargs."""
    if error.response is not None:  # a redirect carries its own answer
        return error.response  # type: ignore[return-value]
    status = error.code or 500
    if status < 400:
        return error.get_response()  # type: ignore[return-value]
    by_location: dict[str, Any] = getattr(error, "data", {}).get("messages", {})
    errors = [
        found for location, messages in by_location.items() for found in field_errors(messages, location)
    ]
    response = problem(status, HTTP_CODES.get(status, "request_malformed"), errors=errors)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def _on_database_error(error: DBAPIError) -> Response:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state.startswith(_RETRYABLE) or error.connection_invalidated or isinstance(error, InterfaceError):
        return _on_unavailable(error)
    if isinstance(error, DataError):
        log.warning("data_refused_by_database", sqlstate=state)
        return problem(422, "value_out_of_range")
    if isinstance(error, IntegrityError):
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or ""
        status, code = _INTEGRITY.get(state, (422, "rule_violation"))
        if code == "duplicate" and constraint.startswith("pk_"):
            code = "id_taken"
        log.warning("integrity_error", sqlstate=state, constraint=constraint)
        return problem(status, code)
    if isinstance(error, OperationalError) and not state:
        return _on_unavailable(error)
    return _on_bug(error)


def _on_unavailable(error: Exception) -> Response:
    log.warning("database_unavailable", error=type(error).__name__)
    return problem(503, "unavailable")


def _on_os_error(error: OSError) -> Response:
    if error.errno not in _EXHAUSTED:
        return _on_bug(error)
    log.error("machine_exhausted", error=errno.errorcode[error.errno])
    return problem(503, "unavailable")


def _on_bug(error: Exception) -> Response:
    # Parameters of a statement are people's data: the type, the place and SQLSTATE must do.
    orig = getattr(error, "orig", None)
    log.error("internal_error", error=type(orig or error).__name__, where=_where(error))
    return problem(500, "internal_error")


def _where(error: BaseException) -> list[str]:
    """The frames of the traceback, innermost last, without any value."""
    frames, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        frames.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return frames[-12:]
