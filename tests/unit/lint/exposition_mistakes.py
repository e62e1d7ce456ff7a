"""Seeded mistakes: each is one doctored line of a good exposition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tests.unit.lint.exposition_fixture import render_openmetrics, render_text

Format = Literal["text", "openmetrics"]
GOOD = {"text": render_text(), "openmetrics": render_openmetrics()}

REQUESTS = 'butterfly_requests_total{node_role="compute",method="inference",status="success"} 1.0'
ERRORS = (
    'butterfly_request_errors_total{node_role="compute",method="inference",error_type="timeout"}'
    " 1.0"
)
DURATION = 'butterfly_request_duration_seconds_%s{node_role="compute",method="inference"%s} %s'
BUCKET_5 = DURATION % ("bucket", ',le="5.0"', "8")
INFINITY = DURATION % ("bucket", ',le="+Inf"', "10")
COUNT = DURATION % ("count", "", "10")
SUM = DURATION % ("sum", "", "12.5")
CPU = 'butterfly_cpu_usage_ratio{node_id="node-1",core=""} 0.5'
ACTIVE = 'butterfly_connection_active{from_node="node-1",to_node="node-1"} 1.0'
SKEW = 'butterfly_synchronization_skew_seconds{node_pair="node-1_node-2"} 1.0'
QUORUM = "butterfly_quorum_size 1.0"
TERM = 'butterfly_consensus_term{node_id="node-1"} 1.0'
QUORUM_TYPE = "# TYPE butterfly_quorum_size gauge"
QUORUM_HELP = next(
    line for line in GOOD["text"].split("\n") if "HELP butterfly_quorum_size" in line
)
SENT = (
    'butterfly_network_bytes_sent{from_node="node-1",to_node="node-1",protocol="quic"} 1.0',
    'butterfly_network_bytes_sent{from_node="node-1",to_node="node-1",protocol="grpc"} 1.0',
)
RTT_UNIT = "# UNIT butterfly_quic_rtt_seconds seconds"
FOREIGN = "process_threads 4"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One doctored line.

    Attributes:
        rule: The rule that finds it.
        severity: How bad it is.
        old: The line that is replaced.
        new: The lines that replace it, separated by line feeds; None removes it.
        at: Lines from the old one to where the finding is.
        format: The format of the exposition.
        says: A part of the message.
        also: Rules that rightly find something, too.
    """

    rule: str
    severity: str
    old: str
    new: str | None
    at: int = 0
    format: Format = "text"
    says: str = ""
    also: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name the case in pytest's output."""
        return f"{self.rule}-{self.format}: {self.new}"[:70]

    @property
    def line(self) -> int:
        """The line where the finding is expected."""
        return self._lines.index(self.old) + 1 + self.at

    @property
    def text(self) -> str:
        """The doctored exposition."""
        lines = self._lines
        at = lines.index(self.old)
        lines[at : at + 1] = [] if self.new is None else self.new.split("\n")
        return "\n".join(lines)

    @property
    def _lines(self) -> list[str]:
        return GOOD[self.format].split("\n")


def labels(old: str, **values: str) -> str:
    """Replace or append labels of a sample line."""
    for key, new in values.items():
        pair = f'{key}="{new}"'
        replaced = re.sub(rf'(?<=[{{,]){key}="[^"]*"', pair, old)
        old = replaced if f"{key}=" in old and replaced != old else old.replace("}", f",{pair}}}")
    return old


def value(old: str, new: str) -> str:
    """Replace the value of a sample line."""
    return f"{old.rpartition(' ')[0]} {new}"


def flat(old: str, name: str) -> str:
    """Rename a sample."""
    return name + old[old.index("{") :]


