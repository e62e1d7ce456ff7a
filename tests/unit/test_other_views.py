"""Views of what is outside the contract: from files and of the SDK, by either engine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.configuration import load_config_file
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    LastValueAggregation,
    View,
)
from prometheus_client import CollectorRegistry

import butterfly_otel
from butterfly_otel import ConfigurationError, ViewError, catalog, metrics
from butterfly_otel.cli import main
from butterfly_otel.views.compiled import compile_views
from butterfly_otel.views.overlays import apply_overlays, read_overlays
from butterfly_otel.views.streams import default_streams

Start = Callable[..., Any]

DURATION = "http.server.request.duration"
ENGINES = ["butterfly", "sdk"]


def overlay(folder: Path, *views: str) -> Path:
    """Write an overlay with these views and return its path."""
    path = folder / "others.yaml"
    listed = "".join(f"    - {view}\n" for view in views)
    path.write_text(f'file_format: "1.0"\nmeter_provider:\n  views:\n{listed}')
    return path


def measure(start: Start, **settings: Any) -> Any:
    """Measure a bit of everything outside the contract, and one metric of it."""
    butterfly_otel.shutdown()
    measured = start(**settings)
    provider = measured.runtime.meter_provider
    meter = provider.get_meter("web", "1.2")
    labels = {"http.route": "/v1", "http.method": "GET", "user.id": "u1"}
    histogram = meter.create_histogram(DURATION, "s", "Durations.")
    for seconds in (0.02, 0.3, 4.0):
        histogram.record(seconds, labels)
    meter.create_counter("http.server.requests", "{request}").add(2, labels)
    meter.create_up_down_counter("http.server.active", "{request}").add(1, labels)
    meter.create_gauge("http.server.load", "1").set(0.5, labels)

    def workers(_: object) -> list[Observation]:
        return [Observation(4, labels)]

    meter.create_observable_gauge("http.server.workers", [workers])
    provider.get_meter("other").create_counter("http.server.requests").add(7, labels)
    metrics.request_duration_seconds.record(0.1, method="inference")
    metrics.requests_total.add(1, method="inference", status="success")
    return measured


def streams(reader: InMemoryMetricReader) -> dict[tuple[str, str], Any]:
    """Return all metrics outside the contract by meter and name."""
    data = reader.get_metrics_data()
    assert data is not None
    return {
        (scope.scope.name, metric.name): metric
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        if scope.scope.name != catalog.METER_NAME
    }


def seen(measured: Any) -> dict[tuple[str, str], Any]:
    """Return what :func:`streams` has, without what no View decides: times and exemplars."""
    return {
        key: (
            type(metric.data).__name__,
            metric.description,
            sorted(
                (
                    sorted(dict(point.attributes).items()),
                    getattr(point, "value", None),
                    getattr(point, "sum", None),
                    getattr(point, "explicit_bounds", None),
                    getattr(point, "scale", None),
                )
                for point in metric.data.data_points
            ),
        )
        for key, metric in streams(measured.reader).items()
    }


VIEWS: dict[str, tuple[str, View | None]] = {
    "buckets": (
        (
            "{selector: {instrument_name: http.server.request.duration}, stream: {aggregation:"
            " {explicit_bucket_histogram: {boundaries: [0.1, 1], record_min_max: false}}}}"
        ),
        View(
            instrument_name=DURATION,
            aggregation=ExplicitBucketHistogramAggregation([0.1, 1], record_min_max=False),
        ),
    ),
    "exponential": (
        (
            "{selector: {instrument_type: histogram, meter_name: web}, stream: {aggregation:"
            " {base2_exponential_bucket_histogram: {max_size: 20, max_scale: 3}}}}"
        ),
        View(
            instrument_type=Histogram,
            meter_name="web",
            aggregation=ExponentialBucketHistogramAggregation(max_size=20, max_scale=3),
        ),
    ),
    "drop": (
        (
            "{selector: {instrument_name: 'http.server.*', meter_name: web}, stream: {aggregation:"
            " {drop: {}}}}"
        ),
        View(instrument_name="http.server.*", meter_name="web", aggregation=DropAggregation()),
    ),
    "last-value": (
        (
            "{selector: {instrument_name: http.server.active}, stream: {aggregation:"
            " {last_value: {}}}}"
        ),
        View(instrument_name="http.server.active", aggregation=LastValueAggregation()),
    ),
    "renamed": (
        (
            "{selector: {instrument_name: http.server.load, meter_version: '1.2'}, stream: {name:"
            " load, description: How busy.}}"
        ),
        View(
            instrument_name="http.server.load",
            meter_version="1.2",
            name="load",
            description="How busy.",
        ),
    ),
    "kept": (
        (
            "{selector: {unit: '{request}', meter_name: web}, stream: {attribute_keys: {included:"
            " [http.route]}}}"
        ),
        View(instrument_unit="{request}", meter_name="web", attribute_keys={"http.route"}),
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", VIEWS)
def test_a_file_does_what_a_view_of_the_sdk_does(
    start: Start, tmp_path: Path, name: str, engine: str
) -> None:
    """A View of a file and the same one of the SDK give the same streams, and change some."""
    written, view = VIEWS[name]
    plain = seen(measure(start, engine=engine))
    from_file = seen(measure(start, engine=engine, views=overlay(tmp_path, written)))
    given = seen(measure(start, engine=engine, views=[view]))
    assert from_file == given
    assert from_file != plain
    changed = {key for key in {*plain, *from_file} if plain.get(key) != from_file.get(key)}
    assert ("other", "http.server.requests") not in changed


@pytest.mark.parametrize("engine", ENGINES)
def test_the_contract_is_untouched(start: Start, tmp_path: Path, engine: str) -> None:
    """Views for all that there is change nothing of the contract, whoever has written them."""
    file = overlay(tmp_path, "{selector: {meter_name: web}, stream: {aggregation: {drop: {}}}}")
    wild = View(instrument_name="*", aggregation=LastValueAggregation(), attribute_keys=set())
    typed = View(instrument_type=Histogram, aggregation=DropAggregation())
    before = _ours(measure(start, engine=engine))
    assert _ours(measure(start, engine=engine, views=[file, wild, typed])) == before


def _ours(measured: Any) -> list[tuple[Any, ...]]:
    names = "butterfly_request_duration_seconds", "butterfly_requests_total"
    points = [point for name in names for point in measured.points(name)]
    return [
        (
            dict(each.attributes),
            list(getattr(each, "bucket_counts", ())),
            getattr(each, "value", None),
        )
        for each in points
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_attributes_by_patterns(start: Start, tmp_path: Path, engine: str) -> None:
    """Attributes are kept and left out by patterns, also where a key is left out alone."""
    file = overlay(
        tmp_path,
        "{selector: {instrument_name: http.server.requests, meter_name: web}, stream:"
        " {attribute_keys: {included: ['http.*'], excluded: [http.method]}}}",
        "{selector: {instrument_name: http.server.load}, stream: {attribute_keys: {excluded:"
        " ['user.*']}}}",
    )
    found = streams(measure(start, engine=engine, views=file).reader)
    keys = {name: set(metric.data.data_points[0].attributes) for (_, name), metric in found.items()}
    assert set(found["web", "http.server.requests"].data.data_points[0].attributes) == {
        "http.route"
    }
    assert keys["http.server.load"] == {"http.route", "http.method"}
    assert keys[DURATION] == {"http.route", "http.method", "user.id"}


@pytest.mark.parametrize("engine", ENGINES)
def test_several_views_give_several_streams(start: Start, tmp_path: Path, engine: str) -> None:
    """An instrument that two Views select has two streams, as OpenTelemetry has it."""
    file = overlay(
        tmp_path,
        f"{{selector: {{instrument_name: {DURATION}}}, stream: {{name: by.route, attribute_keys:"
        " {included: [http.route]}}}",
        f"{{selector: {{instrument_name: {DURATION}}}, stream: {{name: all, attribute_keys:"
        " {excluded: ['*']}}}",
    )
    found = streams(measure(start, engine=engine, views=file).reader)
    assert {name for meter, name in found if meter == "web"} >= {"by.route", "all"}
    assert ("web", DURATION) not in found
    assert dict(found["web", "all"].data.data_points[0].attributes) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_limit_of_others(start: Start, tmp_path: Path, engine: str) -> None:
    """A cardinality limit holds for an instrument outside the contract."""
    file = overlay(
        tmp_path,
        "{selector: {instrument_name: jobs}, stream: {aggregation_cardinality_limit: 3}}",
    )
    measured = start(engine=engine, views=file)
    counter = measured.runtime.meter_provider.get_meter("app").create_counter("jobs")
    for number in range(20):
        counter.add(1, {"id": str(number)})
    values = measured.values("jobs")
    assert len(values) <= 4
    assert values[("otel.metric.overflow", True),] >= 17


def test_a_wildcard_narrows_ours_and_others(start: Start, tmp_path: Path) -> None:
    """A wildcard of a file goes for the contract, as far as it may, and for all else."""
    file = overlay(
        tmp_path,
        "{selector: {instrument_name: '*'}, stream: {attribute_keys: {excluded: [method,"
        " http.method]}}}",
    )
    measured = measure(start, views=file)
    assert set(measured.points("butterfly_requests_total")[0].attributes) == {
        "node_role",
        "status",
    }
    load = streams(measured.reader)["web", "http.server.load"]
    assert set(load.data.data_points[0].attributes) == {"http.route", "user.id"}


def test_files_and_views_in_one_list(start: Start, tmp_path: Path) -> None:
    """Paths, shipped overlays and Views of the SDK go together."""
    file = overlay(
        tmp_path, "{selector: {instrument_name: http.server.load}, stream: {name: load}}"
    )
    active = View(instrument_name="http.server.active", name="active")
    found = streams(measure(start, views=["low-cardinality", str(file), active]).reader)
    assert {("web", "load"), ("web", "active")} <= set(found)


def test_a_single_view(start: Start) -> None:
    """One View needs no list."""
    found = streams(
        measure(start, views=View(instrument_name="http.server.active", name="active")).reader
    )
    assert ("web", "active") in found


def test_files_of_the_environment(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that BUTTERFLY_OTEL_VIEWS names selects others as well."""
    file = overlay(
        tmp_path, "{selector: {instrument_name: http.server.load}, stream: {name: load}}"
    )
    monkeypatch.setenv("BUTTERFLY_OTEL_VIEWS", os.pathsep.join(["low-cardinality", str(file)]))
    assert ("web", "load") in streams(measure(start).reader)


