"""Views: the contract's own, and overlays that narrow them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.configuration import load_config_file

from butterfly_otel import ViewError, catalog, metrics
from butterfly_otel.views.compiled import compile_views
from butterfly_otel.views.overlays import apply_overlay, shipped
from butterfly_otel.views.streams import Stream, default_streams

Start = Callable[..., Any]


def overlay(folder: Path, view: str) -> Path:
    """Write an overlay with one view and return its path."""
    path = folder / "overlay.yaml"
    path.write_text(f'file_format: "1.0"\nmeter_provider:\n  views:\n    - {view}\n')
    return path


def narrowed(path: Path | str) -> dict[str, Stream]:
    """Return the streams under an overlay, by name."""
    return {stream.metric.name: stream for stream in apply_overlay(default_streams(), path)}


def test_there_is_exactly_one_view_a_metric(start: Start) -> None:
    """Each instrument of the contract matches one View, so no stream is ever doubled."""
    measured = start()
    views = compile_views(default_streams())
    assert len(views) == len(catalog.ALL) + 1
    meter = measured.runtime.meter_provider.get_meter(catalog.METER_NAME)
    for metric in catalog.CONTRACT:
        inner = meter.guarded(metric.name)._inner
        assert [view for view in views if view._match(inner)] == [
            view for view in views if view._instrument_name == metric.name
        ]


def test_instruments_outside_the_contract_are_dropped_on_our_meter_only() -> None:
    """Deny by default: what reaches the SDK on our scope by another way is not exported."""
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], views=compile_views(default_streams()))
    provider.get_meter(catalog.METER_NAME).create_counter("stranger_total").add(1)
    provider.get_meter("app").create_counter("own_total").add(1)
    data = reader.get_metrics_data()
    assert data is not None
    assert [s.scope.name for s in data.resource_metrics[0].scope_metrics] == ["app"]


def test_default_yaml_is_valid_and_complete() -> None:
    """The official package accepts views/default.yaml, and it has every metric's View."""
    path = shipped("default")
    config = load_config_file(str(path))
    assert config.meter_provider is not None
    by_name = {view.selector.instrument_name: view for view in config.meter_provider.views or ()}
    assert list(by_name) == [metric.name for metric in catalog.ALL]
    for metric in catalog.ALL:
        stream = by_name[metric.name].stream
        assert stream.aggregation_cardinality_limit == metric.stream_limit
        keys = stream.attribute_keys
        assert keys is not None
        assert tuple(keys.included or ()) == metric.label_keys
        if metric.buckets:
            assert stream.aggregation is not None
            histogram = stream.aggregation.explicit_bucket_histogram
            assert histogram is not None
            assert tuple(histogram.boundaries or ()) == metric.buckets


def test_default_yaml_as_an_overlay_changes_nothing() -> None:
    """The rendered Views say exactly what the catalogue compiles to."""
    assert apply_overlay(default_streams(), shipped("default")) == default_streams()


def test_the_views_travel_with_the_package() -> None:
    """An installed package finds its Views, from a wheel or an editable install."""
    assert shipped("low-cardinality").is_file()
    assert files("butterfly_otel").is_dir()


def test_low_cardinality_drops_the_unbounded_labels_and_nothing_else(start: Start) -> None:
    """Under the shipped overlay no unbounded label is left, and measuring is no violation."""
    streams = narrowed("low-cardinality")
    kinds = {label.kind for stream in streams.values() for label in stream.labels}
    assert "unbounded" not in kinds
    changed = [s.metric.name for s in streams.values() if s != Stream.of(s.metric)]
    assert len(changed) == 4
    measured = start(views="low-cardinality")
    metrics.dependency_wait_duration_seconds.record(0.1, task_id="t1")
    metrics.dependency_wait_duration_seconds.record(0.1, task_id="t2")
    [point] = measured.points("butterfly_dependency_wait_duration_seconds")
    assert (dict(point.attributes), point.count) == ({"node_id": "coordinator-1"}, 2)
    assert measured.points("butterfly_otel_label_violations_total") == []


def test_an_overlay_replaces_boundaries(start: Start, tmp_path: Path) -> None:
    """Other boundaries reach the exported histogram."""
    path = overlay(
        tmp_path,
        "{selector: {instrument_name: butterfly_request_duration_seconds}, stream: {aggregation:"
        " {explicit_bucket_histogram: {boundaries: [0.5, 30]}}}}",
    )
    measured = start(views=path)
    metrics.request_duration_seconds.record(20, method="inference")
    [point] = measured.points("butterfly_request_duration_seconds")
    assert tuple(point.explicit_bounds) == (0.5, 30.0)
    assert tuple(point.bucket_counts) == (0, 1, 0)


def test_an_overlay_lowers_limits_and_drops_metrics_by_wildcard(
    start: Start, tmp_path: Path
) -> None:
    """Wildcards select several metrics; dropped ones cost nothing and export nothing."""
    path = tmp_path / "two.yaml"
    path.write_text(
        'file_format: "1.0"\nmeter_provider:\n  views:\n'
        '    - {selector: {instrument_name: "butterfly_tensor_*"},'
        " stream: {aggregation_cardinality_limit: 7}}\n"
        '    - {selector: {instrument_name: "butterfly_sequences_*"}, stream: {aggregation:'
        " {drop: {}}}}\n"
    )
    streams = narrowed(path)
    assert streams["butterfly_tensor_size_bytes"].limit == 7
    measured = start(views=[path], zero_init=True)
    metrics.sequences_processed_total.add(1, model="m")
    assert measured.points("butterfly_sequences_processed_total") == []
    assert metrics.sequences_processed_total._sink is None
    assert metrics.tensor_size_bytes._sink is not None


