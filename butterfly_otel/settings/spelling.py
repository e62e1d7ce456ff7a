"""Names that are nearly those of settings: of environment variables, and of arguments."""

from __future__ import annotations

import logging
import re
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from butterfly_otel.settings.declaration import Setting

P = ParamSpec("P")
R = TypeVar("R")

_logger = logging.getLogger("butterfly_otel")

_OURS: Final = "BUTTERFLY_OTEL_"
#: With a slip in them, too; any other variable is not looked at.
_LIKE_OURS: Final = "(BU|OT)[A-Z0-9_.-]*"
_BEGINNINGS: Final = ("BU", "OT")
#: What Kubernetes makes for each service, such as one called butterfly-otel.
_OF_SERVICES: Final = (
    r".*_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_ADDRESS: Final = "(tcp|udp|sctp)://.*"

_told: set[str] = set()


def tell_of_misspelt(environ: Mapping[str, str], settings: Iterable[Setting]) -> None:
    """Warn of each variable that is nearly one of a setting, once in the life of the process."""
    for name, right in misspelt(environ, settings).items():
        if name not in _told:
            _told.add(name)
            _logger.warning(
                "the environment variable %s is not a setting and decides nothing; did you mean"
                " %s?",
                name,
                right,
            )


def forget_told() -> None:
    """Let every misspelt variable be told again."""
    _told.clear()


def misspelt(environ: Mapping[str, str], settings: Iterable[Setting]) -> dict[str, str]:
    """Return the variables that are nearly one of a setting, with that one."""
    known = {variable: variable for each in settings for variable in each.variables}
    # With our prefix, though the setting is OpenTelemetry's or the node's.
    prefixed = {
        f"{_OURS}{each.name.upper()}": each.variables[-1]
        for each in settings
        if each.name and each.variables
    }
    found: dict[str, str] = {}
    for name, text in environ.items():
        if name in known or not text.strip() or not _like_ours(name):
            continue
        if re.fullmatch(_OF_SERVICES, name) or re.fullmatch(_ADDRESS, text.strip()):
            continue
        right = prefixed.get(name) or known.get(name.removeprefix("BUTTERFLY_"))
        right = right or next((each for each in known if _nearly(name, each)), None)
        if right is not None:
            found[name] = right
    return found


def _like_ours(name: str) -> bool:
    # Nearly always the beginning tells, and no expression has to be compiled.
    return name[:2].upper() in _BEGINNINGS and bool(re.fullmatch(_LIKE_OURS, name, re.IGNORECASE))


def _nearly(name: str, right: str) -> bool:
    """Tell whether one name is the other with a slip in it, the longer it is the more.

    Lower case and hyphens count for nothing. What a slip costs is measured without the prefix,
    so that short names that differ in a word, such as of NODE_ID and NODE_IP, are two names.
    """
    first, second = _letters(name), _letters(right)
    allowed = min(3, len(re.sub("^(BUTTERFLY|OTEL)", "", second)) // 4)
    return abs(len(first) - len(second)) <= allowed and _cost(first, second) <= allowed


def _letters(name: str) -> str:
    return re.sub("[_.-]", "", name).upper()


def _cost(first: str, second: str) -> int:
    """Return the least letters to leave out, add (1 each) and swap with the next one (1).

    Another letter in its place is one left out and one added.
    """
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, above, row = row, before, [i]
        for j, other in enumerate(second, 1):
            if letter == other:
                cost = before[j - 1]
            else:
                cost = 1 + min(before[j], row[j - 1])
                if i > 1 and j > 1 and letter == second[j - 2] and other == first[i - 2]:
                    cost = min(cost, above[j - 2] + 1)
            row.append(cost)
    return row[-1]


def refuse_unknown(function: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse keyword arguments that a function does not take, as Python 3.13 and later do.

    Raises:
        TypeError: With the nearest name that it takes.
    """
    names = list(known)
    for name in given:
        if name not in names:
            message = f"{function}() got an unexpected keyword argument {name!r}"
            from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

            near = get_close_matches(name, names, n=1)
            raise TypeError(f"{message}. Did you mean {near[0]!r}?" if near else message)


def suggests_names(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's error about an unknown argument name the nearest on every Python."""
    known = tuple(signature(function).parameters)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        refuse_unknown(function.__name__, kwargs, known)
        return function(*args, **kwargs)

    return called