@pytest.mark.parametrize(
    ("view", "says"),
    [
        (View(instrument_name="butterfly_requests_total", name="x"), "changes the name of"),
        (
            View(instrument_name="butterfly_*", aggregation=LastValueAggregation()),
            "the aggregation last_value, which would change its type",
        ),
        (
            View(
                instrument_name="butterfly_request_duration_seconds",
                aggregation=ExponentialBucketHistogramAggregation(),
            ),
            "the aggregation base2_exponential_bucket_histogram",
        ),
        (
            View(meter_name=catalog.METER_NAME, attribute_keys={"tenant"}),
            "adds the label 'tenant' to",
        ),
        (
            View(instrument_name="nothing", meter_name=catalog.METER_NAME),
            "selects 'nothing', which is no metric of the contract",
        ),
        (
            View(instrument_name="butterfly_requests_total", aggregation_cardinality_limit=99_999),
            "raises the cardinality limit",
        ),
    ],
)
def test_a_view_beyond_narrowing_the_contract_is_refused(
    start: Start, view: View, says: str
) -> None:
    """A View of the SDK that names the contract's metrics or meter may narrow, and no more."""
    with pytest.raises(ViewError, match=says) as caught:
        start(views=[view])
    assert "View of the SDK" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_view_of_the_sdk_narrows_the_contract(start: Start, engine: str) -> None:
    """Named by a View of the SDK, a metric of the contract has other boundaries, fewer labels."""
    views = [
        View(
            instrument_name="butterfly_request_duration_seconds",
            aggregation=ExplicitBucketHistogramAggregation([1, 2]),
            attribute_keys={"method"},
        ),
        View(instrument_name="butterfly_requests_*", instrument_type=Counter, attribute_keys=set()),
        View(
            instrument_name="butterfly_request_errors_total",
            meter_name=catalog.METER_NAME,
            aggregation=DropAggregation(),
        ),
    ]
    measured = measure(start, engine=engine, views=views)
    metrics.request_errors_total.add(1, method="inference", error_type="timeout")
    (duration,) = measured.points("butterfly_request_duration_seconds")
    assert list(duration.explicit_bounds) == [1, 2]
    assert dict(duration.attributes) == {"method": "inference"}
    (requests,) = measured.points("butterfly_requests_total")
    assert dict(requests.attributes) == {}
    assert measured.points("butterfly_request_errors_total") == []


