"""Contracts in YAML: what OpenTelemetry's semantic conventions say, and what we add to them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Catalog, Metric
from butterfly_otel.catalogs import load

PLAIN = """\
groups:
  - id: registry.shop
    type: attribute_group
    brief: Attributes.
    attributes:
      - id: shop.payment
        type:
          members:
            - {id: card, value: card, stability: stable}
            - {id: cash, value: cash, stability: stable}
        brief: How it is paid.
        stability: stable
      - {id: shop.country, type: string, brief: Where., stability: stable, examples: [de]}
      - {id: shop.paid, type: boolean, brief: Whether it is paid., stability: stable}
      - {id: shop.status, type: int, brief: The answer., stability: stable}
      - {id: shop.tags, type: "string[]", brief: Tags., stability: stable, examples: [[a]]}
      - id: error.type
        type: {members: [{id: other, value: _OTHER, stability: stable}]}
        brief: What failed.
        stability: stable
  - id: attributes.order
    type: attribute_group
    brief: Of each order.
    attributes:
      - {ref: shop.payment, requirement_level: required}
      - ref: shop.country
  - id: metric.shop.orders
    type: metric
    metric_name: shop.orders
    brief: >
      Orders that
      were placed.
    instrument: counter
    unit: "{order}"
    stability: stable
    extends: attributes.order
    attributes:
      - {ref: shop.tags, requirement_level: opt_in}
      - {ref: error.type, requirement_level: {conditionally_required: If it failed.}}
  - id: metric.shop.order.duration
    type: metric
    metric_name: shop.order.duration
    brief: Time of an order.
    instrument: histogram
    unit: s
    stability: stable
    attributes: [{ref: shop.status, requirement_level: required}, {ref: shop.paid}]
  - id: metric.shop.open
    type: metric
    metric_name: shop.open
    brief: Orders that are open.
    instrument: updowncounter
    unit: "{order}"
    stability: stable
  - id: metric.shop.stock
    type: metric
    metric_name: shop.stock
    brief: What is there.
    instrument: gauge
    unit: "{item}"
    stability: stable
  - id: span.shop.order
    type: span
    span_kind: server
    brief: Not a metric.
    stability: stable
    attributes: [{ref: shop.payment}]
"""


def load_text(folder: Path, text: str, name: str = "shop.yaml") -> Catalog:
    """Load a contract from a file that says so."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return load(file)


@pytest.fixture
def plain(tmp_path: Path) -> Catalog:
    """A semantic convention that knows nothing of us."""
    return load_text(tmp_path, PLAIN)


def test_a_plain_semantic_convention_is_a_contract(plain: Catalog) -> None:
    """Name, meter, instruments, units and texts are what the file says, the rest has defaults."""
    assert (plain.name, plain.meter, plain.prefix) == ("shop", "shop", "")
    orders = plain["shop.orders"]
    assert (orders.type, orders.instrument, orders.unit) == ("counter", "counter", "{order}")
    assert orders.help == "Orders that were placed."
    assert (orders.across, plain["shop.stock"].across) == ("sum", "latest")
    assert plain["shop.open"].instrument == "up_down_counter"
    assert plain["shop.order.duration"].buckets[0] == 0.005
    assert orders.query == (
        "sum by (shop_payment, shop_country, error_type) (rate(shop_orders_total[5m]))"
    )
    assert [metric.category for metric in plain] == ["shop"] * 4


def test_attributes_are_labels(plain: Catalog) -> None:
    """Enumerations are closed, texts have a budget, what is not required may be left out."""
    payment, country, error = plain["shop.orders"].labels
    assert (payment.kind, payment.values, payment.default) == ("closed", ("card", "cash"), None)
    assert (country.kind, country.budget, country.default) == ("bounded", 100, "empty")
    # An enumeration that says no more than that there are others is not a vocabulary.
    assert (error.kind, error.values, error.budget) == ("open", ("_OTHER",), 100)
    status, paid = plain["shop.order.duration"].labels
    assert (status.type, status.default) == ("int", None)
    assert (paid.type, paid.values) == ("boolean", ("false", "true"))


def test_lists_are_left_out_where_they_may_be(plain: Catalog, tmp_path: Path) -> None:
    """An attribute of several values is not a label, and is refused where it is required."""
    assert "shop.tags" not in plain["shop.orders"].label_keys
    text = PLAIN.replace(
        "ref: shop.tags, requirement_level: opt_in", "ref: shop.tags, requirement_level: required"
    )
    with pytest.raises(
        ValueError, match=r"metric\.shop\.orders: attribute shop\.tags: its type is"
    ):
        load_text(tmp_path, text)


ANNOTATED = """\
groups:
  - id: registry.jobs
    type: attribute_group
    brief: Attributes.
    annotations:
      butterfly_otel:
        catalog:
          name: jobs
          meter: jobs.worker
          prefix: jobs_
          exceptions:
            - {rule: counter-suffix, metric: jobs_seen, reason: It was called so before.}
    attributes:
      - id: queue
        type: string
        brief: Name of the queue.
        annotations: {butterfly_otel: {kind: unbounded, budget: 7, keep: latest}}
      - {id: worker, type: string, annotations: {butterfly_otel: {default: node_id}}}
      - {id: kind, type: string, annotations: {butterfly_otel: {values: [fast, slow], budget: 9}}}
      - id: state
        type: {members: [{id: a, value: a}, {id: b, value: b}, {id: c, value: c}]}
  - id: metric.jobs_seen
    type: metric
    metric_name: jobs_seen
    brief: Jobs.
    instrument: counter
    unit: "{job}"
    attributes:
      - ref: queue
        annotations: {butterfly_otel: {budget: 5}}
      - ref: state
        brief: Of this metric.
        annotations: {butterfly_otel: {values: [a, c]}}
      - ref: kind
      - ref: worker
    annotations:
      butterfly_otel:
        why: Counted by the scheduler.
        across: node
        across_why: One of them reads it.
        category: work
        query: sum(rate(jobs_seen[1m]))
        limit: 12
        observable: true
"""


