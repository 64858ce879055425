"""Plots as inline SVG: a line over time, and a latency histogram over a logarithmic axis.

Invariant: pure functions of numbers, no script, nothing loaded from anywhere. Caller: ``caddie.bots.report``.
"""

from __future__ import annotations

import math
from html import escape

WIDTH, HEIGHT = 500, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 18, 30
_SPAN_X, _SPAN_Y = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_MARKS_MS = (0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0)


def lines(points: list[tuple[float, float]], unit: str) -> str:
    """`points`: (seconds, value), in order of time."""
    if not points:
        return _frame("", "nothing was measured")
    right = max(points[-1][0], 1e-9)
    top = nice(max(value for _, value in points))
    path = " ".join(f"{_x(at / right):.1f},{_y(value / top):.1f}" for at, value in points)
    area = f"{_x(points[0][0] / right):.1f},{_y(0)} {path} {_x(points[-1][0] / right):.1f},{_y(0)}"
    marks = [_grid_y(share, f"{top * share:,.4g}") for share in (0, 0.5, 1)]
    marks += [_mark_x(share, f"{right * share:.0f} s") for share in (0, 0.25, 0.5, 0.75, 1)]
    drawing = f'<polygon class="area" points="{area}"/><polyline class="line" points="{path}"/>'
    return _frame("".join(marks) + drawing, unit)


def bars(buckets: list[tuple[float, float, int]], marks: dict[str, float]) -> str:
    """`buckets`: (from s, to s, count); `marks`: name → seconds, drawn as lines."""
    if not buckets:
        return _frame("", "nothing was measured")
    low, high = math.log10(buckets[0][0]), math.log10(buckets[-1][1])
    top = max(count for _, _, count in buckets)
    total = sum(count for _, _, count in buckets)

    def place(seconds: float) -> float:
        return min(max((math.log10(max(seconds, 1e-9)) - low) / (high - low), 0.0), 1.0)

    drawing = [_grid_y(share, f"{100 * top * share / total:.3g} %") for share in (0, 0.5, 1)]
    for start, end, count in buckets:
        left, width = _x(place(start)), (place(end) - place(start)) * _SPAN_X
        height = _SPAN_Y * count / top
        title = f"<title>{start * 1000:.3g}–{end * 1000:.3g} ms: {count:,}</title>"
        drawing.append(
            f'<rect class="bar" x="{left:.1f}" y="{_y(count / top):.1f}" width="{max(width - 1, 1):.1f}"'
            f' height="{height:.1f}">{title}</rect>'
        )
    for mark in _MARKS_MS:
        if low <= math.log10(mark / 1000) <= high:
            drawing.append(_mark_x(place(mark / 1000), f"{mark:g} ms"))
    for row, (name, seconds) in enumerate(marks.items()):
        x = _x(place(seconds))
        drawing.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_y(0)}"/>')
        side = (-4, "end") if x > WIDTH * 0.85 else (4, "start")
        drawing.append(
            f'<text class="name" text-anchor="{side[1]}" x="{x + side[0]:.1f}" y="{_TOP + 11 + 14 * row}">'
            f"{escape(name)}</text>"
        )
    return _frame("".join(drawing), "share of all")


def nice(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if value <= step * power * (1 + 1e-9))


def _x(share: float) -> float:
    return _LEFT + share * _SPAN_X


def _y(share: float) -> float:
    return _TOP + (1 - share) * _SPAN_Y


def _grid_y(share: float, text: str) -> str:
    y = _y(share)
    return (
        f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="end" x="{_LEFT - 6}" y="{y + 4:.1f}">{escape(text)}</text>'
    )


def _mark_x(share: float, text: str) -> str:
    anchor = "end" if share > 0.97 else "middle" if share > 0.03 else "start"
    return f'<text text-anchor="{anchor}" x="{_x(share):.1f}" y="{HEIGHT - 10}">{escape(text)}</text>'


def _frame(content: str, caption: str) -> str:
    label = f'<text x="{WIDTH - _RIGHT}" y="11" text-anchor="end">{escape(caption)}</text>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(caption)}">{content}{label}</svg>'
