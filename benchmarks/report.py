"""The figures as tables of Markdown."""

from collections.abc import Mapping, Sequence

from benchmarks.measuring import Figure, Figures
from benchmarks.rows import Row
from benchmarks.wanted import WANTED, Wanted


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows)]


def wanted_table(rows: Sequence[Row], figures: Figures) -> list[str]:
    """Each ratio that is wanted, and whether it is met; those whose row did not run are left out."""
    titles = {row.name: row.title for row in rows}
    lines = []
    for one in WANTED:
        if one.row not in titles:
            continue
        try:
            ratio = one.ratio(figures)
        except KeyError:
            continue
        lines.append(
            (titles[one.row], one.words, f"{ratio:.2f}", _bound(one), "yes" if one.is_met(ratio) else "no")
        )
    return table(("work", "measured as", "measured", "wanted", "met"), lines)


def figures_table(rows: Sequence[Row], figures: Figures) -> list[str]:
    """What each side took."""
    head = (
        "work",
        "by",
        "median (least to most)",
        "server CPU s / 1,000",
        "database CPU s / 1,000",
        "client CPU s / 1,000",
        "peak MB of a worker",
        "beside",
    )
    lines = [
        (f"{row.title}, {row.unit}", side, _span(row, figure), *_costs(figure), _beside(row, figure))
        for row in rows
        for side, figure in figures[row.name].items()
    ]
    return table(head, lines)


def seconds(value: float) -> str:
    """Seconds or milliseconds."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def _bound(one: Wanted) -> str:
    both = one.least is not None and one.most is not None
    return f"{one.least:g} to {one.most:g}" if both else one.bound


def _span(row: Row, figure: Figure) -> str:
    least, most = min(figure.seconds), max(figure.seconds)
    if row.rate:
        rates = (row.work / value for value in (figure.median, most, least))
        return "{:,.0f}/s ({:,.0f} to {:,.0f})".format(*rates)
    return f"{seconds(figure.median)} ({seconds(least)} to {seconds(most)})"


def _costs(figure: Figure) -> tuple[str, str, str, str]:
    each = [_known(cost * 1000 / figure.work) for cost in (figure.web_s, figure.database_s, figure.client_s)]
    peak = "–" if figure.peak_mb != figure.peak_mb else f"{figure.peak_mb:,.0f}"
    return each[0], each[1], each[2], peak


def _known(value: float) -> str:
    return "–" if value != value else f"{value:.3f}"


def _beside(row: Row, figure: Figure) -> str:
    words = {
        "bytes": "{:,.0f} bytes",
        "plain bytes": "{:,.0f} decompressed",
        "told to retry": "{:,.1f} told to retry",
    }
    told = {text: figure.each(name) for name, text in words.items() if name in figure.told}
    if row.rate and figure.first == figure.first:
        told |= {"{:,.0f}/s when new": row.work / figure.first}
    return _joined(told)


def _joined(values: Mapping[str, float]) -> str:
    return ", ".join(text.format(value) for text, value in values.items())
