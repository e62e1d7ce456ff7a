"""The Views that are asked for: files, and objects of OpenTelemetry's SDK."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.settings.kinds import PATHS, Given, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from opentelemetry.sdk.metrics.view import View


def _views(given: Given) -> tuple[Path | View, ...]:
    value = given.argument
    several = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else (value,)
    if not given.passed or all(isinstance(part, (str, os.PathLike)) for part in several):
        return PATHS.read(given)
    # What is imported here may be no small part of a start that has no use for it.
    from pathlib import Path  # noqa: PLC0415

    from opentelemetry.sdk.metrics.view import View  # noqa: PLC0415

    found: list[Path | View] = []
    for part in several:
        if not isinstance(part, (str, os.PathLike, View)):
            raise given.wrong("pass a path, a View of OpenTelemetry's SDK or a list of them")
        found.append(part if isinstance(part, View) else Path(cast("str", part)))
    return tuple(found)


#: Overlays by their paths, and Views of the SDK, which no variable can name.
VIEWS: Final = Kind(
    _views,
    "str | PathLike[str] | View | Sequence[str | PathLike[str] | View]",
    "separated as PATH is",
)