@pytest.mark.parametrize("views", [[7], [None], 7, [{"selector": {}}], {"a": 1}])
def test_what_is_no_view(start: Start, views: object) -> None:
    """What is neither a path nor a View is refused, and named."""
    with pytest.raises(ConfigurationError, match="views is"):
        start(views=views)


WRONG = [
    ("{selector: {instrument_name: butterfly_requets_total}, stream: {}}", "did you mean butter"),
    ("{selector: {instrument_name: 'butterfly_nope_*'}, stream: {}}", "no metric of the contract"),
    (
        "{selector: {meter_name: butterfly_otel, instrument_name: http.x}, stream: {}}",
        "no metric of the contract",
    ),
    ("{selector: {instrument_name: 'http.*'}, stream: {name: x}}", "gives the name 'x' to all"),
    ("{selector: {meter_name: web}, stream: {name: x}}", "select one instrument"),
    (
        (
            "{selector: {instrument_name: http.x}, stream: {aggregation:"
            " {explicit_bucket_histogram: {boundaries: [2, 1]}}}}"
        ),
        "boundaries that are empty, not ascending or not finite",
    ),
    (
        (
            "{selector: {instrument_type: histogram}, stream: {aggregation:"
            " {base2_exponential_bucket_histogram: {}}}}"
        ),
        "a meter_name keeps a selector from the contract",
    ),
    ("{selector: {unit: s}, stream: {aggregation: {last_value: {}}}}", "would change its type"),
    ("{selector: {instrument_type: meter}, stream: {}}", "schema at"),
    (f"{{selector: {{unit: '{'[' * 9999}'}}, stream: {{}}}}", "has a pattern of 9,999 characters"),
    (
        (
            "{selector: {instrument_name: http.x}, stream: {aggregation:"
            " {base2_exponential_bucket_histogram: {max_size: 20000}}}}"
        ),
        "a max_size of 20000; OpenTelemetry's SDK takes at most 16384",
    ),
    ("{selector: {instrument_name: http.x}, stream: {aggregation: {mean: {}}}}", "schema at"),
]


