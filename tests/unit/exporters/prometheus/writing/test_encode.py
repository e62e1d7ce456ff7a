"""Text 0.0.4 and OpenMetrics 1.0, byte for byte and read back by prometheus_client."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.resources import Resource

from butterfly_otel.exporters.prometheus.model.exemplars import MAX_CHARACTERS, convert
from butterfly_otel.exporters.prometheus.model.names import Naming
from butterfly_otel.exporters.prometheus.translating.translate import Translator, translate
from tests.unit.exporters.prometheus.support import (
    collected,
    counter,
    distribution,
    encode_openmetrics,
    encode_text,
    gauge,
    histogram,
    number,
    parse_openmetrics,
    parse_text,
    samples,
)

NAN = float("nan")
TRACE, SPAN = 0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7
CONTRACT = collected(
    counter("reqs_total", number({"role": 'a"b\\c\nd', "m": "x"}, 3), help_text='A "b" \\ c\nd.'),
    counter("net_bytes_sent", number({}, 1_500_000), unit="By", help_text="Sent."),
    counter("log_entries_total", number({}, 7), monotonic=False, help_text="A gauge."),
    gauge("use_ratio", number({}, 0.5), unit="1"),
    histogram(
        "wait_seconds",
        distribution({"m": "x"}, [1, 0, 2, 0, 1], (0.001, 0.5, 5, 1000000), 12.25),
        unit="s",
        help_text="Waiting.",
    ),
    resource=Resource({"service.name": "x"}),
)
TEXT = """\
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_name="x"} 1.0
# HELP reqs_total A "b" \\\\ c\\nd.
# TYPE reqs_total counter
reqs_total{m="x",role="a\\"b\\\\c\\nd"} 3.0
# HELP net_bytes_sent Sent.
# TYPE net_bytes_sent counter
net_bytes_sent 1.5e+06
# HELP log_entries_total A gauge.
# TYPE log_entries_total gauge
log_entries_total 7.0
# TYPE use_ratio gauge
use_ratio 0.5
# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
wait_seconds_bucket{m="x",le="0.001"} 1.0
wait_seconds_bucket{m="x",le="0.5"} 1.0
wait_seconds_bucket{m="x",le="5.0"} 3.0
wait_seconds_bucket{m="x",le="1e+06"} 3.0
wait_seconds_bucket{m="x",le="+Inf"} 4.0
wait_seconds_count{m="x"} 4.0
wait_seconds_sum{m="x"} 12.25
"""
OPENMETRICS = """\
# HELP target Target metadata
# TYPE target info
target_info{service_name="x"} 1.0
# HELP reqs A \\"b\\" \\\\ c\\nd.
# TYPE reqs counter
reqs_total{m="x",role="a\\"b\\\\c\\nd"} 3.0
# HELP net_bytes_sent Sent.
# TYPE net_bytes_sent unknown
net_bytes_sent 1.5e+06
# HELP log_entries_total A gauge.
# TYPE log_entries_total gauge
log_entries_total 7.0
# TYPE use_ratio gauge
# UNIT use_ratio ratio
use_ratio 0.5
# HELP wait_seconds Waiting.
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
wait_seconds_bucket{m="x",le="0.001"} 1.0
wait_seconds_bucket{m="x",le="0.5"} 1.0
wait_seconds_bucket{m="x",le="5.0"} 3.0
wait_seconds_bucket{m="x",le="1e+06"} 3.0
wait_seconds_bucket{m="x",le="+Inf"} 4.0
wait_seconds_count{m="x"} 4.0
wait_seconds_sum{m="x"} 12.25
# EOF
"""


def test_golden_text() -> None:
    """Text format: exact names, one TYPE each, canonical bounds, quotes in HELP untouched."""
    body = encode_text(translate(CONTRACT, verbatim=lambda _scope, _name: True))
    assert body.decode() == TEXT
    assert parse_text(body)["reqs"].samples[0].labels == {"role": 'a"b\\c\nd', "m": "x"}


def test_golden_openmetrics() -> None:
    """OpenMetrics: counters without _total are unknown, a gauge with _total is a gauge."""
    body = encode_openmetrics(translate(CONTRACT, verbatim=lambda _scope, _name: True))
    assert body.decode() == OPENMETRICS
    assert parse_openmetrics(body)["reqs"].documentation == 'A "b" \\ c\nd.'


def test_a_second_scrape_is_the_same_with_new_values() -> None:
    """What is kept of a series is its labels, never its value."""
    translator = Translator(scope_labels=False)
    attributes = {"k": "100%d", "l": "%s"}
    bounds = (1.0, 2.0)
    for value in (1, 2.5, 10**6, 10**7):
        data = collected(
            counter("c", number(attributes, value)),
            histogram("h", distribution(attributes, [1, int(value), 0], bounds, value)),
        )
        parsed = parse_text(encode_text(translator.translate(data)))
        assert parsed["c"].samples[0].value == value
        found = samples(parsed["h"])
        labels = tuple(sorted(attributes.items()))
        assert found["h_count", labels] == 1 + int(value)
        assert found["h_sum", labels] == value
        assert found["h_bucket", (*labels[:1], *labels[1:], ("le", "2.0"))] == 1 + int(value)


def test_large_counts_are_written_as_large_values_are() -> None:
    """A histogram's counts have exponents where prometheus_client's have them."""
    point = distribution({}, [999_999, 1], (1.0,), 2_000_000)
    body = encode_text(translate(collected(histogram("h", point)), scope_labels=False)).decode()
    assert body.split("\n")[1:5] == [
        'h_bucket{le="1.0"} 999999.0',
        'h_bucket{le="+Inf"} 1e+06',
        "h_count 1e+06",
        "h_sum 2e+06",
    ]


def test_bounds_that_change_are_followed() -> None:
    """A series whose bounds change gets the new ones."""
    translator = Translator(scope_labels=False)
    attributes = {"k": "v"}
    for bounds in ((1.0,), (2.0,)):
        data = collected(histogram("h", distribution(attributes, [1, 1], bounds)))
        body = encode_text(translator.translate(data)).decode()
        assert f'h_bucket{{k="v",le="{bounds[0]}"}} 1.0\n' in body


@pytest.mark.parametrize(
    ("bounds", "counts", "exposed"),
    [
        ((), [4], [("+Inf", 4)]),
        ((1.0, float("inf")), [1, 2, 0], [("1.0", 1), ("+Inf", 3)]),
        ((1.0, 1.0, 2.0), [1, 0, 2, 3], [("1.0", 1), ("2.0", 3), ("+Inf", 6)]),
        ((NAN, 1.0), [0, 2, 1], [("1.0", 2), ("+Inf", 3)]),
        ((float("-inf"), 1.0), [0, 2, 1], [("1.0", 2), ("+Inf", 3)]),
        ((2, 1), [1, 0, 1], [("2.0", 1), ("+Inf", 2)]),
    ],
)
def test_strange_bounds_still_make_a_valid_histogram(
    bounds: tuple[float, ...], counts: list[int], exposed: list[tuple[str, int]]
) -> None:
    """Bounds are exposed ascending, with one +Inf, whatever a View holds."""
    families = translate(collected(histogram("h", distribution({}, counts, bounds))))
    for parsed in (
        parse_text(encode_text(families)),
        parse_openmetrics(encode_openmetrics(families)),
    ):
        buckets = [
            (sample.labels["le"], sample.value)
            for sample in parsed["h"].samples
            if sample.name == "h_bucket"
        ]
        assert buckets == exposed


@pytest.mark.parametrize(
    ("bounds", "total", "with_sum"),
    [
        ((-1.0, 1.0), 5.0, False),
        ((0.0, 1.0), -5.0, False),
        ((0.0, 1.0), NAN, False),
        ((0.0, 1.0), 5.0, True),
    ],
)
def test_openmetrics_has_no_sum_that_can_fall(
    bounds: tuple[float, ...],
    total: float,
    with_sum: bool,  # noqa: FBT001 - a table's column
) -> None:
    """With negative bounds or a negative sum, _sum and _count are left out, as it demands."""
    families = translate(
        collected(histogram("h", distribution({"k": 1}, [1, 1, 1], bounds, total)))
    )
    body = encode_openmetrics(families)
    parse_openmetrics(body)
    assert (b"h_sum" in body, b"h_count" in body) == (with_sum, with_sum)
    assert b"h_sum" in encode_text(families)


@pytest.mark.parametrize(
    ("metric", "unit_line"),
    [
        (gauge("a_bytes", unit="By"), b"# UNIT a_bytes bytes\n"),
        (counter("a_bytes_total", unit="By"), b"# UNIT a_bytes bytes\n"),
        (counter("a_bytes_sent", unit="By"), None),
        (gauge("bytes", unit="By"), None),
        (gauge("a_jobs", unit="{job}"), None),
        (gauge("a_ratio", unit="1"), b"# UNIT a_ratio ratio\n"),
    ],
)
def test_unit_is_shown_only_where_the_name_ends_in_it(metric, unit_line) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """OpenMetrics has # UNIT where the family's name ends in it; text format never."""
    families = translate(collected(metric), verbatim=lambda _scope, _name: True)
    body = encode_openmetrics(families)
    parse_openmetrics(body)
    assert (unit_line in body) if unit_line else (b"# UNIT" not in body)
    assert b"# UNIT" not in encode_text(families)


def _exemplar(value: float, time: int = 2_500_000_000, **attributes: str) -> Exemplar:
    return Exemplar(attributes, value, time, SPAN, TRACE)


def test_exemplars_stand_on_counters_and_on_the_right_bucket() -> None:
    """Trace and span ids ride on _total and on the bucket that holds the value."""
    bounds = (1.0, 5.0)
    point = distribution({}, [1, 1, 1], bounds, exemplars=[_exemplar(1.0), _exemplar(7, shard="s")])
    data = collected(
        counter("c", number({}, 2, [_exemplar(2)])),
        histogram("h", point),
        gauge("g", number({}, 2, [_exemplar(2)])),
        counter("u", number({}, 2, [_exemplar(2)])),
    )
    families = translate(data, verbatim=[("scope", "u")], scope_labels=False)
    body = encode_openmetrics(families)
    ids = 'span_id="00f067aa0ba902b7",trace_id="0af7651916cd43dd8448eb211c80319c"'
    lines = [line for line in body.decode().split("\n") if " # {" in line]
    assert lines == [
        f"c_total 2.0 # {{{ids}}} 2.0 2.5",
        f'h_bucket{{le="1.0"}} 1.0 # {{{ids}}} 1.0 2.5',
        f'h_bucket{{le="+Inf"}} 3.0 # {{shard="s",{ids}}} 7.0 2.5',
    ]
    parsed = parse_openmetrics(body)["h"].samples[0].exemplar
    assert parsed is not None
    assert (parsed.value, float(parsed.timestamp or 0)) == (1.0, 2.5)
    assert b" # " not in encode_text(families)


def test_the_latest_exemplar_is_kept_until_a_newer_one_comes() -> None:
    """Exemplars outlive the collection that brought them, so a second scraper sees them."""
    translator = Translator(scope_labels=False)
    attributes: dict[str, str] = {}
    bodies = []
    for found in ([_exemplar(1, 10**9), _exemplar(2, 2 * 10**9)], [], [_exemplar(3, 10**9)]):
        data = collected(counter("c", number(attributes, 5, found)))
        bodies.append(encode_openmetrics(translator.translate(data)))
    assert all(b"} 2.0 2.0\n" in body for body in bodies)


def test_exemplar_labels_never_exceed_the_limit() -> None:
    """Attributes that fit are kept, in key order; ids have precedence and always fit."""
    attributes = {"b": "x" * 40, "a": "y" * 40, "c.d": "z", "trace_id": "forged"}
    labels = dict(convert(Exemplar(attributes, 1, 1, SPAN, TRACE)).labels)
    assert labels["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert set(labels) == {"trace_id", "span_id", "a", "c_d"}
    assert sum(len(key) + len(value) for key, value in labels.items()) <= MAX_CHARACTERS


def test_an_exemplar_without_trace_is_one_too() -> None:
    """No active span: the exemplar has no ids, and is valid."""
    data = collected(counter("c", number({}, 1, [Exemplar({}, 1, 0, None, None)])))
    body = encode_openmetrics(translate(data, scope_labels=False))
    assert b"c_total 1.0 # {} 1.0\n" in body
    parse_openmetrics(body)


def test_created_on_request_and_never_on_verbatim_metrics() -> None:
    """_created comes from start timestamps, per series, in OpenMetrics only."""
    data = collected(counter("c"), counter("v_total"), histogram("h"), gauge("g"))
    translator = Translator(scope_labels=False, verbatim=[("scope", "v_total")], created=True)
    families = translator.translate(data)
    body = encode_openmetrics(families).decode()
    assert [line for line in body.split("\n") if "_created" in line] == [
        "c_created 1.7e+09",
        "h_created 1.7e+09",
    ]
    parse_openmetrics(body.encode())
    assert b"_created" not in encode_text(families)
    assert b"_created" not in encode_openmetrics(translate(data))


def test_utf8_names_are_quoted() -> None:
    """For a scraper that takes UTF-8, names outside the alphabet stand in the braces."""
    data = collected(
        gauge("a.b", number({"k.x": 1}, 1), help_text="H."),
        histogram("h.s", distribution({}, [1, 0], (1.0,))),
        gauge("z.z", number({}, 1)),
    )
    families = translate(
        data, naming=Naming("NoTranslation", escaping="allow-utf-8"), scope_labels=False
    )
    body = encode_openmetrics(families)
    text = body.decode()
    assert '# HELP "a.b" H.\n# TYPE "a.b" gauge\n{"a.b","k.x"="1"} 1.0\n' in text
    assert '{"h.s_bucket",le="1.0"} 1.0\n' in text
    assert '{"z.z"} 1.0\n' in text
    assert set(parse_openmetrics(body)) == {"a.b", "h.s", "z.z"}
