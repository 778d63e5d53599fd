"""Counters of the sync engine: received = the sum over verdicts, always."""

from prometheus_client import Counter

from app.http.metrics import REGISTRY

MUTATIONS = Counter("fieldmerge_mutations_received", "Mutations that phones sent", registry=REGISTRY)
DRAINS_FAILED = Counter("fieldmerge_drains_failed", "Drains of requests that failed", registry=REGISTRY)
VERDICTS = Counter(
    "fieldmerge_verdicts", "Verdicts given, replays counted as such", ["status"], registry=REGISTRY
)
