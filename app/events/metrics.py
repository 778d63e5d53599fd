"""Numbers of the live pings."""

from prometheus_client import Counter, Gauge

from app.http.metrics import REGISTRY

STREAMS = Gauge(
    "fieldmerge_event_streams",
    "Phones that hold a connection for pings",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
PINGS = Counter("fieldmerge_event_pings", "Pings given to held connections", registry=REGISTRY)
DROPPED = Counter(
    "fieldmerge_event_dropped",
    "Connections for pings that were refused or cut off",
    ["reason"],
    registry=REGISTRY,
)
LISTENING = Gauge(
    "fieldmerge_event_listening",
    "Whether the process that pings hears the database",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
