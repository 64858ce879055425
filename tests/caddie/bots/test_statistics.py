"""Measured numbers are right, and take no more room the longer a test runs."""

from __future__ import annotations

import random

import pytest

from caddie.bots.histogram import BUCKETS, Histogram
from caddie.bots.statistics import POINTS_MAX, Point, Statistics, Timeline

WIDTH = 2 ** (1 / 16)


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_a_percentile_is_off_by_less_than_a_bucket(percent: int) -> None:
    dice = random.Random(7)
    values = sorted(dice.lognormvariate(-4, 1.5) for _ in range(10_000))
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = values[max(0, len(values) * percent // 100 - 1)]
    assert exact / WIDTH <= histogram.percentile(percent) <= exact * WIDTH


def test_minimum_mean_and_maximum_are_exact() -> None:
    histogram = Histogram()
    for value in (0.001, 0.002, 0.006):
        histogram.add(value)
    summary = histogram.summary_ms()
    assert (summary["count"], summary["min"], summary["mean"], summary["max"]) == (3, 1.0, 3.0, 6.0)


def test_values_out_of_range_stay_in_the_outermost_buckets() -> None:
    histogram = Histogram()
    for value in (-1.0, 0.0, 1e-9, 1e9):
        histogram.add(value)
    assert histogram.count == 4 and histogram.maximum_s == 1e9
    assert sum(count for _, _, count in histogram.bars()) == 4
    assert len(histogram.bars()) <= BUCKETS // 4


def test_no_values_are_no_latency() -> None:
    assert Histogram().summary_ms() == {"count": 0}
    assert Histogram().percentile(99) == 0.0


def test_a_long_test_keeps_its_shape_in_few_points() -> None:
    timeline = Timeline()
    for second in range(POINTS_MAX * 10):
        timeline.add(Point(second, open=10, connects_per_s=1, events_per_s=second))
    assert POINTS_MAX / 2 <= len(timeline.points) < POINTS_MAX
    assert timeline.points[-1].at_s > POINTS_MAX * 9.9
    assert [point.at_s for point in timeline.points] == sorted(point.at_s for point in timeline.points)
    assert sum(point.events_per_s for point in timeline.points) / len(timeline.points) == pytest.approx(
        POINTS_MAX * 5, rel=0.01
    )


def test_a_sample_gives_rates_since_the_one_before() -> None:
    statistics = Statistics()
    statistics.connected()
    statistics.counts["events"] = 30
    first = statistics.sample(2.0)
    statistics.counts["events"] = 40
    second = statistics.sample(4.0)
    assert first == Point(2.0, 1, 0.5, 15.0)
    assert second == Point(4.0, 1, 0.0, 5.0)
    assert statistics.events_per_s_peak == 15.0
    assert statistics.sample(4.0) is None


def test_a_stretch_has_the_mean_latency_of_its_own_events() -> None:
    statistics = Statistics()
    for seconds in (0.01, 0.03):
        statistics.latencies["event"].add(seconds)
    first = statistics.sample(1.0)
    statistics.latencies["event"].add(0.1)
    second, third = statistics.sample(2.0), statistics.sample(3.0)
    assert first and second and third
    assert [round(point.latency_ms, 6) for point in (first, second, third)] == [20, 100, 0]
