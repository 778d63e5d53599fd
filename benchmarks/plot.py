"""Line diagrams with logarithmic axes, as SVG written by hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

COLOURS = ("#1b6ca8", "#c8553d", "#3d8b5a", "#8b5fa8", "#a8892d")
WIDTH, HEIGHT, MARGIN, LEGEND = 380, 250, 52, 24


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: what grows, and for each line its points (size, seconds)."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


def svg(panels: Sequence[Panel]) -> str:
    """All diagrams, two beside each other, with one legend."""
    down = math.ceil(len(panels) / 2)
    width, height = 2 * WIDTH, down * HEIGHT + LEGEND
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, number % 2 * WIDTH, number // 2 * HEIGHT)
    for number, name in enumerate(panels[0].lines if panels else ()):
        x, y = 20 + number * 145, height - 9
        parts.append(
            f'<rect x="{x}" y="{y - 8}" width="9" height="9" fill="{COLOURS[number % len(COLOURS)]}"/>'
        )
        parts.append(f'<text x="{x + 14}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, left: int, top: int) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    xs, ys = _span([x for x, _ in points]), _span([y for _, y in points])

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (math.log10(point[0]) - xs[0]) / (xs[1] - xs[0])
        up = (math.log10(point[1]) - ys[0]) / (ys[1] - ys[0])
        return left + MARGIN + across * (WIDTH - MARGIN - 20), top + HEIGHT - 40 - up * (HEIGHT - 70)

    parts = [f'<text x="{left + MARGIN}" y="{top + 16}" font-weight="bold">{escape(panel.title)}</text>']
    for power in range(ys[0], ys[1] + 1):
        x, y = place((10 ** xs[0], 10**power))
        parts.append(
            f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{left + WIDTH - 20}" y2="{y:.1f}" stroke="#dddddd"/>'
        )
        parts.append(f'<text x="{x - 6:.1f}" y="{y + 4:.1f}" text-anchor="end">{_time(10**power)}</text>')
    for power in range(xs[0], xs[1] + 1):
        x, y = place((10**power, 10 ** ys[0]))
        parts.append(f'<text x="{x:.1f}" y="{y + 16:.1f}" text-anchor="middle">{10**power:,}</text>')
    for number, line in enumerate(panel.lines.values()):
        colour, places = COLOURS[number % len(COLOURS)], [place(point) for point in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
    return parts


def _span(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _time(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
