"""create_app(): the only module that knows every room."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import orjson
from flask import Flask, Response, request
from flask.json.provider import JSONProvider
from flask_cors import CORS
from flask_swagger_ui import get_swaggerui_blueprint
from werkzeug import Response as AnyResponse
from werkzeug.middleware.proxy_fix import ProxyFix

from app.accounts import routes as accounts
from app.activity import routes as activity
from app.approvals import routes as approvals
from app.catalog import routes as catalog
from app.config import Config
from app.core.db import Database
from app.devices import routes as devices
from app.erp import routes as erp
from app.events import document as events
from app.http import auth
from app.http.api import Api, Blueprint, declare
from app.http.auth import Rule
from app.http.compression import SMALL_BYTES, Compression
from app.http.errors import Refused, init_errors
from app.http.etag import init_etags
from app.http.health import show_health, show_readiness
from app.http.logs import configure_logs, init_request_ids
from app.http.metrics import init_metrics, show_metrics
from app.http.openapi import SECURITY_SCHEME, TITLE, VERSION, document_of, spec_plugins
from app.http.services import EXTENSION, Services
from app.http.strict_json import MAX_BODY_BYTES, StrictRequest
from app.http.waiting import refuse_what_waited_too_long
from app.identity import routes as identity
from app.identity.service import actor_query, check_farewell
from app.inbox import routes as inbox
from app.knowledge import routes as knowledge
from app.orders import routes as orders
from app.receivables import routes as receivables
from app.sandbox import routes as sandbox
from app.search import routes as search
from app.sync_api import routes as sync_api
from app.sync_api import support_routes as sync_support
from app.sync_api.rxdb import routes as rxdb
from app.sync_api.watermelon import models as _watermelon_tables  # noqa: F401  (fills Base.metadata)
from app.sync_api.watermelon import routes as watermelon
from app.visits import routes as visits
from app.webhooks import routes as webhooks

DOCS_URL = "/api/docs"
SPEC_URL = "/api/openapi.json"
MAX_URL_CHARS = 8_000
CORS_TAKES = [
    "Accept-Language",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "If-Match",
    "X-Request-Id",
]
CORS_SHOWS = ["Content-Language", "ETag", "Retry-After", "X-Request-Id"]
PUBLIC = Rule(anonymous=True)

# In their declared order: a later room may ask an earlier one's service.
ROOMS = (
    identity,
    sandbox,
    devices,
    webhooks,
    accounts,
    catalog,
    visits,
    activity,
    approvals,
    receivables,
    orders,
    erp,
    knowledge,
    search,
    inbox,
    sync_api,
    rxdb,
    sync_support,
    watermelon,
)


class OrjsonProvider(JSONProvider):
    """JSON answers by orjson; requests go through app.http.strict_json."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        body = self._prepare_response_obj(args, kwargs)
        return Response(orjson.dumps(body), mimetype="application/json")