def test_annotations_say_what_the_format_lacks(tmp_path: Path) -> None:
    """Budgets, defaults, aggregation and the contract's own facts are read and refined by refs."""
    found = load_text(tmp_path, ANNOTATED)
    assert (found.name, found.meter, found.prefix) == ("jobs", "jobs.worker", "jobs_")
    assert found.exceptions == (("counter-suffix", "jobs_seen", "It was called so before."),)
    [metric] = found
    assert found.handle_name(metric) == "seen"
    assert metric == Metric(
        name="jobs_seen",
        type="counter",
        instrument="observable_counter",
        why="Counted by the scheduler.",
        unit="{job}",
        help="Jobs.",
        category="work",
        query="sum(rate(jobs_seen[1m]))",
        labels=metric.labels,
        limit=12,
        across="node",
        across_why="One of them reads it.",
    )
    queue, state, kind, worker = metric.labels
    assert (queue.kind, queue.budget, queue.keep) == ("unbounded", 5, "latest")
    assert (state.values, state.help) == (("a", "c"), "Of this metric.")
    assert (kind.kind, kind.values, kind.budget) == ("open", ("fast", "slow"), 9)
    assert (worker.kind, worker.default) == ("identity", "node_id")


def test_one_line_makes_a_metric_beside_one_of_ours(tmp_path: Path) -> None:
    """A metric that extends one of Butterfly's has its labels, instrument, unit and reasons."""
    text = """\
groups:
- {id: metric.my_requests_total, type: metric, metric_name: my_requests_total, extends: \
metric.butterfly_requests_total, attributes: [{id: model, type: string, annotations: \
{butterfly_otel: {budget: 20}}}]}
"""
    [metric] = load_text(tmp_path, text)
    ours = catalog.BY_NAME["butterfly_requests_total"]
    assert metric.label_keys == (*ours.label_keys, "model")
    assert metric.labels[:3] == ours.labels
    assert metric.labels[3].budget == 20
    assert (metric.instrument, metric.unit, metric.why) == (ours.instrument, ours.unit, ours.why)
    assert "my_requests_total" in metric.query


def test_a_metric_that_extends_a_histogram_has_its_buckets(tmp_path: Path) -> None:
    """As long as instrument and unit are the same; of another unit it has that one's."""
    text = """\
groups:
- {id: metric.a_seconds, type: metric, metric_name: a_seconds, extends: \
metric.butterfly_request_duration_seconds}
- {id: metric.b_bytes, type: metric, metric_name: b_bytes, unit: By, extends: metric.a_seconds}
"""
    first, second = load_text(tmp_path, text)
    assert first.buckets == catalog.BY_NAME["butterfly_request_duration_seconds"].buckets
    assert second.buckets[0] == 1024.0
    assert second.labels == first.labels


def test_attributes_of_ours_can_be_referred_to(tmp_path: Path) -> None:
    """`ref: node_id` is Butterfly's label, without a definition of one's own."""
    text = """\
groups:
- {id: metric.x_total, type: metric, metric_name: x_total, brief: X., instrument: counter, \
unit: "{x}", attributes: [{ref: gpu_id}, {ref: node_role}, {ref: node_id, \
requirement_level: required, annotations: {butterfly_otel: {default: none}}}]}
"""
    [metric] = load_text(tmp_path, text)
    gpu, role, node = metric.labels
    assert gpu.help == catalog.BY_NAME["butterfly_gpu_memory_bytes"].labels[1].help
    # With the default that Butterfly's have, unless it is taken away.
    assert (role.kind, role.default) == ("closed", "node_role")
    assert (node.kind, node.default, node.budget) == ("identity", None, 1000)


def test_a_folder_is_one_contract(tmp_path: Path) -> None:
    """Attributes of one file are referred to in another; a manifest is passed over."""
    folder = tmp_path / "registry"
    (folder / "deep").mkdir(parents=True)
    first, _, rest = PLAIN.partition("  - id: metric.shop.orders")
    (folder / "registry_manifest.yaml").write_text("name: shop\n")
    (folder / "attributes.yaml").write_text(first)
    (folder / "deep" / "metrics.yml").write_text(f"groups:\n  - id: metric.shop.orders{rest}")
    found = load(folder)
    assert len(found) == 4
    assert found.name == "registry"


def test_a_python_module_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:ATTRIBUTE` is a Catalog; anything else there is told."""
    (tmp_path / "contract_of_a_test.py").write_text(
        "from butterfly_otel import catalog\nOURS = catalog.BUTTERFLY\nNUMBER = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "contract_of_a_test", raising=False)
    assert load("contract_of_a_test:OURS") is catalog.BUTTERFLY
    with pytest.raises(ValueError, match="is 1; name a"):
        load("contract_of_a_test:NUMBER")
    with pytest.raises(ValueError, match="has no NONE; name its Catalog"):
        load("contract_of_a_test:NONE")
    with pytest.raises(ValueError, match="can't be imported"):
        load("no_such_module:X")
