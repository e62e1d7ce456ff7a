"""Each seeded mistake is found where it is; what is right, or nearly so, is left alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from butterfly_otel import catalog
from butterfly_otel.lint import check_exposition
from butterfly_otel.lint.expositions.check import RULE_NAMES
from butterfly_otel.lint.expositions.rules.values import canonical_bound
from tests.unit.lint.exposition_mistakes import (
    ACTIVE,
    BUCKET_5,
    CPU,
    ERRORS,
    FOREIGN,
    GOOD,
    MISTAKES,
    QUORUM,
    QUORUM_TYPE,
    REQUESTS,
    SKEW,
    SUM,
    TERM,
    Format,
    Mistake,
    labels,
    value,
)

ALL = len(catalog.CONTRACT)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.id)
def test_seeded_mistake(mistake: Mistake) -> None:
    """The mistake is found by its rule, with its severity, at its line, and nothing else is."""
    found = check_exposition(mistake.text, exposition_format=mistake.format)
    found = [item for item in found if item.rule != "coverage"]
    assert Counter(item.rule for item in found) == Counter((mistake.rule, *mistake.also))
    (finding,) = (item for item in found if item.rule == mistake.rule)
    assert finding.severity == mistake.severity
    assert finding.line == mistake.line
    assert mistake.says in finding.message


def test_every_rule_is_seeded() -> None:
    """Each rule has a seeded mistake, but for those about absence, which have their own tests."""
    seeded = {mistake.rule for mistake in MISTAKES}
    assert seeded | {"absent", "coverage", "no-metrics"} == set(RULE_NAMES)


@pytest.mark.parametrize("exposition_format", ["text", "openmetrics"])
def test_good(exposition_format: Format) -> None:
    """A true exposition of everything has no finding but that it is complete."""
    (finding,) = check_exposition(GOOD[exposition_format])
    assert (finding.rule, finding.severity) == ("coverage", "info")
    assert finding.message == f"{ALL} of the {ALL} metrics of the contract are present"
    assert check_exposition(GOOD[exposition_format], expect_all=True) == []


def test_absent_metrics() -> None:
    """With ``expect_all`` each absent metric is an error, declared or not."""
    lines = [line for line in GOOD["text"].split("\n") if line not in (QUORUM, TERM)]
    found = check_exposition("\n".join(lines), expect_all=True)
    assert [(item.rule, item.severity, item.subject) for item in found] == [
        ("absent", "error", "butterfly_consensus_term"),
        ("absent", "error", "butterfly_quorum_size"),
    ]
    assert found[0].message == "is declared and has no sample"
    (finding,) = check_exposition("\n".join(lines))
    assert finding.message == f"{ALL - 2} of the {ALL} metrics of the contract are present"
    assert len(check_exposition("", expect_all=True)) == ALL


@pytest.mark.parametrize("text", ["", "up 1\n", "butterfly_otel_exports_total 1\n"])
def test_no_metrics(text: str) -> None:
    """An exposition with no metric of the contract is not true to it."""
    found = check_exposition(text)
    assert ("no-metrics", "error") in [(item.rule, item.severity) for item in found]


def test_another_contract() -> None:
    """The contract may be given, such as one that an overlay has narrowed."""
    narrow = replace(catalog.BY_NAME["butterfly_consensus_term"], labels=())
    text = "# HELP butterfly_consensus_term x\n# TYPE butterfly_consensus_term gauge\n"
    found = check_exposition(f"{text}butterfly_consensus_term 1\n", metrics=[narrow])
    assert [item.message for item in found] == ["1 of the 1 metrics of the contract are present"]
    (finding, _) = check_exposition(f"{text}{TERM}\n", metrics=[narrow])
    assert finding.rule == "label-extra"


def test_allowed_labels() -> None:
    """Allowed labels are no mistake, and budgets hold for each of their values."""
    doctored = [
        labels(ERRORS, error_type=f"e{number}", instance=f"node-{number % 2}")
        for number in range(100)
    ]
    text = GOOD["text"].replace(ERRORS, "\n".join(doctored))
    allowed = check_exposition(text, allow_labels=["instance"])
    assert [item.rule for item in allowed] == ["coverage"]
    one_more = text.replace(doctored[0], f"{doctored[0]}\n{labels(doctored[0], error_type='x')}")
    found = check_exposition(one_more, allow_labels=["instance"])
    assert [item.rule for item in found] == ["label-budget", "coverage"]


def test_overflow_points_need_no_labels() -> None:
    """OTel's overflow point has one label, escaped or not, and misses no other."""
    for key in ("otel_metric_overflow", '"otel.metric.overflow"'):
        text = GOOD["text"].replace(QUORUM, f'{QUORUM}\nbutterfly_quorum_size{{{key}="true"}} 1')
        found = check_exposition(text)
        assert [item.rule for item in found] == ["overflow", "coverage"]


