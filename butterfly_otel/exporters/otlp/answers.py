"""What a receiver's answer means.

Source: OTLP specification, sections "OTLP/gRPC Response" and "OTLP/HTTP Response".
"""

from __future__ import annotations

import json
import re
import zlib
from http import HTTPStatus
from typing import Any, NamedTuple, cast

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

#: Bytes of an answer that are read: the rest of a longer one is not.
MOST_BYTES = 1 << 20

_RETRYABLE = {429, 502, 503, 504}
#: The data itself is refused: too large, malformed, or against some rule of the receiver.
_REFUSED = {400, 413, 415, 422}
_MARKUP = re.compile(r"<\s*(?:!|\?|/?[a-z][a-z0-9:]*[\s>/])", re.IGNORECASE)
_NOT_OTLP = "which is not an answer to OTLP, so nothing may have arrived; set otlp_endpoint to"
_PLACE = f"{_NOT_OTLP} where metrics are taken"


class Answer(NamedTuple):
    """What became of one request.

    Attributes:
        delivered: Whether the receiver has it.
        reason: Why it has not, or why it rejected points.
        retry: Whether sending the same again may help.
        wait: Seconds the receiver asks to wait before that; None where it does not ask.
        rejected: Points it rejected of what it took.
        refused: Whether it refused what is in the request.
    """

    delivered: bool
    reason: str = ""
    retry: bool = False
    wait: float | None = None
    rejected: int = 0
    refused: bool = False


def of_http(
    status: int, phrase: str, kind: str, body: bytes, wait: float | None = None, to: str = ""
) -> Answer:
    """Return what an answer by HTTP means.

    Args:
        status: Its status.
        phrase: What comes after that.
        kind: Its ``Content-Type``.
        body: Its body, without a content encoding.
        wait: Seconds of its ``Retry-After``.
        to: Where a redirect points, as logs may show it.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _of_body(f"{status} {phrase}".strip(), kind.partition(";")[0].strip().lower(), body)
    said = f"the receiver answered {status} {phrase}".strip()
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        towards = f" towards {to}" if to else ""
        return Answer(delivered=False, reason=f"{said}{towards}, {_PLACE}")
    text = _text(kind, body)
    reason = f"{said}: {text}" if text else said
    if status in _RETRYABLE:
        return Answer(delivered=False, reason=reason, retry=True, wait=wait)
    return Answer(delivered=False, reason=reason, refused=status in _REFUSED)


def _of_body(status: str, kind: str, body: bytes) -> Answer:
    """Return what a successful status with this body means.

    Receivers that answer with nothing, with JSON or with a word in plain text are there, and a
    log-in page is as well: what looks like a page, or is not what it says, was no receiver.
    """
    if not body:
        return Answer(delivered=True)
    if "html" not in kind:
        answer = None
        if "json" not in kind and not kind.startswith("text/"):
            answer = of_message(body)
        if answer is None and "protobuf" not in kind:
            answer = _of_json(body)
        if answer is None and "protobuf" not in kind and "json" not in kind and _is_plain(body):
            answer = Answer(delivered=True)
        if answer is not None:
            return answer
    return Answer(
        delivered=False,
        reason=f"the receiver answered {status} with a body of type {kind or 'unknown'}, {_PLACE}",
    )


def of_message(body: bytes) -> Answer | None:
    """Return what an ``ExportMetricsServiceResponse`` means; None where it is not one."""
    try:
        partial = ExportMetricsServiceResponse.FromString(body).partial_success
    except DecodeError:
        return None
    return _partial(partial.rejected_data_points, partial.error_message)


def _of_json(body: bytes) -> Answer | None:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    partial: Any = cast("dict[str, Any]", found).get("partialSuccess") or {}
    try:
        return _partial(
            int(partial.get("rejectedDataPoints", 0)), str(partial.get("errorMessage", ""))
        )
    except (AttributeError, TypeError, ValueError):
        return Answer(delivered=True)


def _partial(rejected: int, message: str) -> Answer:
    return Answer(delivered=True, reason=message, rejected=max(0, rejected))


def _is_plain(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    printable = all(each.isprintable() or each.isspace() for each in text)
    return printable and not _MARKUP.search(text)


def _text(kind: str, body: bytes) -> str:
    """Return what an answer says in words: a ``google.rpc.Status`` has them in its field 2."""
    if "protobuf" in kind:
        from google.rpc.status_pb2 import (  # type: ignore[import-untyped]  # noqa: PLC0415 - only where something failed
            Status,
        )

        try:
            return str(Status.FromString(body).message)
        except DecodeError:
            pass
    return body.decode(errors="replace")


def unpacked(encoding: str, body: bytes) -> bytes | None:
    """Return a body without its content encoding, as much of it as is read of any.

    None where the encoding is not known or the body is broken. It is asked for by nobody, and
    a body may be a thousand times as long without it.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        return None
    try:
        # 32: whichever of the two headers it has.
        unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
        found = unpacking.decompress(body, MOST_BYTES + 1)
    except zlib.error:
        return None
    return found if unpacking.eof or len(found) > MOST_BYTES else None
