"""Names and units, against the specification's tables and what official tools do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butterfly_otel.exporters.prometheus.model.escaping import (
    ESCAPINGS,
    Escaping,
    is_legacy_label_name,
    is_legacy_metric_name,
    shown_label_name,
    shown_metric_name,
)
from butterfly_otel.exporters.prometheus.model.names import (
    STRATEGIES,
    Naming,
    escape_label_name,
    escape_metric_name,
    unit_words,
)


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("s", "seconds"),
        ("ms", "milliseconds"),
        ("min", "minutes"),
        ("By", "bytes"),
        ("kBy", "kilobytes"),
        ("KBy", "kilobytes"),
        ("KiBy", "kibibytes"),
        ("TiBy", "tebibytes"),
        ("Cel", "celsius"),
        ("%", "percent"),
        ("1", ""),
        ("", ""),
        ("{request}", ""),
        ("{a}{b}", ""),
        ("{request}/s", "per_second"),
        ("1/s", "per_second"),
        ("By/s", "bytes_per_second"),
        ("By{sent}/s{wall}", "bytes_per_second"),
        ("By/{token}", "bytes"),
        ("{token}/By", "per_byte"),
        ("W/m", "watts_per_meter"),
        ("m/s", "meters_per_second"),
        ("m/min", "meters_per_minute"),
        ("m/s/s", "meters_per_second_per_second"),
        ("By/wk", "bytes_per_week"),
        ("1/Hz", "per_hertz"),
        ("furlong", "furlong"),
        ("kW.h", "kW_h"),
        ("a__b", "a_b"),
        ("_%&_", ""),
        ("é", ""),
    ],
)
def test_units_become_words(unit: str, words: str) -> None:
    """UCUM units become the specification's words, annotations vanish."""
    assert unit_words(unit) == words


@pytest.mark.parametrize(
    ("name", "unit", "kind", "exposed"),
    [
        ("http.server.requests", "{request}", "counter", "http_server_requests_total"),
        ("x.total", "", "counter", "x_total"),
        ("x_total", "By", "counter", "x_bytes_total"),
        ("x_bytes_total", "By", "counter", "x_bytes_total"),
        ("x.bytes", "By", "counter", "x_bytes_total"),
        ("x.total", "", "gauge", "x_total"),
        ("total", "", "counter", "total_total"),
        ("subtotal", "", "counter", "subtotal_total"),
        ("latency", "s", "histogram", "latency_seconds"),
        ("latency_seconds", "s", "histogram", "latency_seconds"),
        ("seconds_to_go", "s", "gauge", "seconds_to_go_seconds"),
        ("milliseconds", "s", "gauge", "milliseconds_seconds"),
        ("use", "1", "gauge", "use"),
        ("use.ratio", "1", "gauge", "use_ratio"),
        ("items", "1", "counter", "items_total"),
        ("items", "1", "up_down_counter", "items"),
        ("parts", "1", "histogram", "parts"),
        ("net.bytes", "By/s", "gauge", "net_bytes_per_second"),
        ("requests", "{request}/s", "gauge", "requests_per_second"),
        ("requests_per_second", "{request}/s", "gauge", "requests_per_second"),
        ("2xx", "", "counter", "_2xx_total"),
        ("a..b__c/d-e", "", "gauge", "a_b_c_d_e"),
        ("job:rate", "", "gauge", "job:rate"),
    ],
)
def test_default_strategy_escapes_and_adds_suffixes(
    name: str, unit: str, kind: str, exposed: str
) -> None:
    """UnderscoreEscapingWithSuffixes adds each suffix once, the unit before the type."""
    assert Naming().metric(name, unit, kind) == exposed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "escaped", "utf8"),
    [
        ("UnderscoreEscapingWithSuffixes", "foo_bar_bytes_total", "foo_bar_bytes_total"),
        ("UnderscoreEscapingWithoutSuffixes", "foo_bar", "foo_bar"),
        ("NoUTF8EscapingWithSuffixes", "foo_bar_bytes_total", "foo.bar_bytes_total"),
        ("NoTranslation", "foo_bar", "foo.bar"),
    ],
)
def test_strategies_as_in_the_table_of_the_specification(
    strategy: str, escaped: str, utf8: str
) -> None:
    """The table of "Interaction with Translation Strategy" holds, line by line."""
    naming = Naming(strategy)  # type: ignore[arg-type]
    assert naming.metric("foo.bar", "By", "counter") == escaped
    quoting = Naming(strategy, escaping="allow-utf-8")  # type: ignore[arg-type]
    assert quoting.metric("foo.bar", "By", "counter") == utf8


