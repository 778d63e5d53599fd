"""What is wanted of each row, computed from the figures of one run."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measuring import Figures
from benchmarks.rows import KINTO, OURS

QUERY = "Flask + JWT + query"
DIRECT = "direct query + Flask + JWT"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One ratio: of which row, in words, how it is computed, and from where (or up to where) it is met.

    Attributes:
        row: Its name.
        words: What is compared.
        least: The ratio has to be at least this; None where it has an upper end.
        most: The ratio may be at most this.
        ratio: Computes it; raises KeyError where a side did not run.
    """

    row: str
    words: str
    ratio: Callable[[Figures], float]
    least: float | None = None
    most: float | None = None

    @property
    def bound(self) -> str:
        """As text."""
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def is_met(self, ratio: float) -> bool:
        """Whether it is as it should be."""
        return (self.least is None or ratio >= self.least) and (self.most is None or ratio <= self.most)


def _faster(row: str, than: str) -> Callable[[Figures], float]:
    """How many times as fast as another side of the row we are."""
    return lambda figures: figures[row][than].median / figures[row][OURS].median


def _slower(row: str, than: str) -> Callable[[Figures], float]:
    return lambda figures: figures[row][OURS].median / figures[row][than].median


def _bytes(figures: Figures) -> float:
    return figures["first"][OURS].each("bytes") / figures["first"][KINTO].each("bytes")


def _bytes_gzip(figures: Figures) -> float:
    return figures["first"][f"{OURS}, gzip"].each("bytes") / figures["first"][KINTO].each("bytes")


def _sizes(figures: Figures) -> float:
    return figures["delta-large"][OURS].median / figures["delta"][OURS].median


def _retries(row: str) -> Callable[[Figures], float]:
    return lambda figures: figures[row][OURS].told["told to retry"]


WANTED = (
    Wanted("first", "share of COPY's rate", _faster("first", "COPY"), least=0.5),
    Wanted("first", "times as fast as Kinto", _faster("first", KINTO), least=3),
    Wanted("shared", "share of COPY's rate", _faster("shared", "COPY"), least=1.0),
    Wanted("empty", "times Flask + JWT + query", _slower("empty", QUERY), most=1.5),
    Wanted("empty16", "times Flask + JWT + query", _slower("empty16", QUERY), most=1.5),
    Wanted("delta", "times the direct query + a bare request", _slower("delta", DIRECT), most=5),
    Wanted("delta-large", "times the direct query + a bare request", _slower("delta-large", DIRECT), most=5),
    Wanted("delta-large", "times the smaller size", _sizes, least=0.8, most=1.2),
    Wanted("push", "times as fast as Kinto", _faster("push", KINTO), least=15),
    Wanted("edits16", "times as fast as Kinto", _faster("edits16", KINTO), least=5),
    Wanted("edits16", "answers that said: later", _retries("edits16"), most=0),
    Wanted("edits16-shared", "times as fast as Kinto", _faster("edits16-shared", KINTO), least=5),
    Wanted("edits16-shared", "answers that said: later", _retries("edits16-shared"), most=0),
    Wanted("first", "bytes of Kinto's, compressed", _bytes, most=0.2),
    Wanted("first", "bytes of Kinto's, gzip", _bytes_gzip, most=0.2),
)
