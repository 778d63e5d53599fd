"""Structured logs: a line for each request, without bodies, tokens, places or phone numbers."""

import logging
import os
import re
import sys
import time

import orjson
import structlog
from flask import Flask, Request, Response, g, request

HEADER = "X-Request-Id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger("fieldmerge.request")


def configure_logs(level: str) -> None:
    """Send JSON lines to standard error from *level* upwards."""
    levels = logging.getLevelNamesMapping()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(levels.get(level, logging.INFO)),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _line(event: dict[str, object], **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def init_request_ids(app: Flask) -> None:
    """Give every request an id that its answer, its log lines and its problems carry."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()
    sent = request.headers.get(HEADER, "")
    g.request_id = sent if _SANE_ID.fullmatch(sent) else os.urandom(16).hex()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _end(response: Response) -> Response:
    incoming: Request = request._get_current_object()  # type: ignore[attr-defined]  # a proxy asks at every look
    began = g.get("began")
    response.headers[HEADER] = g.get("request_id", "")
    log.info(
        "request",
        method=incoming.method if incoming.url_rule else "-",
        endpoint=incoming.endpoint,
        status=response.status_code,
        ms=None if began is None else round((time.perf_counter() - began) * 1000, 1),
        bytes_in=incoming.content_length,
    )
    return response