@pytest.mark.parametrize(
    "pair", ["a_b", "a_a", "node_1_node_2", "b_x_a", "other", "compute-1_coordinator-1"]
)
def test_sorted_pairs(pair: str) -> None:
    """A pair passes if it can be read as two sorted ids, which may hold underscores."""
    found = check_exposition(GOOD["text"].replace(SKEW, labels(SKEW, node_pair=pair)))
    assert "pair-order" not in [item.rule for item in found]


@pytest.mark.parametrize("pair", ["b_a", "node_2_node_1", "_a", "a_", "a", "_"])
def test_unsorted_pairs(pair: str) -> None:
    """A pair that cannot be read so is an error."""
    found = check_exposition(GOOD["text"].replace(SKEW, labels(SKEW, node_pair=pair)))
    assert [item.rule for item in found] == ["pair-order", "coverage"]


def test_cores_of_different_nodes() -> None:
    """One node may report its cores one by one while another reports them together."""
    other = labels(CPU, node_id="node-2", core="0")
    single = labels(CPU, node_id="node-2", core="1")
    found = check_exposition(GOOD["text"].replace(CPU, f"{CPU}\n{other}\n{single}"))
    assert [item.rule for item in found] == ["coverage"]


def test_empty_core_may_be_left_out() -> None:
    """An empty label is no label for Prometheus, so leaving ``core`` out is the same."""
    text = GOOD["text"].replace(CPU, CPU.replace(',core=""', ""))
    assert [item.rule for item in check_exposition(text)] == ["coverage"]


def test_openmetrics_points_of_one_series() -> None:
    """OpenMetrics may have a series at several times; text may not."""
    for exposition_format, rules in (
        ("openmetrics", ["timestamp", "coverage"]),
        ("text", ["duplicate-series", "timestamp", "coverage"]),
    ):
        text = GOOD[exposition_format].replace(QUORUM, f"{QUORUM} 1\n{QUORUM} 2")
        assert [item.rule for item in check_exposition(text)] == rules


def test_equal_findings_are_one() -> None:
    """A mistake that every series makes is one finding that counts them."""
    text = GOOD["text"].replace('status="', 'state="')
    found = [item for item in check_exposition(text) if item.subject == "butterfly_requests_total"]
    assert [(item.rule, item.message) for item in found] == [
        (
            "label-extra",
            "label `state` is not in the contract (did you mean `status`?) (and 2 more)",
        ),
        ("label-missing", "label `status` is missing (and 2 more)"),
    ]


def test_findings_are_limited() -> None:
    """A page that is no exposition does not give a finding for each of its lines."""
    found = check_exposition("".join(f"<p>{number}</p>\n" for number in range(5000)))
    malformed = [item for item in found if item.rule == "malformed-line"]
    assert len(malformed) == 11
    assert malformed[-1].message == "4990 more findings of this rule are not shown"


def test_ten_findings_are_not_shortened() -> None:
    """Ten findings of a rule are all shown."""
    text = GOOD["text"] + "".join(f"a b{number}\n" for number in range(10))
    found = [item for item in check_exposition(text) if item.rule != "coverage"]
    assert [item.message for item in found] == [
        f"the value `b{number}` is not a number, in `a b{number}`" for number in range(10)
    ]


def test_subjects_of_unknown_families() -> None:
    """An unknown family is called as its samples are, with ``_total`` only where they have it."""
    for exposition_format, lines, subject in (
        ("openmetrics", "# TYPE butterfly_zebras counter", "butterfly_zebras_total"),
        ("openmetrics", "# TYPE butterfly_zebras gauge", "butterfly_zebras"),
        ("text", "# TYPE butterfly_zebras counter", "butterfly_zebras"),
    ):
        text = GOOD[exposition_format].replace(FOREIGN, f"{FOREIGN}\n{lines}")
        (finding, _) = check_exposition(text)
        assert finding.subject == subject
        assert finding.message == "is not a metric of the contract"


def test_second_and_third_type() -> None:
    """Each TYPE line too many is reported, and the first one counts."""
    more_at = GOOD["text"].split("\n").index(QUORUM_TYPE) + 2
    more = f"{QUORUM_TYPE}\n# TYPE butterfly_quorum_size counter\n{QUORUM_TYPE}"
    found = check_exposition(GOOD["text"].replace(QUORUM_TYPE, more))
    assert [item.rule for item in found] == ["metadata-duplicate", "coverage"]
    assert found[0].line == more_at
    assert found[0].message.endswith(f"the first is line {more_at - 1} (and 1 more)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (REQUESTS, "0"),
        (SUM, "-3"),
        (CPU, "0"),
        (CPU, "1"),
        (ACTIVE, "0"),
        (SKEW, "-0.5"),
        (QUORUM, "-1"),
    ],
)
def test_values_at_the_edge(old: str, new: str) -> None:
    """Values at the edge of what is allowed are allowed."""
    found = check_exposition(GOOD["text"].replace(old, value(old, new)))
    assert [item.rule for item in found] == ["coverage"]


