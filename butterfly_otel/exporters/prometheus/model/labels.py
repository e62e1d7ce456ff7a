"""From attributes, scope and resource to the labels of a series.

Source: the OpenTelemetry specification, "Metric Attributes" and "Instrumentation Scope" of
"OTLP Metric points to Prometheus".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.model.text import clean, clean_name, label_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    from butterfly_otel.exporters.prometheus.model.names import Naming
    from butterfly_otel.exporters.prometheus.model.series import Labels

#: Original keys and label values that all series of a stream share.
Constants = tuple[tuple[str, str], ...]

_SCOPE = "otel_scope_"
#: A histogram's own label. An attribute of that name is exposed as ``exported_le``, the
#: way Prometheus itself moves a label out of the way.
_BUCKET_LABEL = "le"
_MOVED_BUCKET_LABEL = "exported_le"


def constant_labels(resource: Resource | None, chosen: Callable[[str], bool] | None) -> Constants:
    """Return the resource attributes that are copied to every series."""
    if resource is None or chosen is None:
        return ()
    return tuple(
        (key, label_text(value)) for key, value in resource.attributes.items() if chosen(key)
    )


def scope_labels_of(scope: InstrumentationScope, naming: Naming) -> Constants:
    """Return the ``otel_scope_*`` labels of a scope.

    Its attributes that would pass for its name, version or schema URL are dropped, as the
    specification demands.
    """
    own = {
        f"{_SCOPE}name": scope.name or "",
        f"{_SCOPE}version": scope.version or "",
        f"{_SCOPE}schema_url": scope.schema_url or "",
    }
    attributes = {
        _SCOPE + key: label_text(value)
        for key, value in (scope.attributes or {}).items()
        if naming.label(_SCOPE + clean_name(key)) not in own
    }
    return tuple((key, clean(value)) for key, value in (own | attributes).items())


def join_labels(
    constants: Constants, attributes: Mapping[str, object], naming: Naming, *, histogram: bool
) -> Labels:
    """Return the labels of a series, sorted by name.

    Values whose keys become the same name are joined by ``;`` in the order of the original
    keys, that of the scope before that of an attribute which has its very name. An attribute
    wins over one of the resource that was copied under the same key.
    """
    values = [each for each in constants if each[0] not in attributes or each[0].startswith(_SCOPE)]
    values += ((key, label_text(value)) for key, value in attributes.items())
    labels: dict[str, str] = {}
    for key, value in sorted(values, key=_key_order):
        name = naming.label(clean_name(key))
        if histogram and name == _BUCKET_LABEL:
            name = _MOVED_BUCKET_LABEL
        labels[name] = f"{labels[name]};{value}" if name in labels else value
    return tuple(sorted(labels.items()))


def _key_order(pair: tuple[str, str]) -> str:
    return pair[0]
