"""Requests of OTLP as they are on the wire, decoded."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

from butterfly_otel.lint.expositions.fetch.errors import TargetError

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )

    from butterfly_otel.lint.expositions.receive.address import Address

#: Bytes of a request, after it is unpacked.
LARGEST: Final = 64 << 20
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
#: Takes the header of gzip, and that of zlib, by which HTTP means deflate.
_ANY_HEADER: Final = 47


class Request(NamedTuple):
    """A request as it is on the wire.

    Attributes:
        address: Where it has arrived.
        body: Its body.
        content_type: :data:`PROTOBUF` or :data:`JSON`.
        encoding: Its Content-Encoding; empty where there is none.
    """

    address: Address
    body: bytes
    content_type: str = PROTOBUF
    encoding: str = ""


#: Takes a request; raises ValueError with what is wrong with it, and Busy.
Take = Callable[[Request], None]


class Busy(Exception):  # noqa: N818 - says that it is to be sent again
    """Too many requests wait already."""


def require_messages() -> None:
    """Make sure that messages can be decoded.

    Raises:
        TargetError: When the package that has them is missing.
    """
    try:
        import_module("opentelemetry.proto.collector.metrics.v1.metrics_service_pb2")
    except ImportError:
        raise TargetError(
            "--otlp needs opentelemetry-proto: pip install opentelemetry-exporter-otlp"
        ) from None


def decode(given: Request) -> ExportMetricsServiceRequest:
    """Return what a request says.

    Raises:
        ValueError: With what is wrong with it.
    """
    from google.protobuf.json_format import Parse, ParseError  # noqa: PLC0415 - as above
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: PLC0415
        ExportMetricsServiceRequest,
    )

    request = ExportMetricsServiceRequest()
    body = _unpacked(given.body, given.encoding)
    try:
        if given.content_type == JSON:
            # The ids of exemplars are hex in OTLP and base64 for this: they are not looked at.
            Parse(body, request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
    except (DecodeError, ParseError, UnicodeDecodeError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"a request is not an ExportMetricsServiceRequest: {said}") from None
    return request


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise ValueError(f"a request has the Content-Encoding {encoding}, which is not known here")
    packed = zlib.decompressobj(_ANY_HEADER)
    try:
        whole = packed.decompress(body, LARGEST + 1)
    except zlib.error as error:
        raise ValueError(f"a request is not {encoding}, as it says: {error}") from None
    if len(whole) > LARGEST:
        raise ValueError(f"a request is larger than {LARGEST >> 20} MiB")
    if not packed.eof:
        raise ValueError(f"a request ends in the middle of its {encoding}")
    return whole