@pytest.mark.parametrize(("old", "rules"), [(REQUESTS, []), (BUCKET_5, []), (SUM, ["exemplar"])])
def test_exemplars(old: str, rules: list[str]) -> None:
    """Counters and buckets may have exemplars, up to 128 characters of labels; a sum may not."""
    long = old + f' # {{trace_id="{"a" * 120}"}} 1 1'
    found = check_exposition(GOOD["openmetrics"].replace(old, long))
    assert [item.rule for item in found] == [*rules, "coverage"]


def test_order() -> None:
    """Errors come first, and then each severity is in the order of lines."""
    text = GOOD["text"].replace(CPU, value(CPU, "7")).replace(REQUESTS, value(REQUESTS, "-1"))
    text = text.replace(ACTIVE, value(ACTIVE, "7"))
    found = check_exposition(text)
    assert [item.rule for item in found] == [
        "counter-value",
        "flag-value",
        "ratio-range",
        "coverage",
    ]


def test_canonical_bounds() -> None:
    """Boundaries are spelled as OpenMetrics recommends."""
    bounds = (0.0001, 1e-05, 5.0, 100000.0, 1e6, 1048576.0, 1e10, 1e22, float("inf"))
    assert [canonical_bound(bound) for bound in bounds] == [
        "0.0001",
        "1e-05",
        "5.0",
        "100000.0",
        "1e+06",
        "1.048576e+06",
        "1e+10",
        "1e+22",
        "+Inf",
    ]


@given(st.data())
def test_nothing_raises(data: st.DataObject) -> None:
    """Lines of a good exposition in any order, cut anywhere, give findings and no exception."""
    exposition_format = data.draw(st.sampled_from(["text", "openmetrics"]))
    lines = data.draw(st.lists(st.sampled_from(GOOD[exposition_format].split("\n")), max_size=30))
    text = "\n".join(lines)
    text = text[: data.draw(st.integers(0, len(text)))]
    check_exposition(text, exposition_format=exposition_format)


@pytest.mark.parametrize(
    ("declared", "type_", "samples"),
    [
        ("sglang:token_usage", "gauge", ["sglang_token_usage 42.0"]),
        ("vllm:tokens", "counter", ["vllm_tokens_total 1.0", "vllm_tokens_created 1.7e9"]),
        ("vllm:wait", "histogram", ['vllm_wait_bucket{le="+Inf"} 1', "vllm_wait_count 1"]),
        ("vllm:ttft", "summary", ['vllm_ttft{quantile="0.5"} 1', "vllm_ttft_sum 1"]),
        ("vllm:build", "info", ['vllm_build_info{version="1"} 1']),
        ("a:b:c", "gauge", ["a_b_c 1"]),
        ("a::b", "gauge", ["a__b 1"]),
        ("a_b", "gauge", ["a:b 1"]),
        ('"a.b"', "gauge", ["a_b 1"]),
        ('"a.b"', "gauge", ["a_dot_b 1"]),
        ('"a.b"', "gauge", ["U__a_2e_b 1"]),
        ("a_b", "gauge", ['{"a.b"} 1']),
        ("a:b", "gauge", ['a:b{x="1"} 1', 'a_b{x="2"} 1']),
    ],
)
def test_a_type_whose_samples_have_another_name(
    declared: str, type_: str, samples: list[str]
) -> None:
    """A name that was escaped in one place only is found, whatever was lost in it."""
    block = "\n".join([f"# HELP {declared} x", f"# TYPE {declared} {type_}", *samples])
    found = check_exposition(GOOD["openmetrics"].replace("# EOF", f"{block}\n# EOF"))
    assert [item.rule for item in found] == ["name-mismatch", "coverage"]
    assert (found[0].severity, found[0].subject) == ("error", declared.strip('"'))


def test_a_sample_of_a_family_that_took_its_name() -> None:
    """Where both spellings are declared, a sample that stands under the other's TYPE is found."""
    block = '# TYPE a:b gauge\na_b{x="1"} 1\n# TYPE a_b gauge\na_b{x="2"} 2'
    found = check_exposition(GOOD["text"] + block + "\n")
    assert "name-mismatch" in [item.rule for item in found]


@pytest.mark.parametrize(
    "block",
    [
        "# TYPE a:b gauge\na:b 1\n# TYPE a_b gauge\na_b 1",
        "# TYPE a:b gauge\n# TYPE c gauge\nc 1",
        "# TYPE a:b gauge\na_c 1",
        "# TYPE a:b gauge\na_b_total 1",
        "# TYPE a gauge\na_total 1",
        "job:a:sum 1\njob_a_sum 1",
    ],
)
def test_names_that_are_alike_are_two_metrics(block: str) -> None:
    """Two families, each declared and sampled by its own name, are no mistake."""
    found = check_exposition(GOOD["text"] + block + "\n")
    assert "name-mismatch" not in [item.rule for item in found]
