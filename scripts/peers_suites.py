"""Run the stock SDK's and the official exporters' own tests with our provider and reader.

    python scripts/peers_suites.py FOLDER…

Each folder is that of `opentelemetry-sdk`, `opentelemetry-exporter-prometheus` or
`opentelemetry-exporter-otlp-proto-common`, in a checkout or unpacked from a source distribution,
of the release that is installed; the tests need `opentelemetry-test-utils` and `flaky`. Nothing is
fetched. Each suite runs twice, as it is and with names of the modules of its tests replaced by
ours: provider, readers and encoder. What fails with ours alone is a difference: it has to be one
of `DIFFERENCES`, with its reason, or the run has failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader as OfficialReader
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import MetricsData, PeriodicExportingMetricReader

from butterfly_otel.engine import MeterProvider
from butterfly_otel.exporters.otlp_wire.encoder import MetricsEncoder
from butterfly_otel.exporters.prometheus import PrometheusMetricReader
from butterfly_otel.exporters.push import PushMetricReader

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShownReader(PrometheusMetricReader):
    """Ours, whose collector is to be had by the private name that the official tests ask for."""

    @property
    def _collector(self) -> Any:  # noqa: ANN401 - the official collector or ours
        return vars(self).get("_families") or self._official

    @_collector.setter
    def _collector(self, official: object) -> None:
        self._official = official


class PeriodicReader(PushMetricReader):
    """Ours, made as the SDK's periodic one is."""

    def __init__(
        self,
        exporter: Any,  # noqa: ANN401 - also a mock
        export_interval_millis: float | None = None,
        export_timeout_millis: float | None = None,
        **_others: object,
    ) -> None:
        interval = 60_000 if export_interval_millis is None else export_interval_millis
        timeout = 30_000 if export_timeout_millis is None else export_timeout_millis
        super().__init__(exporter, name="otlp", interval=interval / 1000, timeout=timeout / 1000)


def encode_by_ours(data: MetricsData) -> ExportMetricsServiceRequest:
    """Encode as the official encoder does, by ours."""
    return ExportMetricsServiceRequest.FromString(MetricsEncoder().encode(data))


#: What stands in for what, wherever a module of tests has it as one of its names.
OURS: dict[object, object] = {
    SdkMeterProvider: MeterProvider,
    OfficialReader: ShownReader,
    PeriodicExportingMetricReader: PeriodicReader,
    encode_metrics: encode_by_ours,
}
CONSUMER = "a private detail: measuring goes to a consumer of ours, not to the SDK's patched one"
#: Why tests fail with ours, by a part of their names.
DIFFERENCES: dict[str, str] = {
    "TestMeter::test_counter_noop_after_meter_disabled": CONSUMER,
    "TestMeter::test_reenable_meter_after_disable": CONSUMER,
    "TestMeterProvider::test_consume_measurement_counter": CONSUMER,
    "TestMeterProvider::test_consume_measurement_gauge": CONSUMER,
    "TestMeterProvider::test_consume_measurement_histogram": CONSUMER,
    "TestMeterProvider::test_consume_measurement_up_down_counter": CONSUMER,
    "TestMeterProvider::test_measurement_collect_callback": CONSUMER,
    "TestMeterProvider::test_register_asynchronous_instrument": CONSUMER,
    "TestMeterProvider::test_shutdown": "a private detail: a mock for a reader has no table of"
    " temporalities; and a difference: shutdown() tells whether the last export arrived",
    "TestMeterProvider::test_get_meter_empty": "a difference: a meter without a name works, as the"
    " specification has it, and is warned of",
    "TestDuplicateInstrumentAggregateData": "a difference: streams of two meters are not in"
    " conflict, so nothing is warned of",
    "TestCpuTimeIntegration::test_cpu_time": "a private detail: what `callback` yields",
    "TestSumAggregation::test_asynchronous_": "a difference: a callback that goes on raising is"
    " logged once, as a warning",
    "test_console_exporter_with_exemplars": "a private detail: the SDK's clock, which is patched,"
    " is not the one that is asked",
    "test_exporter_not_called_concurrently": "a difference: callers that wait for an export at"
    " once share the next one",
    "test_periodic_exporting_metric_reader.py::TestPeriodicExportingMetricReader::test_defaults": (
        "a private detail: the names of attributes"
    ),
    "TestPeriodicExportingMetricReader::test_metric_reader_metrics": "a private detail: the SDK's"
    " metric of collections has the class of the reader",
    "TestPeriodicExportingMetricReader::test_shutdown_multiple_times": "a difference: a second"
    " shutdown() is harmless and logs nothing",
    "TestPeriodicExportingMetricReader::test_shutdown": "a private detail: the name `_shutdown`",
    "TestPrometheusMetricReader::test_target_info": "a private detail: families are of a class of"
    " ours; and a difference: readers in one registry have one target_info",
    "TestOTLPMetricsEncoder::test_encoding_exception_reraise": "a difference: a metric that can't"
    " be encoded is left out and logged, the others are exported",
}


