"""How a run went as Prometheus metrics: a textfile for the node exporter, or pushed to a Pushgateway.

A run is short, so each value is that of the last run; only the transactions are counted over all of them,
in the store. What a run does not know it does not write: 'not read' is never 0. On a Pushgateway the values
of an earlier run then stay, since only metrics of the same name are replaced (its method POST).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from planner.disk import FOR_OTHERS, stranger_on, unfit, write_whole
from planner.errors import Incomplete
from planner.inputs import MIB, read_file
from planner.model import UNFINISHED, TransactionState
from planner.telemetry.posting import send

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from prometheus_client.core import Metric

    from planner.telemetry.summary import RunSummary

JOB = "planner"
LARGEST = 16 * MIB
"""Bytes of a textfile of an earlier run; ours has a few thousand."""
LAST_SUCCESS = "planner_last_success_timestamp_seconds"

KEPT = (LAST_SUCCESS, "planner_incomplete", "planner_open_cells")
"""What a textfile keeps of an earlier run where the last one does not know it, as a Pushgateway does: the
alert on an unfinished transaction must not end since the store cannot be read."""

METRICS: dict[str, str] = {
    "planner_last_run_timestamp_seconds": "When the last run ended.",
    LAST_SUCCESS: "When a run last ended with the whole cluster equal to the file.",
    "planner_last_run_exit_code": "Exit code of the last run.",
    "planner_run_duration_seconds": "How long the last run took.",
    "planner_drifted_cells": "Cells (a group on a node) that differed from the file when the last run ended.",
    "planner_repaired_cells": "Cells that the last run has written.",
    "planner_unreadable_nodes": "Nodes that the last run could not read.",
    "planner_run_requests": "Requests of the last run, each try counted, by how they ended.",
    "planner_run_retries": "Requests of the last run that were tried again, by how they had ended.",
    "planner_transactions_total": "Finished transactions in the store, by outcome.",
    "planner_incomplete": "Whether an unfinished transaction needs `planner recover`.",
    "planner_open_cells": "Cells of that transaction that may not be as they were.",
    "planner_set_aside_cells": "Cells that were set aside by hand.",
    "planner_watched_cells": "Cells with a write that was never answered, still looked at.",
}
"""Every metric, and what it tells. All have the label `cluster`."""

OUTCOMES = tuple(str(state) for state in TransactionState if state not in UNFINISHED)
"""Of transactions that are counted. Each is told from the start: `increase()` sees no first one from nothing.
One that is not finished may still become any of them, and a counter never falls."""

Sample = tuple[dict[str, str], float]


def samples_of(summary: RunSummary, now: float) -> dict[str, list[Sample]]:
    """The values of a run by metric; labels besides `cluster`. A metric that is not known is not there.

    Args:
        summary: of the run.
        now: seconds since 1970.
    """
    found: dict[str, list[Sample]] = {
        "planner_last_run_timestamp_seconds": [({}, now)],
        "planner_last_run_exit_code": [({}, summary.exit_code)],
        "planner_run_duration_seconds": [({}, summary.seconds)],
        "planner_repaired_cells": [
            ({}, summary.steps.applied if summary.steps and not summary.exit_code else 0)
        ],
        "planner_run_requests": _by_node_and_end(summary.requests),
        "planner_run_retries": _by_node_and_end(summary.retries),
    }
    if summary.succeeded:
        found[LAST_SUCCESS] = [({}, now)]
    if summary.drift is not None and summary.whole:  # a part tells nothing of the rest
        found["planner_drifted_cells"] = [({"node": n}, left) for n, left in summary.drift.left.items()]
    if summary.drift is not None or summary.unreadable:
        found["planner_unreadable_nodes"] = [({}, len(summary.unreadable))]
    doubts = summary.doubts
    if doubts is None and summary.exit_code == Incomplete.exit_code:
        found["planner_incomplete"] = [({}, 1)]  # all that is known where the store failed
    if doubts is not None:
        found["planner_incomplete"] = [({}, doubts.incomplete)]
        found["planner_open_cells"] = [({}, doubts.open)]
        found["planner_set_aside_cells"] = [({}, doubts.set_aside)]
        found["planner_watched_cells"] = [({}, doubts.watched)]
        found["planner_transactions_total"] = [
            ({"outcome": outcome}, doubts.transactions.get(outcome, 0)) for outcome in OUTCOMES
        ]
    return found


def _by_node_and_end(counts: Mapping[tuple[str, str], int]) -> list[Sample]:
    """A run without any says so in one value without node: else those before would stay on a Pushgateway."""
    found: list[Sample] = [
        ({"node": node, "status": end}, number) for (node, end), number in sorted(counts.items())
    ]
    return found or [({"node": "", "status": ""}, 0)]


def write_textfile(path: str, summary: RunSummary, now: float) -> str:
    """Write the metrics to a file, whole or not at all; say why not, or nothing.

    What is `KEPT` stays as it was where this run does not know it.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    if why := unfit(Path(path)) or stranger_on(Path(path).parent):
        return why
    samples = samples_of(summary, now)
    kept = [name for name in KEPT if name not in samples]
    samples |= {name: [({}, value)] for name, value in _before(Path(path), summary.cluster, kept).items()}
    registry = CollectorRegistry()
    registry.register(_Collector(samples, summary.cluster))
    try:
        write_whole(Path(path), (generate_latest(registry).decode(),), FOR_OTHERS, keep=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def push(gateway: str, summary: RunSummary, now: float) -> str:
    """Push the metrics, one group of them for each cluster; say why it was not taken, or nothing."""
    from prometheus_client import CollectorRegistry, pushadd_to_gateway

    said: list[str] = []

    def handler(
        url: str, method: str, timeout: float | None, headers: list[tuple[str, str]], data: bytes
    ) -> Callable[[], None]:
        """As planner speaks to everyone: with its time-outs, proxies and certificates, and no redirect."""
        del method, timeout  # it is POST, which replaces only metrics of the same name
        return lambda: said.append(send(url, data, dict(headers)))

    registry = CollectorRegistry()
    registry.register(_Collector(samples_of(summary, now), summary.cluster))
    pushadd_to_gateway(gateway, JOB, registry, {"cluster": summary.cluster}, handler=handler)
    return said[0]


class _Collector:
    """Hands samples to the client library."""

    def __init__(self, samples: Mapping[str, list[Sample]], cluster: str) -> None:
        self._samples = samples
        self._cluster = cluster

    def collect(self) -> Iterator[Metric]:
        """Every metric that is known, with its samples."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, text in METRICS.items():
            samples = self._samples.get(name)
            if samples is None:
                continue
            labels = ["cluster", *(samples[0][0] if samples else ())]
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            family = kind(name, text, labels=labels)
            for more, value in samples:
                family.add_metric([self._cluster, *more.values()], value)
            yield family


def _before(path: Path, cluster: str, names: Collection[str]) -> dict[str, float]:
    """What an earlier run has written of these metrics."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(read_file(path, LARGEST).decode())) if names else []
    except (OSError, ValueError, LookupError):  # there is none, or it is not ours
        return {}
    samples = (sample for family in families for sample in family.samples)
    return {
        each.name: each.value
        for each in samples
        if each.name in names and each.labels.get("cluster") == cluster
    }