def test_prefix_goes_before_translated_names_only() -> None:
    """The prefix is escaped with the name; an exact name has none."""
    naming = Naming(prefix="my.app")
    assert naming.metric("x.y", "", "counter") == "my_app_x_y_total"
    assert naming.exact("x_y") == "x_y"


@pytest.mark.parametrize("suffix", ["_total", "_ratio", "_bytes", ""])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_exact_names_stay_exact(suffix: str, strategy: str) -> None:
    """No strategy touches an exact name that every format can show."""
    assert Naming(strategy).exact(f"butterfly__network:sent{suffix}") == (  # type: ignore[arg-type]
        f"butterfly__network:sent{suffix}"
    )


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("http.method", "http_method"),
        ("a__b", "a_b"),
        ("9lives", "_9lives"),
        ("a:b", "a_b"),
        ("__name__", "_name_"),
        ("größe", "gr_e"),
        ("_", "_"),
        ("", "_"),
        ("otel.metric.overflow", "otel_metric_overflow"),
    ],
)
def test_label_names(key: str, name: str) -> None:
    """Label names are escaped, runs collapse, and nothing reserved comes out."""
    assert escape_label_name(key) == name


@pytest.mark.parametrize(
    ("name", "dots", "values"),
    [
        ("no:escaping_required", "no:escaping_required", "no:escaping_required"),
        (
            "prod.west.cpu.load_total",
            "prod_dot_west_dot_cpu_dot_load__total",
            "U__prod_2e_west_2e_cpu_2e_load__total",
        ),
        ("http.status:sum", "http_dot_status:sum", "U__http_2e_status:sum"),
        ("label with \U0001f631", "label__with____", "U__label_20_with_20__1f631_"),
        ("花火", "____", "U___82b1__706b_"),
        ("2.xx", "___dot_xx", "U___32__2e_xx"),
    ],
)
def test_escaping_schemes(name: str, dots: str, values: str) -> None:
    """Names become what prometheus/common's EscapeName makes of them; plain ones stay."""
    assert shown_metric_name(name, "dots") == dots
    assert shown_metric_name(name, "values") == values
    assert shown_metric_name(name, "allow-utf-8") == name


def test_a_labels_colon_is_escaped_and_a_metrics_is_not() -> None:
    """A label name has no colon in the legacy alphabet, a metric's has."""
    assert shown_label_name("a:b", "dots") == "a__b"
    assert shown_label_name("a:b", "values") == "U__a_3a_b"
    assert shown_metric_name("a:b", "values") == "a:b"


@given(st.text(), st.sampled_from([each for each in ESCAPINGS if each != "allow-utf-8"]))
def test_every_scheme_but_utf8_gives_names_that_every_format_can_show(
    text: str, escaping: Escaping
) -> None:
    """Whatever a metric or a label is called, it is legal in the scheme asked for."""
    naming = Naming("NoTranslation", escaping=escaping)
    assert is_legacy_metric_name(naming.metric(text, "", "gauge"))
    assert is_legacy_label_name(naming.label(text))
    assert not naming.label(text).startswith("__")


def test_names_of_foreign_letters_only_stay_distinct() -> None:
    """Names that would all become one underscore take the reversible escaping instead."""
    assert escape_label_name("地域") == "U___5730__57df_"
    assert escape_label_name("é") != escape_label_name("ü")
    assert escape_metric_name("é") != escape_metric_name("ü")


@given(st.text(), st.sampled_from(STRATEGIES))
def test_any_name_is_valid_where_utf8_is_not_allowed(text: str, strategy: str) -> None:
    """Whatever a metric or a label is called, its name is legal in every format."""
    naming = Naming(strategy)  # type: ignore[arg-type]
    for kind in ("counter", "gauge", "histogram"):
        assert is_legacy_metric_name(naming.metric(text, text, kind))
    assert is_legacy_metric_name(naming.exact(text))
    assert is_legacy_label_name(naming.label(text))
    assert not naming.label(text).startswith("__")