def test_labels_may_be_selected_by_a_positive_list_too(tmp_path: Path) -> None:
    """Included narrows like excluded; over a wildcard it keeps what each metric has of it."""
    path = overlay(
        tmp_path,
        '{selector: {instrument_name: "butterfly_layer_*"}, stream: {attribute_keys: {included:'
        " [layer_id, model]}}}",
    )
    streams = narrowed(path)
    keys = {name: [x.key for x in streams[name].labels] for name in streams}
    assert keys["butterfly_layer_compute_duration_seconds"] == ["layer_id", "model"]
    assert keys["butterfly_layer_memory_bytes"] == ["layer_id"]


REQUESTS = "selector: {instrument_name: butterfly_requests_total}"
WRONG = [
    (
        f"{{{REQUESTS}, stream: {{attribute_keys: {{included: [method, user_id]}}}}}}",
        "adds the label 'user_id' to butterfly_requests_total",
    ),
    (f"{{{REQUESTS}, stream: {{name: requests}}}}", "changes the name of butterfly_requests_total"),
    (f"{{{REQUESTS}, stream: {{description: x}}}}", "changes the description"),
    (
        f"{{{REQUESTS}, stream: {{aggregation_cardinality_limit: 999999}}}}",
        "raises the cardinality limit of butterfly_requests_total to 999999",
    ),
    (
        f"{{{REQUESTS}, stream: {{aggregation: {{explicit_bucket_histogram: {{}}}}}}}}",
        "would change its type from counter",
    ),
    (f"{{{REQUESTS}, stream: {{aggregation: {{last_value: {{}}}}}}}}", "aggregation last_value"),
    (
        (
            "{selector: {instrument_name: butterfly_request_duration_seconds}, stream:"
            " {aggregation: {explicit_bucket_histogram: {boundaries: [5, 1]}}}}"
        ),
        "butterfly_request_duration_seconds boundaries that are empty, not ascending or not finite",
    ),
    (
        (
            "{selector: {instrument_name: butterfly_request_duration_seconds}, stream:"
            " {aggregation: {explicit_bucket_histogram: {boundaries: [1, .inf]}}}}"
        ),
        "boundaries that are empty, not ascending or not finite",
    ),
    ("{selector: {instrument_name: butterfly_nope}, stream: {}}", "'butterfly_nope', which is no"),
    ("{selector: {unit: s}, stream: {name: x}}", "gives the name 'x' to all that '\\*' selects"),
    (f"{{{REQUESTS}, stream: {{colour: red}}}}", "schema at meter_provider.views.0.stream"),
    (f"{{{REQUESTS}, stream: {{}}", "is not YAML"),
]


@pytest.mark.parametrize(("view", "message"), WRONG)
def test_an_overlay_never_widens_the_contract(tmp_path: Path, view: str, message: str) -> None:
    """Each forbidden or malformed overlay is one sentence naming file, metric and label."""
    path = overlay(tmp_path, view)
    with pytest.raises(ViewError, match=message) as caught:
        narrowed(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_overlay_is_a_clear_error(tmp_path: Path) -> None:
    """A path that doesn't exist is named, and so is a text that is no mapping."""
    with pytest.raises(ViewError, match=r"nope\.yaml can't be read: No such file"):
        narrowed(tmp_path / "nope.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ViewError, match=r"list\.yaml is not a mapping"):
        narrowed(tmp_path / "list.yaml")


def test_boundaries_in_the_rendered_file_are_numbers_for_every_yaml_reader() -> None:
    """No boundary is written in a form that YAML 1.1 reads as text."""
    views = yaml.safe_load(shipped("default").read_text())["meter_provider"]["views"]
    for view in views:
        aggregation = view["stream"].get("aggregation", {})
        for bound in aggregation.get("explicit_bucket_histogram", {}).get("boundaries", []):
            assert isinstance(bound, float)


def test_a_start_compiles_no_name_of_the_contract_as_a_pattern(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK would compile each; ours are compared, on their meter alone."""
    view: Any = import_module("opentelemetry.sdk.metrics._internal.view")
    matched: list[str] = []
    # Its name in older releases of the SDK is another one.
    [name] = [each for each in ("fnmatchcase", "fnmatch") if hasattr(view, each)]
    match = getattr(view, name)

    def spied(text: str, pattern: str) -> bool:
        matched.append(pattern)
        found: bool = match(text, pattern)
        return found

    monkeypatch.setattr(view, name, spied)
    provider = start().runtime.meter_provider
    metrics.consensus_leader_changes_total.add(1)
    own = provider.get_meter("mine").create_counter("butterfly_consensus_leader_changes_total")
    own.add(1)
    names = {metric.name for metric in catalog.ALL}
    assert names.isdisjoint(matched)