@pytest.mark.parametrize(("view", "message"), WRONG)
def test_what_a_file_may_not_say(tmp_path: Path, view: str, message: str) -> None:
    """Each is one sentence that names the file."""
    path = overlay(tmp_path, view)
    with pytest.raises(ViewError, match=message) as caught:
        apply_overlays(default_streams(), [path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_valid_compiles(tmp_path: Path) -> None:
    """Every aggregation that the schema knows, with every parameter, becomes a View."""
    aggregations = [
        "default: {}",
        "drop: null",
        "explicit_bucket_histogram: null",
        "explicit_bucket_histogram: {boundaries: [], record_min_max: true}",
        "base2_exponential_bucket_histogram: {max_scale: 3.0, max_size: 4.0, record_min_max: no}",
        "base2_exponential_bucket_histogram: {}",
        "last_value: {}",
        "sum: {}",
    ]
    path = overlay(
        tmp_path,
        *(
            f"{{selector: {{instrument_name: x{at}}}, stream: {{aggregation: {{{each}}}}}}}"
            for at, each in enumerate(aggregations)
        ),
        "{selector: {meter_name: x}, stream: {aggregation_cardinality_limit: 5.0}}",
        "{selector: {}, stream: {attribute_keys: {excluded: [x]}}}",
    )
    overlaid = read_overlays(default_streams(), [path])
    ours = len(compile_views(default_streams()))
    assert len(compile_views(overlaid.streams, overlaid.others)) == ours + len(aggregations) + 2


def test_the_views_in_effect_have_those_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``butterfly-otel views`` writes them too, and what it writes is an overlay that is equal."""
    path = overlay(tmp_path, *(written for written, _ in VIEWS.values()))
    assert main(["views", "--overlay", str(path)]) == 0
    out = tmp_path / "effective.yaml"
    out.write_text(capsys.readouterr().out)
    assert load_config_file(str(out)).meter_provider is not None
    views = yaml.safe_load(out.read_text())["meter_provider"]["views"]
    assert len(views) == len(catalog.ALL) + len(VIEWS)
    expected = read_overlays(default_streams(), [path])
    assert read_overlays(default_streams(), [out]) == expected


def test_equal_views_are_equal_settings() -> None:
    """Configured again with the same View, the same runtime is returned."""
    view = View(instrument_name="http.server.active", name="active")
    settings: dict[str, Any] = {"exporter": "none", "registry": CollectorRegistry()}
    first = butterfly_otel.configure(node_id="n", node_role="compute", views=[view], **settings)
    again = butterfly_otel.configure(node_id="n", node_role="compute", views=view, **settings)
    assert again is first
