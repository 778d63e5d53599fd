"""Counters of the sync engine: received = the sum over verdicts, always."""

from prometheus_client import Counter

from app.http.metrics import REGISTRY

MUTATIONS = Counter("fieldmerge_mutations_received", "Mutations that phones sent", registry=REGISTRY)
DRAINS_FAILED = Counter("fieldmerge_drains_failed", "Drains of requests that failed", registry=REGISTRY)
VERDICTS = Counter(
    "fieldmerge_verdicts", "Verdicts given, replays counted as such", ["status"], registry=REGISTRY
)
AT_ONCE = Counter(
    "fieldmerge_mutations_at_once", "Mutations that were written together with others", registry=REGISTRY
)
