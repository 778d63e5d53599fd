"""Numbers for Prometheus: rates and times by endpoint, never about people."""

import hmac
import os
import time
from functools import lru_cache

from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import NotFound
from app.http.services import derive_key, services

# Our own, so that nothing that a library counts is published by accident. Rooms add theirs to it.
REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "fieldmerge_http_requests", "Answers sent", ["endpoint", "method", "status"], registry=REGISTRY
)
SECONDS = Histogram(
    "fieldmerge_http_request_seconds",
    "Time to answer",
    ["endpoint", "method"],
    registry=REGISTRY,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10),
)
OLDEST_TRANSACTION = "fieldmerge_oldest_transaction_seconds"
LOOPBACK = ("127.", "::1")
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


def metrics_token(secret_key: str) -> str:
    """The bearer token that lets a scraper in from elsewhere; follows from the secret key."""
    return derive_key(secret_key, "metrics").hex()


def init_metrics(app: Flask) -> None:
    """Count every answer of *app*."""
    app.before_request(_start)
    app.after_request(_count)


def _start() -> None:
    g.started = time.perf_counter()


def _count(response: Response) -> Response:
    endpoint = request.endpoint or "unknown"  # never the path: it would make a series for each id
    method = request.method if request.url_rule else "-"
    _answers(endpoint, method, response.status_code).inc()
    if "started" in g:
        _seconds(endpoint, method).observe(time.perf_counter() - g.started)
    return response


@lru_cache(maxsize=1024)
def _answers(endpoint: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(endpoint, method, status)


@lru_cache(maxsize=1024)
def _seconds(endpoint: str, method: str) -> Histogram:
    return SECONDS.labels(endpoint, method)


def show_metrics() -> Response:
    """The metrics, for this machine itself or for the bearer of ``metrics_token``.

    Raises:
        NotFound: To anybody else; a proxy on this machine shows itself by its forwarding header.
    """
    forwarded = any(name in request.headers for name in FORWARDED)
    near = (request.remote_addr or "").startswith(LOOPBACK) and not forwarded
    sent = request.headers.get("Authorization", "").removeprefix("Bearer ")
    known = metrics_token(services().config.secret_key)
    if not near and not hmac.compare_digest(sent.encode(), known.encode()):
        raise NotFound
    return Response(generate_latest(_registry()) + generate_latest(_of_now()), mimetype=CONTENT_TYPE_LATEST)


def _of_now() -> CollectorRegistry:
    """What is not counted but asked for; nothing, while the database does not answer."""
    registry = CollectorRegistry()
    try:
        age_s = services().db.oldest_transaction_s()
    except (DBAPIError, PoolTimeout):
        return registry
    oldest = Gauge(OLDEST_TRANSACTION, "Age of the oldest open transaction of ours", registry=registry)
    oldest.set(age_s)
    return registry


def _registry() -> CollectorRegistry:
    """All workers' numbers when they share a directory, else this process's."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # prometheus types it partly
    return registry