class Run:
    """A plugin for one run of one suite: which tests failed, by the last line of each failure."""

    def __init__(self, *, ours: bool) -> None:
        self.ours = ours
        self.passed = 0
        self.failed: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Replace names of the modules of tests before any test runs."""
        if self.ours:
            for module in {item.getparent(pytest.Module).obj for item in items}:  # type: ignore[union-attr]
                for name, value in tuple(vars(module).items()):
                    if callable(value) and getattr(value, "__hash__", None) and value in OURS:
                        setattr(module, name, OURS[value])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a test, its preparation or its cleaning up ended."""
        if report.failed:
            crash: Any = getattr(report.longrepr, "reprcrash", None)
            said = str(crash.message if crash else report.longrepr).strip().splitlines()
            self.failed[report.nodeid] = said[0] if said else "?"
        elif report.when == "call" and report.passed:
            self.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that can't be imported has failed as a whole."""
        if report.failed:
            self.failed[report.nodeid] = str(report.longrepr).strip().splitlines()[-1]


def run_here(folder: Path, result: Path, *, ours: bool, chosen: list[str]) -> int:
    """Run one suite in this process and write down what failed."""
    run = Run(ours=ours)
    metrics = folder / "tests" / "metrics"
    options = [f"--rootdir={folder}", "-c", os.devnull, "-q"]
    options += ["-p", "no:butterfly_otel", "-p", "no:cacheprovider", "-p", "no:randomly"]
    where = metrics if metrics.is_dir() else folder / "tests"
    status = pytest.main([*options, "--timeout=120", str(where), *chosen], plugins=[run])
    result.write_text(json.dumps([run.passed, run.failed]), encoding="utf-8")
    return int(status)


def suite(folder: Path, *, ours: bool, chosen: list[str]) -> tuple[int, dict[str, str]]:
    """Run one suite in a process of its own; return how many passed, and what failed."""
    with tempfile.TemporaryDirectory() as place:
        result = Path(place, "result.json")
        command = [sys.executable, __file__, "--here", str(folder), str(result), str(int(ours))]
        done = subprocess.run(
            [*command, *chosen], capture_output=True, text=True, check=False, cwd=folder
        )
        if not result.is_file():
            sys.exit(done.stdout + done.stderr)
        passed, failed = json.loads(result.read_text(encoding="utf-8"))
        if not passed and not failed:
            sys.exit(done.stdout + done.stderr)
        return passed, failed


def reason(test: str) -> str | None:
    """Why a test is expected to fail with ours; None where it isn't."""
    return next((why for part, why in DIFFERENCES.items() if part in test), None)


def compare(folder: Path, chosen: list[str]) -> Iterator[str]:
    """Run a suite both ways; print what differs and yield what nobody has explained."""
    stock_passed, stock_failed = suite(folder, ours=False, chosen=chosen)
    ours_passed, ours_failed = suite(folder, ours=True, chosen=chosen)
    print(f"== {folder.name}: {stock_passed} pass as they are, {ours_passed} with ours")
    for test, said in sorted(ours_failed.items()):
        if test not in stock_failed:
            why = reason(test)
            print(
                f"{'known' if why else 'NEW'}  {test}\n       {said}\n       {why or ''}".rstrip()
            )
            if why is None:
                yield test
    for test, said in sorted(stock_failed.items()):
        print(f"stock  {test} fails as it is\n       {said}")


def main(arguments: list[str]) -> int:
    """Compare each folder; return 1 if something differs without a known reason."""
    if arguments[:1] == ["--here"]:
        folder, result, ours, *chosen = arguments[1:]
        return run_here(Path(folder), Path(result), ours=ours == "1", chosen=chosen)
    folders = [Path(each).resolve() for each in arguments if Path(each).is_dir()]
    chosen = [each for each in arguments if not Path(each).is_dir()]
    if not folders:
        print(__doc__, file=sys.stderr)
        return 2
    unexplained = [each for folder in folders for each in compare(folder, chosen)]
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
