"""``io.prometheus.client``, declared by hand, and expositions read by the official protobuf.

Source: ``io/prometheus/client/metrics.proto`` of prometheus/client_model, field by field. What is
read here was not written by the code that is tested, nor from the same table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "io.prometheus.client"
_TIME = "google.protobuf.Timestamp"
_SCALARS = ("string", "double", "uint64", "int64", "uint32", "sint32", "sint64")
_TYPES = ("COUNTER", "GAUGE", "SUMMARY", "UNTYPED", "HISTOGRAM", "GAUGE_HISTOGRAM")
#: Name, number and type of each field of each message; a star is a repeated one.
_MESSAGES = {
    "LabelPair": "name 1 string, value 2 string",
    "Gauge": "value 1 double",
    "Counter": f"value 1 double, exemplar 2 Exemplar, start_timestamp 3 {_TIME}",
    "Quantile": "quantile 1 double, value 2 double",
    "Summary": "sample_count 1 uint64, sample_sum 2 double, quantile 3 *Quantile,"
    f" start_timestamp 4 {_TIME}",
    "Untyped": "value 1 double",
    "Histogram": "sample_count 1 uint64, sample_count_float 4 double, sample_sum 2 double,"
    f" bucket 3 *Bucket, start_timestamp 15 {_TIME}, schema 5 sint32, zero_threshold 6 double,"
    " zero_count 7 uint64, zero_count_float 8 double, negative_span 9 *BucketSpan,"
    " negative_delta 10 *sint64, negative_count 11 *double, positive_span 12 *BucketSpan,"
    " positive_delta 13 *sint64, positive_count 14 *double, exemplars 16 *Exemplar",
    "Bucket": "cumulative_count 1 uint64, cumulative_count_float 4 double, upper_bound 2 double,"
    " exemplar 3 Exemplar",
    "BucketSpan": "offset 1 sint32, length 2 uint32",
    "Exemplar": f"label 1 *LabelPair, value 2 double, timestamp 3 {_TIME}",
    "Metric": "label 1 *LabelPair, gauge 2 Gauge, counter 3 Counter, summary 4 Summary,"
    " untyped 5 Untyped, histogram 7 Histogram, timestamp_ms 6 int64",
    "MetricFamily": "name 1 string, help 2 string, type 3 MetricType, metric 4 *Metric,"
    " unit 5 string",
}


def _declared() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="metrics.proto", package=_PACKAGE, syntax="proto2", dependency=["timestamp.proto"]
    )
    enum = file.enum_type.add(name="MetricType")
    for number, name in enumerate(_TYPES):
        enum.value.add(name=name, number=number)
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for field in fields.split(", "):
            name, number, kind = field.split()
            _declare(declared, name, int(number), kind)
    pool = descriptor_pool.DescriptorPool()
    time = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(time)
    time.name = "timestamp.proto"
    pool.Add(time)  # type: ignore[no-untyped-call]
    pool.Add(file)  # type: ignore[no-untyped-call]
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.MetricFamily")
    return message_factory.GetMessageClass(found)


def _declare(message: Any, name: str, number: int, kind: str) -> None:
    field = message.field.add(name=name, number=number)
    proto = descriptor_pb2.FieldDescriptorProto
    field.label = proto.LABEL_REPEATED if kind.startswith("*") else proto.LABEL_OPTIONAL
    kind = kind.removeprefix("*")
    if kind in _SCALARS:
        field.type = getattr(proto, f"TYPE_{kind.upper()}")
    elif kind == "MetricType":
        field.type, field.type_name = proto.TYPE_ENUM, f".{_PACKAGE}.MetricType"
    else:
        field.type = proto.TYPE_MESSAGE
        field.type_name = f".{kind}" if "." in kind else f".{_PACKAGE}.{kind}"


#: The official class of a family.
MetricFamily: Any = _declared()
#: What Prometheus asks for where it wants this format, and no other.
ACCEPT = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)


def families(body: bytes) -> list[Any]:
    """Return all families of an exposition, in its order.

    Raises:
        AssertionError: When it has fields that nobody knows, or is not in order.
    """
    found = []
    at = 0
    while at < len(body):
        length, at = _varint(body, at)
        family = MetricFamily.FromString(body[at : at + length])
        assert len(body) >= at + length
        assert family.IsInitialized()
        _refuse_unknown(family)
        found.append(family)
        at += length
    return found


def by_name(body: bytes) -> dict[str, Any]:
    """Return them by their names, each of which is there once."""
    listed = families(body)
    named = {each.name: each for each in listed}
    assert len(named) == len(listed)
    return named


def samples(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what Prometheus takes from an exposition, classic series alone, in text's names."""
    return {
        (name, tuple(sorted(labels.items()))): value
        for family in families(body)
        for metric in family.metric
        for name, labels, value in _samples(family, metric)
    }


def _samples(family: Any, metric: Any) -> Iterator[tuple[str, dict[str, str], float]]:
    labels = {each.name: each.value for each in metric.label}
    for kind in ("counter", "gauge", "untyped"):
        if metric.HasField(kind):
            yield family.name, labels, getattr(metric, kind).value
    if metric.HasField("summary"):
        for each in metric.summary.quantile:
            yield family.name, labels | {"quantile": str(each.quantile)}, each.value
        yield f"{family.name}_count", labels, metric.summary.sample_count
        yield f"{family.name}_sum", labels, metric.summary.sample_sum
    if metric.HasField("histogram"):
        told = metric.histogram
        bounds = {each.upper_bound: each.cumulative_count for each in told.bucket}
        bounds[float("inf")] = told.sample_count
        for bound, count in bounds.items():
            yield f"{family.name}_bucket", labels | {"le": str(bound)}, count
        yield f"{family.name}_count", labels, told.sample_count
        yield f"{family.name}_sum", labels, told.sample_sum


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
        if body[at - 1] < 0x80:
            return number, at


def _refuse_unknown(family: Any) -> None:
    """Fail where there is less without the fields that nobody knows."""
    everything = family.SerializeToString(deterministic=True)
    family.DiscardUnknownFields()
    assert family.SerializeToString(deterministic=True) == everything
