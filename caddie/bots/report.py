"""The HTML report: one file that needs nothing else, not even a script.

Invariant: whatever the product or a server sent is escaped. Caller: ``caddie.bots.command``.
"""

from __future__ import annotations

from html import escape

from caddie.bots import plots
from caddie.bots.faults import PROMISES
from caddie.bots.statistics import LATENCIES
from caddie.bots.summary import COLUMNS, Summary, words

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --paper: #fff; --line: #e4e7ec; --blue: #2563eb;
  --fill: #2563eb22; --good: #15803d; --bad: #b91c1c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --paper: #14181f; --line: #2c333f;
  --blue: #7aa7ff; --fill: #7aa7ff22; --good: #4ade80; --bad: #f87171; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 980px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: .95rem; margin: 0 0 .3rem; font-weight: 600; }
p.soft, td.soft { color: var(--soft); } table { border-collapse: collapse; width: 100%; }
td, th { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400;
  font-variant-numeric: tabular-nums; }
td:first-child, th:first-child, td.text { text-align: left; } th { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(430px, 1fr)); gap: 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.tiles div { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; color: var(--soft);
  font-size: .82rem; line-height: 1.35; }
.tiles b { display: block; color: var(--ink); font-size: 1.35rem; font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg text.end { text-anchor: end; }
svg text.name { fill: var(--ink); stroke: var(--paper); stroke-width: 3; paint-order: stroke; }
.grid { stroke: var(--line); } .line { fill: none; stroke: var(--blue); stroke-width: 1.6; }
.area { fill: var(--fill); } .bar { fill: var(--blue); } .mark { stroke: var(--bad); stroke-dasharray: 3 3; }
code { font-size: .85rem; overflow-wrap: anywhere; }
"""

#: What a reader of events must never see.
ORDER = ("gap", "duplicate", "inversion")


def html(summary: Summary) -> str:
    """The whole page."""
    options = summary.bench.options
    verdict = (
        '<span class="good">every invariant held</span>'
        if summary.ok
        else f'<span class="bad">{summary.bench.faults.total:,} broken invariants</span>'
    )
    subtitle = (
        f"{options.sessions:,} sessions for {options.duration_s:g} s, ramp {options.ramp_s:g} s"
        f"{', chaos' if options.chaos else ''}, seed {options.seed}, {escape(options.url)}"
    )
    parts = [
        f"<h1>Load test: {verdict}</h1>",
        f'<p class="soft">{subtitle}</p>',
        _headline(summary),
        "<h2>Latency, ms</h2>" + _latencies(summary),
        "<h2>Over time</h2>" + _over_time(summary),
        "<h2>Distributions</h2>" + _distributions(summary),
        "<h2>Invariants</h2>" + _invariants(summary),
        "<h2>Counts</h2>" + _counts(summary),
        *(f'<p class="soft">Note: {escape(note)}.</p>' for note in summary.notes),
    ]
    head = f'<meta charset="utf-8"><title>Load test</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _headline(summary: Summary) -> str:
    """What somebody who reads no further should know."""
    statistics = summary.bench.statistics
    figures = {
        "open connections at once": f"{statistics.open_peak:,}",
        "messages": f"{statistics.counts['messages']:,}",
        "events received": f"{statistics.counts['events']:,}",
        "reconnects with all that was missed": f"{statistics.counts['resumes']:,}",
        "events, median latency": f"{statistics.latencies['event'].percentile(50) * 1000:,.0f} ms",
        "gaps, duplicates, inversions": f"{sum(summary.bench.faults.counts[kind] for kind in ORDER):,}",
    }
    tiles = (f"<div><b>{figure}</b>{escape(name)}</div>" for name, figure in figures.items())
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _latencies(summary: Summary) -> str:
    rows = []
    for name, histogram in summary.bench.statistics.latencies.items():
        values = histogram.summary_ms()
        cells = "".join(f"<td>{values[c]:,}</td>" if c in values else "<td>–</td>" for c in COLUMNS)
        rows.append(f'<tr><td>{_label(name)}</td>{cells}<td class="text soft">{escape(LATENCIES[name])}</td></tr>')
    heads = "".join(f"<th>{column}</th>" for column in COLUMNS)
    return f"<table><tr><th></th>{heads}<th></th></tr>{''.join(rows)}</table>"


def _over_time(summary: Summary) -> str:
    points = summary.bench.statistics.timeline.points
    drawn = (
        ("Open connections", plots.lines([(point.at_s, point.open) for point in points], "connections")),
        ("Events received", plots.lines([(point.at_s, point.events_per_s) for point in points], "events/s")),
        ("Connects", plots.lines([(point.at_s, point.connects_per_s) for point in points], "connects/s")),
        ("Event latency", plots.lines([(point.at_s, point.latency_ms) for point in points], "ms, mean")),
    )
    return _grid(drawn)


def _distributions(summary: Summary) -> str:
    drawn = []
    for name, histogram in summary.bench.statistics.latencies.items():
        marks = {f"p{percent}": histogram.percentile(percent) for percent in (50, 95, 99)} if histogram.count else {}
        drawn.append((_label(name), plots.bars(histogram.bars(), marks)))
    return _grid(tuple(drawn))


def _grid(drawn: tuple[tuple[str, str], ...]) -> str:
    return f'<div class="plots">{"".join(f"<div><h3>{title}</h3>{plot}</div>" for title, plot in drawn)}</div>'


def _invariants(summary: Summary) -> str:
    faults = summary.bench.faults
    rows = []
    for kind, promise in PROMISES.items():
        count = faults.counts[kind]
        verdict = f'<td class="{"bad" if count else "good"}">{f"{count:,} broken" if count else "held"}</td>'
        rows.append(f'<tr><td>{kind}</td><td class="text">{escape(promise)}</td>{verdict}</tr>')
    table = f"<table>{''.join(rows)}</table>"
    listed = "".join(f"<li><code>{escape(str(fault))}</code></li>" for fault in faults.first)
    return table + (f"<h3>The first {len(faults.first)} of {faults.total:,}</h3><ol>{listed}</ol>" if listed else "")


def _counts(summary: Summary) -> str:
    values = {**summary.rates, **dict(sorted(summary.bench.statistics.counts.items()))}
    rows = [f"<tr><td>{escape(words(name))}</td><td>{value:,}</td></tr>" for name, value in values.items()]
    return f"<table>{''.join(rows)}</table>"


def _label(name: str) -> str:
    return escape(name.replace("_", " "))
