"""The results as one HTML file without any reference to the outside: tables and hand-drawn SVG bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.report import METHOD, compared, disturbances, figure_table
from bench.rounds import Result
from bench.servers import PEERS

_BAR, _GAP, _LABEL, _WIDTH = 22, 8, 270, 860
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #6b7683; --ours: #1f6feb; --theirs: #a9b4c0; --ground: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ef; --faint: #97a3b0; --theirs: #55616e; --ground: #12171d }
}
body { margin: 2rem auto; max-width: 56rem; padding: 0 1rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
h2 { margin-top: 2.2rem; font-size: 1.1rem }
svg { width: 100%; height: auto } text { fill: var(--ink); font-size: 13px }
.faint, td.faint { color: var(--faint); fill: var(--faint) }
table { border-collapse: collapse; width: 100% } td, th { padding: .25rem .6rem .25rem 0; text-align: left }
.figures { font-size: 12px; font-variant-numeric: tabular-nums }
.missed { color: #c4372b } .dot { fill: var(--ink); opacity: .55 }
"""


def html(results: Sequence[Result], date: str, machine: dict[str, object], versions: dict[str, str]) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>Delivery, measured {escape(date)}</title><style>{_STYLE}</style>",
        f"<h1>Delivery, measured</h1><p class=faint>{escape(date)} · {escape(_plain(machine))}</p>",
        *(f"<p class=missed>{escape(line)}</p>" for line in disturbances(results)),
        "<h2>Targets</h2>", _targets(results),
        *(part for result in results for part in _section(result)),
        "<h2>Method</h2><ul>", *(f"<li>{escape(line)}</li>" for line in METHOD), "</ul>",
        f"<p class=faint>{escape(_plain(versions))}</p></html>",
    ]  # fmt: skip
    return "\n".join(parts)


def _section(result: Result) -> tuple[str, ...]:
    titles, rows = figure_table(result)
    heads = "".join(f"<th>{escape(title)}" for title in ("", *titles))
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows)
    table = f"<table class=figures><tr>{heads}{cells}</table>" if titles else ""
    return f"<h2>{escape(result.scenario.title)}</h2>", chart(result), table


def chart(result: Result) -> str:
    """One bar per server at the median, one dot per round; less is better."""
    scenario = result.scenario
    every = [value for peer in result.rounds for value in result.values(peer, scenario.metric)]
    if not every:
        return "<p class=missed>Nothing could be measured.</p>"
    scale = (_WIDTH - _LABEL - 90) / max(every)
    rows = []
    for number, peer in enumerate(result.rounds):
        top = number * (_BAR + _GAP)
        rows.append(f"<text x=0 y={top + 16}>{escape(PEERS[peer].title)}</text>")
        value = result.median(peer, scenario.metric)
        if value is None:
            rows.append(f"<text x={_LABEL} y={top + 16} class=faint>not measured</text>")
            continue
        length, fill = max(value * scale, 1), "--ours" if peer == scenario.ours else "--theirs"
        rows.append(f"<rect x={_LABEL} y={top} width={length:.1f} height={_BAR} rx=3 fill='var({fill})'/>")
        dots = [_LABEL + value * scale for value in result.values(peer, scenario.metric)]
        rows += [f"<circle class=dot cx={x:.1f} cy={top + _BAR / 2} r=3 />" for x in dots]
        rows.append(f"<text x={max(length + _LABEL, *dots) + 8:.1f} y={top + 16}>{value:.2f}</text>")
    height = len(result.rounds) * (_BAR + _GAP)
    label = escape(f"{scenario.title}: {scenario.unit}")
    faults = "".join(f"<p class=missed>{escape(fault)}</p>" for fault in result.faults)
    return (
        f"<p class=faint>{escape(scenario.unit)}, less is better</p>"
        f"<svg viewBox='0 0 {_WIDTH} {height}' role=img aria-label='{label}'>{''.join(rows)}</svg>{faults}"
    )


def _targets(results: Sequence[Result]) -> str:
    rows = [
        f"<tr><td>{escape(row.scenario)}<td>{escape(row.target.title)}<td>{row.shown}<td class=faint>"
        f"{escape(row.target.wanted)}<td class='{escape(row.verdict.split()[0])}'>{escape(row.verdict)}"
        for row in compared(results)
    ]
    return f"<table><tr><th>scenario<th>figure<th>got<th>wanted<th>{''.join(rows)}</table>"


def _plain(values: dict[str, object] | dict[str, str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
