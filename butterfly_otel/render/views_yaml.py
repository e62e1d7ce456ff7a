"""Views as OTel declarative configuration: ``views/default.yaml``, and those in effect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from butterfly_otel import catalog
from butterfly_otel.process.text import printable
from butterfly_otel.views.streams import Stream, default_streams

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from butterfly_otel.catalog.model import Catalog
    from butterfly_otel.views.overlays import Overlaid

_DEFAULT_HEADER = """\
# Rendered from the catalogue by `butterfly-otel render`: edit the catalogue, not this.
#
# The Views of the Butterfly contract in OpenTelemetry's declarative configuration schema,
# for SDKs in any language: one View a metric, with its label allowlist, bucket boundaries
# and cardinality limit. butterfly_otel compiles the same Views from its catalogue and adds
# the one the schema cannot express: whatever else is measured on the meter is dropped.
#
# As a file for OTEL_CONFIG_FILE it is complete; replace the reader by your own.
"""
_EFFECTIVE_HEADER = """\
# Written by `butterfly-otel views`: the Views of the {name} contract{overlays}.
#
# Complete as a file for OTEL_CONFIG_FILE, for SDKs in any language; replace the reader by your
# own. What else is measured on the meter {meter} is dropped by butterfly_otel, which the
# schema cannot express.
"""
_OWN_HEADER = """\
# Rendered from {source} by `butterfly-otel render`: edit the contract, not this.
#
# The Views of the contract {name} in OpenTelemetry's declarative configuration schema, for
# SDKs in any language; configure(catalogs=...) compiles the same.
#
# As a file for OTEL_CONFIG_FILE it is complete; replace the reader by your own.
"""
_BODY = """\
file_format: "1.0"
meter_provider:
  readers:
    - pull:
        exporter:
          prometheus/development:
            host: localhost
            port: 9464
            scope_info_enabled: false
            translation_strategy: {strategy}
  views:
"""


def render_views() -> str:
    """Return the text of ``views/default.yaml``."""
    return _DEFAULT_HEADER + _document(default_streams())


def render_own_views(contract: Catalog, source: str) -> str:
    """Return the Views of a contract.

    Args:
        contract: The contract.
        source: Where it comes from, as the head names it.
    """
    header = _OWN_HEADER.format(source=" ".join(source.split()), name=contract.name)
    exact = all(metric.exact for metric in contract)
    return header + _document(map(Stream.of, contract), contract.meter, exact=exact)


def render_effective_views(
    overlaid: Overlaid, overlays: Sequence[str], contract: Catalog = catalog.BUTTERFLY
) -> str:
    """Return the Views in effect, with a head that names the overlays that made them so."""
    # A file's name may hold anything; a line feed would end the comment.
    names = ", then ".join(printable(" ".join(name.split())) for name in overlays)
    head = f",\n# as narrowed by {names}" if overlays else ""
    ours = contract is catalog.BUTTERFLY
    header = _EFFECTIVE_HEADER.replace("{name}", "Butterfly" if ours else contract.name)
    header = header.replace("{overlays}", head).replace("{meter}", contract.meter)
    exact = all(metric.exact for metric in contract)
    # JSON is YAML, and has what a file had whatever that is.
    others = (
        f"    - {json.dumps({'selector': dict(each.selector), 'stream': dict(each.stream)})}\n"
        for each in overlaid.others
    )
    return header + _document(overlaid.streams, contract.meter, exact=exact) + "".join(others)


def _document(
    streams: Iterable[Stream], meter: str = catalog.METER_NAME, *, exact: bool = True
) -> str:
    # What is exact has its suffixes; to a name with dots they are appended.
    strategy = f"underscore_escaping_{'without_suffixes/development' if exact else 'with_suffixes'}"
    lines = [line for stream in streams for line in _view(stream, meter)]
    return _BODY.format(strategy=strategy) + "\n".join(lines) + "\n"


def _view(stream: Stream, meter: str) -> Iterator[str]:
    metric = stream.metric
    yield "    - selector:"
    yield f"        meter_name: {meter}"
    yield f"        instrument_name: {metric.name}"
    yield f"        instrument_type: {metric.instrument}"
    yield "      stream:"
    if stream.dropped:
        yield "        aggregation:"
        yield "          drop: {}"
        return
    yield f"        aggregation_cardinality_limit: {stream.limit}"
    if stream.buckets:
        yield "        aggregation:"
        yield "          explicit_bucket_histogram:"
        yield f"            boundaries: [{', '.join(map(_number, stream.buckets))}]"
    yield "        attribute_keys:"
    if stream.labels:
        yield "          included:"
        yield from (f"            - {label.key}" for label in stream.labels)
    else:
        # The schema wants at least one pattern: with every key excluded none is left.
        yield "          excluded:"
        yield '            - "*"'


def _number(value: float) -> str:
    # YAML 1.1 readers take 1e+06 for a string: digits and a point are read alike by all.
    return f"{value:.12f}".rstrip("0").removesuffix(".") + (".0" if value == int(value) else "")
