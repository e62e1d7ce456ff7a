"""Content negotiation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butterfly_otel.exporters.prometheus.serving.negotiate import accepts_gzip, choose_format

TEXT = ("text", "0.0.4", False)
PROTOBUF = ("protobuf", "", False)
OPENMETRICS = ("openmetrics", "1.0.0", False)
#: What the real servers send.
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_3_PROTOBUF_FIRST = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    "q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
    "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
DELIMITED = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
#: What Prometheus 3 asks for where it scrapes native histograms.
PROMETHEUS_3_NATIVE = (
    f"{DELIMITED};escaping=allow-utf-8;q=0.7,application/openmetrics-text;version=1.0.0;"
    "escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        (PROMETHEUS_3, ("openmetrics", "1.0.0", True)),
        (PROMETHEUS_3_PROTOBUF_FIRST, PROTOBUF),
        (PROMETHEUS_3_NATIVE, ("protobuf", "", True)),
        (DELIMITED, PROTOBUF),
        (f"{DELIMITED};q=0.2,text/plain;version=0.0.4;q=0.3", TEXT),
        (f"{DELIMITED};q=0,*/*", TEXT),
        (f"text/plain,{DELIMITED}", PROTOBUF),
        (f"{DELIMITED.replace(';', ' ; ')}; escaping=allow-utf-8", ("protobuf", "", True)),
        (DELIMITED.replace("=delimited", '="Delimited"'), PROTOBUF),
        (DELIMITED.replace("delimited", "text"), TEXT),
        (DELIMITED.replace("MetricFamily", "Other"), TEXT),
        ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily", TEXT),
        ("application/vnd.google.protobuf", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (BROWSER, TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain", TEXT),
        ("text/*", TEXT),
        ("application/*", OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("APPLICATION/OpenMetrics-Text; Version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; version="1.0.0"', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", ("openmetrics", "0.0.1", False)),
        (
            "application/openmetrics-text;version=0.0.1;escaping=allow-utf-8",
            ("openmetrics", "0.0.1", False),
        ),
        ("text/plain;version=1.0.0", ("text", "1.0.0", False)),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", ("text", "1.0.0", True)),
        ("application/openmetrics-text;escaping=values", OPENMETRICS),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0.9,text/plain;q=0.1", OPENMETRICS),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("text/plain,application/openmetrics-text", TEXT),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("text/plain;q=0,*/*;q=0.1", OPENMETRICS),
        ("text/plain;q=0", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.9", TEXT),
        ("*/*;q=0", TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=one.two", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=x", OPENMETRICS),
        ("*/*;q=2,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4", OPENMETRICS),
        ("image/png", TEXT),
        (';;,,="', TEXT),
    ],
)
def test_formats(accept: str | None, chosen: tuple[str, str, bool]) -> None:
    """The format with the greatest weight is chosen; what isn't known is ignored."""
    form = choose_format(accept)
    assert (form.kind, form.version, form.escaping == "allow-utf-8") == chosen


def test_content_types() -> None:
    """The content types are the ones that Prometheus knows."""
    assert choose_format(None).content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert (
        choose_format(PROMETHEUS_2).content_type
        == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    assert choose_format(PROMETHEUS_3).content_type == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
    )


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("identity;q=1, gzip;q=0.5", False),
        ("br", False),
    ],
)
def test_gzip(header: str | None, wanted: bool) -> None:  # noqa: FBT001 - a table's column
    """Gzip is used where it is accepted and not less welcome than no encoding."""
    assert accepts_gzip(header) is wanted


_TOKENS = ["*/*", "text/plain", "gzip", "version=", "q=", "0.5", "x", ",", ";", '"', "=", " ", "é"]


@given(st.lists(st.sampled_from(_TOKENS) | st.text(max_size=2)).map("".join))
def test_no_header_makes_negotiation_fail(header: str) -> None:
    """Any header at all yields a format and an answer about gzip."""
    assert choose_format(header).kind in {"text", "openmetrics"}
    assert accepts_gzip(header) in {True, False}
