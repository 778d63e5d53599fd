"""The web application of the process that pings: the stream, and what those who run it ask."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import jwt
from flask import Flask, Response, jsonify, request
from flask_cors import CORS
from werkzeug import Response as AnyResponse
from werkzeug.middleware.proxy_fix import ProxyFix

from app.config import Config
from app.core.db import Database
from app.events.document import MEDIA_TYPE, PATH, RXDB_PATH
from app.http.auth import AccessClaims, current_claims
from app.http.errors import Refused, init_errors
from app.http.health import show_health
from app.http.logs import init_request_ids
from app.http.metrics import show_metrics
from app.http.services import EXTENSION, Services

MAX_POSITION_DIGITS = 18


class Holder(Protocol):
    """Holds connections; ``app.events.server.Lobby``."""

    @property
    def ready(self) -> bool:
        """Whether phones are let in."""

    @property
    def count(self) -> int:
        """How many streams are held."""

    def enter(
        self,
        claims: AccessClaims,
        expires: datetime,
        after: int | None,
        environ: dict[str, Any],
        *,
        says_resync: bool = False,
    ) -> Iterable[bytes]:
        """The bytes of a stream; raises DomainError."""


def create_app(config: Config, holder: Holder) -> Flask:
    """Make it; its database pools are never used."""
    app = Flask("fieldmerge-events", static_folder=None)
    app.extensions[EXTENSION] = Services(config, Database(config))
    if config.trusted_proxies:
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    init_request_ids(app)
    if config.cors_origins:
        CORS(
            app,
            resources={path: {"origins": list(config.cors_origins)} for path in (PATH, RXDB_PATH)},
            allow_headers=["Authorization", "Cache-Control", "Last-Event-ID", "X-Request-Id"],
            expose_headers=["Retry-After", "X-Request-Id"],
            max_age=600,
        )
    app.after_request(_harden)
    init_errors(app)
    app.add_url_rule(PATH, "events", lambda: _hold(holder))
    app.add_url_rule(RXDB_PATH, "rxdb_events", lambda: _hold(holder, says_resync=True))
    app.add_url_rule("/healthz", "healthz", show_health)
    app.add_url_rule("/readyz", "readyz", lambda: _show_readiness(holder))
    app.add_url_rule("/metrics", "metrics", show_metrics)
    return app


def _hold(holder: Holder, *, says_resync: bool = False) -> Response:
    if request.method != "GET":  # Flask adds HEAD, which would hold a stream that nobody reads
        raise Refused("method_not_allowed", 405)
    claims = current_claims()
    if claims.device_id is None:
        raise Refused("device_required", 403)
    # What the RxDB client has missed it cannot tell: it is told to ask again with each connection.
    after = None if says_resync else _last_position()
    stream = holder.enter(claims, _expiry(), after, request.environ, says_resync=says_resync)
    response = Response(stream, mimetype=MEDIA_TYPE)
    response.headers["Connection"] = "close"
    response.headers["X-Accel-Buffering"] = "no"  # nginx would keep pings until a buffer is full
    return response


def _expiry() -> datetime:
    """When the token of this request, which was proved, runs out."""
    token = request.headers["Authorization"].partition(" ")[2].strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    return datetime.fromtimestamp(claims["exp"], tz=UTC)


def _last_position() -> int | None:
    """What the phone says it was told last; anything odd is as good as nothing."""
    sent = request.headers.get("Last-Event-ID", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) <= MAX_POSITION_DIGITS else None


def _show_readiness(holder: Holder) -> tuple[Response, int]:
    state = {"status": "ready" if holder.ready else "not_ready", "streams": holder.count}
    return jsonify(state), 200 if holder.ready else 503


def _harden(response: AnyResponse) -> AnyResponse:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "no-store"
    return response
