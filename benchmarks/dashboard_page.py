"""A page that draws the panels of a dashboard, each from numbers of Prometheus."""

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass

COLUMN, ROW, GAP = 50, 36, 6
PLOT_LEFT, PLOT_TOP = 64, 36
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")
_STYLE = """
body { margin: 0; background: #f4f5f5; font: 11px sans-serif; color: #333; width: 1200px; }
div { position: absolute; background: #fff; border: 1px solid #ddd; overflow: hidden; }
h2 { font-size: 12px; margin: 5px 8px 0; } p { margin: 0 8px; line-height: 15px; }
svg { position: absolute; left: 0; top: 0; }
.stat { font-size: 26px; text-align: center; line-height: 88px; } span { margin-right: 10px; white-space: nowrap; }
.legend { position: absolute; bottom: 4px; }
"""
_SIZES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Series:
    """A line: its name in the legend, and its values at seconds since 1970."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One panel, at a place (x, y, width, height) in Grafana's columns and rows."""

    title: str
    unit: str
    is_stat: bool
    place: tuple[int, int, int, int]
    series: Sequence[Series]


def page_of(panels: Sequence[Panel]) -> str:
    """All panels as HTML."""
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{''.join(map(_draw, panels))}"


def _draw(panel: Panel) -> str:
    x, y, width, height = panel.place
    wide, high = width * COLUMN - GAP, height * ROW - GAP
    style = f"left:{x * COLUMN + 3}px;top:{y * ROW + 3}px;width:{wide}px;height:{high}px"
    body = _stat(panel) if panel.is_stat else _plot(panel, wide, high) + _legend(panel)
    return f'<div style="{style}"><h2>{html.escape(panel.title)}</h2>{body}</div>'


def _stat(panel: Panel) -> str:
    value = panel.series[0].points[-1][1] if panel.series else None
    return f'<p class="stat">{"no data" if value is None else _show(value, panel.unit)}</p>'


def _legend(panel: Panel) -> str:
    entries = (
        f'<span><b style="color:{COLOURS[index % len(COLOURS)]}">―</b> {html.escape(series.name)}</span>'
        for index, series in enumerate(panel.series)
    )
    return f'<p class="legend">{" ".join(entries) or "nothing"}</p>'


def _plot(panel: Panel, width: int, height: int) -> str:
    lines = -(-sum(len(series.name) + 6 for series in panel.series) * 7 // width)
    bottom, right = height - 24 - 15 * max(lines, 1), width - 12
    every = [point for series in panel.series for point in series.points]
    if not every:
        return ""
    first, last = min(at for at, _ in every), max(at for at, _ in every)
    top = (max(value for _, value in every) or 1.0) * 1.1

    def place(at: float, value: float) -> str:
        across = PLOT_LEFT + (at - first) / max(last - first, 1) * (right - PLOT_LEFT)
        return f"{across:.1f},{bottom - value / top * (bottom - PLOT_TOP):.1f}"

    drawn = []
    for step in range(4):
        value = top * step / 3
        level = place(first, value).split(",")[1]
        drawn.append(f'<path d="M{PLOT_LEFT} {level}H{right}" stroke="#eee"/>')
        drawn.append(f'<text x="{PLOT_LEFT - 5}" y="{level}" text-anchor="end">{_show(value, panel.unit)}</text>')
    for step in range(4):
        at = first + (last - first) * step / 3
        across = place(at, 0).split(",")[0]
        clock = time.strftime("%H:%M:%S", time.gmtime(at)) if 0 < step < 3 else ""
        drawn.append(f'<text x="{across}" y="{bottom + 13}" text-anchor="middle">{clock}</text>')
    for index, series in enumerate(panel.series):
        points = " ".join(place(at, value) for at, value in series.points)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[index % len(COLOURS)]}"/>')
    return f'<svg width="{width}" height="{height}" font-size="10" fill="#666">{"".join(drawn)}</svg>'


def _show(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value * 100:.1f} %"
    if unit == "s":
        return f"{value * 1000:.3g} ms"
    name = {"Bps": "B/s", "reqps": "/s"}.get(unit, "")
    for size, prefix in _SIZES:
        if value >= size:
            return f"{value / size:.3g} {prefix}{name}"
    return f"{value:.3g} {name}".strip()