OM: Format = "openmetrics"
OM_SENT_TYPE = "# TYPE butterfly_network_bytes_sent unknown"
MISTAKES = (
    # Lines.
    Mistake("malformed-line", "error", FOREIGN, "process_threads four", says="`four`"),
    Mistake("malformed-line", "error", FOREIGN, f"{FOREIGN}\n", 1, OM),
    Mistake("line-ending", "error", FOREIGN, f"{FOREIGN}\r"),
    Mistake("final-newline", "warning", "", None, -1),
    Mistake("missing-eof", "error", "# EOF", None, -1, OM),
    Mistake("after-eof", "error", "# EOF", "# EOF\nlate 1", 1, OM),
    # Names.
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_request_total 1",
        1,
        says="did you mean `butterfly_requests_total`?",
    ),
    Mistake("unknown-family", "error", TERM, f"{TERM}\nbutterfly_zebra 1", 1),
    Mistake("unknown-family", "warning", TERM, f"{TERM}\nbutterfly_otel_zebra 1", 1),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_network_bytes_sent_total 1",
        1,
        says="UnderscoreEscapingWithoutSuffixes",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_network_bytes_sent_bytes_total 1",
        1,
        says="suffix for its unit",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_memory_peak_bytes_bytes 1",
        1,
        says="UnderscoreEscapingWithoutSuffixes",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_quorum_size_seconds 1",
        1,
        says="declare the unit `{node}`",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_quorum_size_ratio 1",
        1,
        says="gauge of unit `1`",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nbutterfly_quic_rtt_milliseconds 1",
        1,
        says="base units",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f'{TERM}\n{{"butterfly.quorum.size"}} 1',
        1,
        says="unescaped",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\nacme_butterfly_quorum_size 1",
        1,
        says="namespace",
    ),
    Mistake(
        "unknown-family",
        "error",
        TERM,
        f"{TERM}\n# TYPE butterfly_tasks_queue counter\nbutterfly_tasks_queue_total 1",
        1,
        OM,
    ),
    Mistake(
        "sample-name",
        "error",
        COUNT,
        f"{COUNT}\n{flat(COUNT, 'butterfly_request_duration_seconds')}",
        1,
    ),
    Mistake(
        "family-name",
        "error",
        "# TYPE butterfly_tasks_completed counter",
        "# TYPE butterfly_tasks_completed_total counter",
        0,
        OM,
    ),
    # Metadata.
    Mistake("type-wrong", "error", QUORUM_TYPE, "# TYPE butterfly_quorum_size counter"),
    Mistake("type-wrong", "error", QUORUM_TYPE, "# TYPE butterfly_quorum_size untyped"),
    Mistake("type-wrong", "error", QUORUM_TYPE, "# TYPE butterfly_quorum_size nonsense"),
    Mistake(
        "type-wrong",
        "error",
        "# TYPE butterfly_request_duration_seconds histogram",
        "# TYPE butterfly_request_duration_seconds summary",
    ),
    Mistake(
        "type-wrong",
        "error",
        "# TYPE butterfly_consensus_log_entries_total gauge",
        "# TYPE butterfly_consensus_log_entries_total counter",
    ),
    Mistake(
        "type-wrong",
        "error",
        OM_SENT_TYPE,
        "# TYPE butterfly_network_bytes_sent counter",
        0,
        OM,
        says="must be `unknown`",
    ),
    Mistake(
        "type-wrong", "error", OM_SENT_TYPE, "# TYPE butterfly_network_bytes_sent gauge", 0, OM
    ),
    Mistake(
        "type-wrong",
        "error",
        "# TYPE butterfly_network_bytes_sent counter",
        "# TYPE butterfly_network_bytes_sent untyped",
        says="must be `counter`",
    ),
    Mistake(
        "type-invalid", "error", "# TYPE process_threads gauge", "# TYPE process_threads gouge"
    ),
    Mistake("type-missing", "error", QUORUM_TYPE, None, -1, says="`gauge` is expected"),
    Mistake(
        "type-missing", "error", "# TYPE butterfly_request_duration_seconds histogram", None, -1
    ),
    Mistake("type-missing", "error", "# TYPE butterfly_tasks_completed counter", None, -1, OM),
    Mistake(
        "type-late",
        "error",
        QUORUM_TYPE,
        f"{QUORUM}\n{QUORUM_TYPE}",
        1,
        also=("duplicate-series",),
    ),
    Mistake("help-missing", "warning", QUORUM_HELP, None),
    Mistake("help-empty", "warning", QUORUM_HELP, "# HELP butterfly_quorum_size"),
    Mistake("metadata-duplicate", "error", QUORUM_TYPE, f"{QUORUM_TYPE}\n{QUORUM_TYPE}", 1),
    Mistake("metadata-duplicate", "error", QUORUM_HELP, f"{QUORUM_HELP}\n{QUORUM_HELP}", 1),
    Mistake("metadata-duplicate", "error", RTT_UNIT, f"{RTT_UNIT}\n{RTT_UNIT}", 1, OM),
    Mistake("unit", "error", RTT_UNIT, "# UNIT butterfly_quic_rtt_seconds milliseconds", 0, OM),
    Mistake(
        "unit",
        "error",
        "# TYPE butterfly_quorum_size gauge",
        "# TYPE butterfly_quorum_size gauge\n# UNIT butterfly_quorum_size nodes",
        1,
        OM,
        says="must be none",
    ),
    Mistake(
        "unit",
        "error",
        OM_SENT_TYPE,
        f"{OM_SENT_TYPE}\n# UNIT butterfly_network_bytes_sent bytes",
        1,
        OM,
        says="only as the name's end",
    ),
    Mistake(
        "name-mismatch",
        "error",
        FOREIGN,
        "# TYPE sglang:token_usage gauge\nsglang_token_usage 42",
        1,
        says="`sglang_token_usage`",
    ),
    Mistake("interleaved", "error", FOREIGN, f"{FOREIGN}\n{labels(TERM, node_id='b')}", 1, OM),
    Mistake("interleaved", "warning", FOREIGN, f"{FOREIGN}\n{labels(TERM, node_id='b')}", 1),
    # Labels.
    Mistake("label-missing", "error", TERM, "butterfly_consensus_term 1.0", says="`node_id`"),
    Mistake(
        "label-missing",
        "error",
        COUNT,
        COUNT.replace('node_role="compute",', ""),
        also=("bucket-missing", "histogram-count"),
    ),
    Mistake("label-extra", "error", TERM, labels(TERM, job="butterfly"), says="--allow-label job"),
    Mistake("label-extra", "error", TERM, labels(TERM, exported_node_id="b"), says="target label"),
    Mistake("label-extra", "error", TERM, labels(TERM, service_name="b"), says="resource"),
    Mistake("label-extra", "error", TERM, labels(TERM, node_ids="b"), says="mean `node_id`"),
    Mistake("label-extra", "error", COUNT, labels(COUNT, le="1.0")),
    Mistake("label-extra", "error", TERM, labels(TERM, le="1.0")),
    Mistake("label-extra", "error", QUORUM, 'butterfly_quorum_size{otel_metric_overflow="yes"} 1'),
    Mistake(
        "scope-label", "error", TERM, labels(TERM, otel_scope_name="x"), says="without_scope_info"
    ),
    Mistake("label-value", "error", REQUESTS, labels(REQUESTS, status="sucess"), says="`success`"),
    Mistake("label-value", "error", ERRORS, labels(ERRORS, node_role="observer")),
    Mistake("label-other", "warning", REQUESTS, labels(REQUESTS, status="other")),
    Mistake("label-other", "warning", TERM, labels(TERM, node_id="other")),
    Mistake("label-empty", "warning", REQUESTS, labels(REQUESTS, method="")),
    Mistake(
        "label-budget",
        "error",
        ERRORS,
        "\n".join(labels(ERRORS, error_type=f"e{number}") for number in range(51)),
        49,
        says="50",
    ),
    Mistake("pair-order", "error", SKEW, labels(SKEW, node_pair="node-2_node-1")),
    Mistake("pair-order", "error", SKEW, labels(SKEW, node_pair="node-1")),
    Mistake("core-mixed", "error", CPU, f"{CPU}\n{labels(CPU, core='0')}", 1),
    Mistake(
        "overflow",
        "warning",
        TERM,
        f"{TERM}\n{labels(TERM, x='')}".replace(
            'node_id="node-1",x=""', 'otel_metric_overflow="true"'
        ),
        1,
    ),
    # Buckets.
    Mistake("bucket-missing", "error", BUCKET_5, None, -7, says="missing: 5.0"),
    Mistake(
        "bucket-extra",
        "error",
        BUCKET_5,
        f"{BUCKET_5}\n{labels(BUCKET_5, le='7500.0')}",
        1,
        says="no View",
        also=("bucket-order", "bucket-cumulative"),
    ),
    Mistake("bucket-extra", "error", BUCKET_5, f"{BUCKET_5}\n{labels(BUCKET_5, le='7.5')}", 1),
    Mistake(
        "bucket-duplicate",
        "error",
        BUCKET_5,
        f"{BUCKET_5}\n{labels(BUCKET_5, le='5')}",
        1,
        also=("bucket-spelling",),
    ),
    Mistake("bucket-spelling", "info", BUCKET_5, labels(BUCKET_5, le="5")),
    Mistake("bucket-inf", "error", INFINITY, None, -9),
    Mistake("bucket-le", "error", BUCKET_5, f"{BUCKET_5}\n{labels(BUCKET_5, le='five')}", 1),
    Mistake(
        "bucket-order",
        "warning",
        BUCKET_5,
        labels(value(BUCKET_5, "9"), le="10.0") + "\n" + BUCKET_5,
        1,
        also=("bucket-duplicate", "duplicate-series"),
    ),
    Mistake("bucket-cumulative", "error", BUCKET_5, value(BUCKET_5, "6")),
    Mistake("histogram-count", "error", COUNT, value(COUNT, "11")),
    Mistake("histogram-count", "error", COUNT, None, -10),
    Mistake("histogram-sum", "error", SUM, None, -11),
    # Values.
    Mistake("counter-value", "error", REQUESTS, value(REQUESTS, "-1")),
    Mistake("counter-value", "error", REQUESTS, value(REQUESTS, "NaN")),
    Mistake("counter-value", "error", SENT[0], value(SENT[0], "+Inf")),
    Mistake("counter-value", "error", SUM, value(SUM, "NaN")),
    Mistake("gauge-value", "warning", QUORUM, value(QUORUM, "NaN")),
    Mistake("flag-value", "error", ACTIVE, value(ACTIVE, "2")),
    Mistake("ratio-range", "warning", CPU, value(CPU, "55"), says="percentage"),
    Mistake("duplicate-series", "error", REQUESTS, f"{REQUESTS}\n{REQUESTS}", 1),
    Mistake("duplicate-series", "error", FOREIGN, f"{FOREIGN}\n{FOREIGN}", 1),
    Mistake(
        "duplicate-series", "error", CPU, f"{CPU}\n{CPU.replace(',core=' + chr(34) * 2, '')}", 1
    ),
    Mistake("timestamp", "info", QUORUM, f"{QUORUM} 1700000000000"),
    Mistake(
        "created-sample",
        "info",
        TERM,
        f"{TERM}\n# TYPE butterfly_requests_created gauge\nbutterfly_requests_created 1",
        2,
    ),
    Mistake("exemplar", "error", QUORUM, f'{QUORUM} # {{trace_id="a"}} 1', 0, OM),
    Mistake("exemplar", "error", REQUESTS, f'{REQUESTS} # {{trace_id="{"a" * 121}"}} 1', 0, OM),
)
