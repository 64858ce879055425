"""Report and plots: everything measured is drawn, and nothing that was sent is believed."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any, cast

import pytest

from caddie.bots import plots
from caddie.bots.bench import Bench, Options
from caddie.bots.faults import PROMISES, Faults
from caddie.bots.report import html
from caddie.bots.statistics import LATENCIES, Statistics
from caddie.bots.summary import LIMITS_NOTE, Summary
from caddie.bots.transcript import Transcript


@pytest.fixture
def summary() -> Summary:
    statistics = Statistics()
    for millisecond in range(1, 200):
        for histogram in statistics.latencies.values():
            histogram.add(millisecond / 1000)
    for second in range(1, 30):
        statistics.connected()
        statistics.counts["events"] += 100 * second
        statistics.sample(second)
    nobody = cast(Any, None)
    options = Options("http://127.0.0.1:8080", "key", report=Path("bots.html"))
    return Summary(Bench(options, nobody, nobody, statistics, Faults(), Transcript(None)), 30.0)


def test_a_page_has_every_plot_and_needs_nothing_else(summary: Summary) -> None:
    page = html(summary)
    assert page.count("<svg") == 4 + len(LATENCIES)
    assert "every invariant held" in page and all(kind in page for kind in PROMISES)
    for loading in ("<script", "<link", "src=", "@import", "url("):
        assert loading not in page


def test_faults_are_listed_and_escaped(summary: Summary) -> None:
    summary.bench.faults.add("error", "c", "<script>alert(1)</script>")
    page = html(summary)
    assert "1 broken invariants" in page and "<script" not in page and "&lt;script&gt;" in page


def test_a_test_that_measured_nothing_still_has_a_report(summary: Summary) -> None:
    nobody = cast(Any, None)
    bench = Bench(summary.bench.options, nobody, nobody, Statistics(), Faults(), Transcript(None))
    empty = Summary(bench, 0)
    assert html(empty).count(">nothing was measured<") == 4 + len(LATENCIES)
    assert empty.as_text() and empty.as_json()["rates"]["eventsPerSecondMean"] == 0


def test_waits_are_explained(summary: Summary) -> None:
    assert LIMITS_NOTE not in summary.as_text()
    summary.bench.statistics.counts["connects told to wait"] += 1
    assert LIMITS_NOTE in summary.as_text()


@pytest.mark.parametrize("buckets", [[], [(0.001, 0.002, 5)], [(0.001, 0.002, 5), (0.002, 0.004, 0), (2.0, 4.0, 1)]])
def test_plots_are_well_formed_and_stay_inside(buckets: list[tuple[float, float, int]]) -> None:
    for drawing in (plots.bars(buckets, {"p50": 0.0015, "p99": 9.0}), plots.lines([(1, 0), (2, 0)], "<unit>")):
        for element in ElementTree.fromstring(drawing).iter():
            for side, most in (("x", plots.WIDTH), ("y", plots.HEIGHT)):
                assert 0 <= float(element.get(side, 0)) <= most


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.3, 0.5), (1, 1), (7, 10), (1_950, 2_000)])
def test_axes_end_at_round_numbers(value: float, top: float) -> None:
    assert plots.nice(value) == pytest.approx(top)
