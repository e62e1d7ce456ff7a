"""The one synchronous handle that is of an extension and not of the contract."""

from __future__ import annotations

from typing import Final

from butterfly_otel.handles.handles import HistogramHandle


class FirstItemSeconds(HistogramHandle):
    """Time to the first item of a streamed response."""

    __slots__ = ()


first_item_seconds: Final = FirstItemSeconds("butterfly_otel_request_first_item_seconds")