class Application(Flask):
    """Flask with strict JSON in and fast JSON out."""

    request_class = StrictRequest
    json_provider_class = OrjsonProvider

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: nothing of ours is asynchronous, and looking cost each request more than routing it."""
        return func


def create_app(config: Config | None = None) -> Flask:
    """Make the web application; nothing connects to the database before the first request.

    Args:
        config: Settings; from the environment when not given.

    Raises:
        ConfigInvalid: The environment lacks a setting or holds an unsafe one.
    """
    config = config or Config.from_env()
    app = Application("fieldmerge", static_folder=None)
    app.config.update(_flask_settings())
    app.extensions[EXTENSION] = Services(config, Database(config))
    configure_logs(config.log_level)
    if config.trusted_proxies:
        # Only so many of the forwarded addresses were written by proxies of our own; a caller can forge the rest.
        hops = config.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
    _init_requests(app, config)
    init_errors(app)
    _add_rooms(app)
    _add_documents(app)
    _add_operations_views(app)
    return app


def _flask_settings() -> dict[str, Any]:
    return {
        "API_TITLE": TITLE,
        "API_VERSION": VERSION,
        "OPENAPI_VERSION": "3.1.0",
        "API_SPEC_OPTIONS": {
            "security": [{SECURITY_SCHEME: []}],
            "info": {"description": "Field sales and after-sales, with a delta sync that loses nothing."},
        },
        # One more than we take: werkzeug cuts a body without length off there and says nothing.
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES + 1,
        "COMPRESS_ALGORITHM": ["zstd", "gzip"],
        # Phones wait for the network, the server for its processor: the cheapest level is nearly as small.
        "COMPRESS_LEVEL": 1,
        "COMPRESS_ZSTD_LEVEL": 1,
        "COMPRESS_MIN_SIZE": SMALL_BYTES,
        "COMPRESS_ALGORITHM_STREAMING": ["zstd"],
        "COMPRESS_EVALUATE_CONDITIONAL_REQUEST": False,
        "JSON_SORT_KEYS": False,
    }


def _init_requests(app: Flask, config: Config) -> None:
    # Functions after a request run in the reverse of this order: ETags and logs are written last.
    init_request_ids(app)
    init_metrics(app)
    init_etags(app)
    Compression(app)
    if config.cors_origins:
        CORS(
            app,
            resources={"/api/*": {"origins": list(config.cors_origins)}},
            allow_headers=CORS_TAKES,
            expose_headers=CORS_SHOWS,
            max_age=600,
        )
    secure = config.public_url.startswith("https:")
    app.before_request(refuse_what_waited_too_long)
    app.before_request(_refuse_odd_requests)
    app.after_request(lambda response: _harden(response, secure))


def _refuse_odd_requests() -> None:
    """Refuse what no honest client sends, before a view sees it.

    Raises:
        Refused: A length beside a transfer encoding (request smuggling), or an address without end.
    """
    sent = request.environ
    if sent.get("HTTP_TRANSFER_ENCODING") and sent.get("CONTENT_LENGTH"):
        raise Refused("request_malformed")
    if len(sent.get("PATH_INFO", "")) + len(sent.get("QUERY_STRING", "")) >= MAX_URL_CHARS:
        raise Refused("uri_too_long", 414)


def _harden(response: AnyResponse, secure: bool) -> AnyResponse:
    headers = response.headers
    # Added and not set: nobody else writes them, and setting one reads through all.
    headers.add("X-Content-Type-Options", "nosniff")
    headers.add("Referrer-Policy", "no-referrer")
    if request.path.startswith(DOCS_URL):
        headers["Content-Security-Policy"] = (
            "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline';"
            " script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        )
    else:
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    if secure or request.is_secure:
        headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def _add_rooms(app: Flask) -> None:
    api = Api(app, spec_kwargs=spec_plugins())
    for room in ROOMS:
        for blueprint in vars(room).values():
            if isinstance(blueprint, Blueprint) and blueprint.name not in app.blueprints:
                api.register_blueprint(blueprint)
    auth.register_actor_query(actor_query)
    auth.register_farewell_check(check_farewell)


def _add_documents(app: Flask) -> None:
    """The document, and a page that shows it with nothing fetched from elsewhere."""
    spec = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec
    rendered: list[bytes] = []

    def show_spec() -> Response:
        if not rendered:
            rendered.append(orjson.dumps(document_of(app)))
        return Response(rendered[0], mimetype="application/json")

    app.add_url_rule(SPEC_URL, "openapi", declare(show_spec, PUBLIC))
    for name, path, operation in (
        ("events_elsewhere", events.PATH, events.OPERATION),
        ("rxdb_events_elsewhere", events.RXDB_PATH, events.RXDB_OPERATION),
    ):
        app.add_url_rule(path, name, declare(events.say_elsewhere, PUBLIC))
        (route,) = app.url_map.iter_rules(name)
        spec.path(rule=route, operations={"get": deepcopy(operation)})
    # validatorUrl would send the document's address to swagger.io.
    settings = {"app_name": TITLE, "validatorUrl": None, "persistAuthorization": False}
    app.register_blueprint(get_swaggerui_blueprint(DOCS_URL, SPEC_URL, config=settings))
    declare(app.view_functions["swagger_ui.show"], PUBLIC)


def _add_operations_views(app: Flask) -> None:
    """What those who run the server ask."""
    app.add_url_rule("/healthz", "healthz", declare(show_health, PUBLIC))
    app.add_url_rule("/readyz", "readyz", declare(show_readiness, PUBLIC))
    app.add_url_rule("/metrics", "metrics", declare(show_metrics, PUBLIC))
