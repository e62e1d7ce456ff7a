"""The exporters that push, by the names settings know them by, each behind a reader of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.sdk.metrics.export import MetricExporter

    from butterfly_otel.exporters.producing.registering import MetricProducer
    from butterfly_otel.exporters.push import PushMetricReader
    from butterfly_otel.settings.config import Config, ExporterName


def _otlp(config: Config) -> MetricExporter:
    from butterfly_otel.exporters.otlp import build_otlp_exporter  # noqa: PLC0415

    return build_otlp_exporter(config.otlp)


def _console(_config: Config) -> MetricExporter:
    from butterfly_otel.exporters.console import build_console_exporter  # noqa: PLC0415

    return build_console_exporter()


#: What builds each of them; its module is imported only where it is asked for.
EXPORTERS: Mapping[ExporterName, Callable[[Config], MetricExporter]] = {
    "otlp": _otlp,
    "console": _console,
}


def push_reader(
    name: ExporterName,
    config: Config,
    count: Callable[[str, Mapping[str, str], int], None],
    producers: Iterable[MetricProducer] = (),
) -> PushMetricReader:
    """Return the reader that exports by ``name``.

    Args:
        name: One of :data:`EXPORTERS`.
        config: The settings.
        count: Adds to one of the SDK's own counters: its name, labels and how many.
        producers: What has more metrics to export.

    Raises:
        ConfigurationError: When a TLS file is wrong.
    """

    def on_export(succeeded: bool) -> None:  # noqa: FBT001 - a callback's only argument
        status = "success" if succeeded else "error"
        count("butterfly_otel_exports_total", {"exporter": name, "status": status}, 1)

    def on_loss(points: int, reason: str) -> None:
        labels = {"exporter": name, "reason": reason}
        count("butterfly_otel_rejected_points_total", labels, points)

    from butterfly_otel.exporters.push import PushMetricReader  # noqa: PLC0415 - only where it pushes

    return PushMetricReader(
        EXPORTERS[name](config),
        name=name,
        address=config.otlp.address if name == "otlp" else "",
        interval=config.export_interval,
        timeout=config.export_timeout,
        on_export=on_export,
        on_loss=on_loss,
        producers=producers,
    )
