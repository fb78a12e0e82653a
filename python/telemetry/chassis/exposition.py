"""Metrics in Prometheus' text form, from the frozen statistics of a moment."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client import Metric


def exposition(metrics: Iterable[Metric]) -> bytes:
    """The text of these metrics, this process's CPU time and memory among them."""
    # Not the library's default registry, which is global: other users may have metrics in it.
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(metrics))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def counter(name: str, documentation: str, value: float) -> Metric:
    """A counter without labels."""
    return CounterMetricFamily(name, documentation, value=value)


def counters(name: str, documentation: str, label: str, values: Mapping[str, int]) -> Metric:
    """A counter for each value of a label."""
    family = CounterMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def gauge(name: str, documentation: str, value: float | None) -> Metric:
    """A gauge, without a sample if the value is unknown: 0 would look like an answer."""
    return GaugeMetricFamily(name, documentation, value=value)


def gauges(name: str, documentation: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge for each value of a label."""
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def states(name: str, documentation: str, label: str, values: Mapping[str, bool]) -> Metric:
    """A gauge of 1 for each state that is so, and of 0 for the others."""
    return gauges(name, documentation, label, {each: int(is_so) for each, is_so in values.items()})


def info(name: str, documentation: str, labels: Mapping[str, str]) -> Metric:
    """A gauge that is always 1, and says something by its labels."""
    family = GaugeMetricFamily(name, documentation, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family


def histogram(
    name: str, documentation: str, *, bounds: Sequence[float], counts: Sequence[int], total: float
) -> Metric:
    """A histogram; `counts` has the observations up to each bound, and last those beyond, not cumulative."""
    names = [*map(str, bounds), "+Inf"]
    buckets = list(zip(names, itertools.accumulate(counts), strict=True))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=total)
