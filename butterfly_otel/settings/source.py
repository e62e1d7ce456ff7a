"""Reading single settings from arguments and environment, and saying what is wrong with one."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

from butterfly_otel.enforcement.text import MAX_LENGTH, as_text, label_text
from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})
_LAST_PORT = 65_535
#: The longest a socket can wait: milliseconds that fit a C int.
_LONGEST_SECONDS = 2_147_483
_HEADER_NAME = re.compile("[0-9A-Za-z_.-]+")
_HEADER_VALUE = re.compile("[ -~]*")


class Source:
    """Arguments and environment, read a setting at a time.

    Every method takes an argument's name and an environment variable's name (either may be
    None), prefers the argument, treats an empty variable as unset, as OpenTelemetry does,
    and raises ConfigurationError where the value is wrong.
    """

    def __init__(self, arguments: Mapping[str, object], environ: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._environ = environ

    def argument(self, name: str) -> object:
        """Return what was passed, None where nothing was."""
        return self._arguments.get(name)

    def text(self, argument: str | None, variable: str | None) -> str | None:
        """Return a non-empty text."""
        given = self._arguments.get(argument) if argument else None
        if given is not None:
            if not isinstance(given, (str, Path)) or not str(given).strip():
                msg = f"{argument} is {given!r}; pass a text that is not empty"
                raise ConfigurationError(msg)
            return as_text(given).strip()
        return self._variable(variable) or None if variable else None

    def _variable(self, name: str) -> str:
        """Return what a variable is set to, the empty text where it is not."""
        return (self._environ.get(name) or "").strip()

    def label(self, argument: str, variable: str) -> str | None:
        """Return a text that a label can have as it is."""
        text = self.text(argument, variable)
        if text is not None and label_text(text) != (text, None):
            place = self._place(argument, variable)
            msg = f"{place} is {text!r}; it must be valid text of at most {MAX_LENGTH} characters"
            raise ConfigurationError(msg)
        return text

    def flag(self, argument: str | None, variable: str, *, default: bool) -> bool:
        """Return a boolean."""
        given = self._arguments.get(argument) if argument else None
        if isinstance(given, bool):
            return given
        if given is not None:
            raise ConfigurationError(f"{argument} is {given!r}; pass True or False")
        text = self._variable(variable).lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        if text:
            raise ConfigurationError(f"{variable} is {text!r}; set it to true or false")
        return default

    def one_of(self, value: str, allowed: Sequence[str], argument: str, variable: str) -> str:
        """Return ``value`` if it is allowed."""
        if value in allowed:
            return value
        choices = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
        msg = f"{self._place(argument, variable)} is {value!r}; it must be {choices}"
        raise ConfigurationError(msg)

    def choice(self, argument: str, variable: str, allowed: Sequence[str]) -> str:
        """Return one of ``allowed``, by default the first."""
        return self.one_of(self.text(argument, variable) or allowed[0], allowed, argument, variable)

    def paths(self, argument: str, variable: str) -> tuple[Path, ...]:
        """Return paths: an argument is one or a list, a variable is separated as PATH is."""
        given = self._arguments.get(argument)
        if given is None:
            return tuple(Path(part) for part in self._variable(variable).split(os.pathsep) if part)
        several = cast("Sequence[object]", given) if isinstance(given, (list, tuple)) else (given,)
        if not all(isinstance(part, (str, os.PathLike)) for part in several):
            raise ConfigurationError(f"{argument} is {given!r}; pass a path or a list of paths")
        return tuple(Path(cast("str", part)) for part in several)

    def seconds_by_name(self, argument: str, variable: str) -> tuple[tuple[str, float], ...]:
        """Return seconds by name, sorted; a variable is ``name=seconds,name=seconds``."""
        given = self._arguments.get(argument)
        if given is None:
            pairs = unquote_pairs(self._variable(variable), variable)
        elif isinstance(given, Mapping):
            pairs = strings(cast("object", given), argument)
        else:
            raise ConfigurationError(f"{argument} is {given!r}; pass a dict of seconds by name")
        seconds: dict[str, float] = {}
        for name, text in pairs.items():
            try:
                seconds[name] = float(text)
            except ValueError:
                seconds[name] = math.nan
            if not 0 < seconds[name] < math.inf:
                place = self._place(argument, variable)
                msg = f"{place} has {text!r} for {name}; it must be seconds above 0"
                raise ConfigurationError(msg)
        return tuple(sorted(seconds.items()))

    def port(self, argument: str, variable: str, default: int) -> int:
        """Return a TCP port; 0 means any free one."""
        value, port = self._integer(argument, variable, default)
        if port is None or not 0 <= port <= _LAST_PORT:
            place = self._place(argument, variable)
            raise ConfigurationError(f"{place} is {value!r}; it must be a port from 0 to 65535")
        return port

    def count(self, argument: str, variable: str, default: int) -> int:
        """Return how many of something there are, 1 or more."""
        value, count = self._integer(argument, variable, default)
        if count is None or count < 1:
            place = self._place(argument, variable)
            raise ConfigurationError(f"{place} is {value!r}; it must be a whole number above 0")
        return count

    def _integer(self, argument: str, variable: str, default: int) -> tuple[object, int | None]:
        """Return what is given, and as an integer; None where it is none."""
        given = self._arguments.get(argument)
        value = given if given is not None else self._variable(variable) or default
        try:
            return value, int(str(value))
        except ValueError:
            return value, None

    def names(
        self, argument: str, variable: str, *, default: str, objects: bool = False
    ) -> tuple[str, ...]:
        """Return names, each once; none where the one name is ``none``.

        With ``objects``, what is no text in a list is somebody else's business.
        """
        given = self._arguments.get(argument)
        if given is None:
            given = self._variable(variable) or default
        if not isinstance(given, (str, list, tuple, set, frozenset)) or not given:
            msg = f"{argument} is {given!r}; pass a name such as {default!r} or a list of names"
            raise ConfigurationError(msg)
        listed = given.split(",") if isinstance(given, str) else list(cast("set[object]", given))
        names = [str(each).strip() for each in listed if isinstance(each, str) or not objects]
        if "none" in names and len(listed) > 1:
            place = self._place(argument, variable)
            raise ConfigurationError(f"{place} is 'none' and something else; choose one of the two")
        return () if names == ["none"] else tuple(dict.fromkeys(names))

    def duration(self, argument: str, variable: str) -> float | None:
        """Return a duration in seconds as :meth:`milliseconds` does; None where none is given."""
        if self._arguments.get(argument) is None and not self._variable(variable):
            return None
        return self.milliseconds(argument, variable, default=math.nan)

    def milliseconds(self, argument: str, variable: str, *, default: float) -> float:
        """Return a duration in seconds: an argument is in seconds, a variable in milliseconds."""
        given = self._arguments.get(argument)
        value = given if given is not None else self._variable(variable) or default * 1000
        unit, factor = ("seconds", 1) if given is not None else ("milliseconds", 1000)
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        longest = _LONGEST_SECONDS * factor
        if not 0 < number <= longest:
            place = self._place(argument, variable)
            msg = f"{place} is {value!r}; it must be {unit} above 0, at most {longest}"
            raise ConfigurationError(msg)
        return number / factor

    def url(self, argument: str | None, variable: str, *, like: str, grpc: bool) -> str | None:
        """Return an HTTP(S) URL such as ``like``; for gRPC ``host:port`` is one as well."""
        value = self.text(argument, variable)
        if value is None:
            return None
        if grpc and "://" not in value:
            value = f"http://{value}"
        try:
            parts = urlsplit(value)
            valid = parts.scheme in {"http", "https"} and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            valid = False
        if not valid:
            place = self._place(argument, variable)
            raise ConfigurationError(f"{place} is {value!r}; it must be a URL such as {like}")
        return value

    def otlp_text(self, argument: str, suffix: str) -> str | None:
        """Return a text of the OTLP exporter; the variable for metrics beats the shared one."""
        return self.text(argument, self.otlp_variable(suffix))

    def otlp_variable(self, suffix: str) -> str:
        """Return the variable that decides: the one for metrics where it is set."""
        own = f"OTEL_EXPORTER_OTLP_METRICS_{suffix}"
        return own if self._variable(own) else f"OTEL_EXPORTER_OTLP_{suffix}"

    def otlp_file(self, argument: str, suffix: str) -> Path | None:
        """Return the path of a file that can be read."""
        value = self.otlp_text(argument, suffix)
        if value is None:
            return None
        path = Path(value)
        try:
            path.open("rb").close()
        except OSError as error:
            place = self._place(argument, self.otlp_variable(suffix))
            msg = f"{place} is {value!r}, which can't be read: {error.strerror}"
            raise ConfigurationError(msg) from error
        return path

    def otlp_timeout(self, *, default: float) -> float:
        """Return the seconds one export may take."""
        return self.milliseconds("otlp_timeout", self.otlp_variable("TIMEOUT"), default=default)

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the OTLP headers, lower-cased and sorted."""
        given = self._arguments.get("otlp_headers")
        place = self._place("otlp_headers", self.otlp_variable("HEADERS"))
        if given is None:
            pairs = unquote_pairs(self._variable(place), place)
        elif isinstance(given, Mapping):
            pairs = strings(cast("object", given), place)
        else:
            raise ConfigurationError(f"otlp_headers is {given!r}; pass a dict of strings")
        for key, value in pairs.items():
            if not _HEADER_NAME.fullmatch(key) or not _HEADER_VALUE.fullmatch(value):
                # Without the value, which may be a secret.
                msg = f"{place} has {key!r}, which can't be sent: a name is letters, digits and"
                raise ConfigurationError(f"{msg} hyphens, a value printable ASCII")
        return tuple(sorted((key.lower(), value) for key, value in pairs.items()))

    def _place(self, argument: str | None, variable: str) -> str:
        """Return the name the user set, so that the message can be acted upon."""
        given = argument is not None and self._arguments.get(argument) is not None
        return f"{argument}" if given else variable


def strings(given: object, argument: str) -> dict[str, str]:
    """Return a mapping with its keys and values as strings.

    Raises:
        ConfigurationError: When a value is None, such as of a variable that is not set.
    """
    items = cast("Mapping[object, object]", given).items()
    for key, value in items:
        if value is None:
            raise ConfigurationError(f"{argument} has None for {key!r}; leave it out or set it")
    return {str(key): str(value) for key, value in items}


def unquote_pairs(text: str, variable: str) -> dict[str, str]:
    """Parse ``key=value,key=value`` with percent-encoded values (W3C Baggage, as OTel says).

    Raises:
        ConfigurationError: When a part has no ``=`` or no key.
    """
    pairs: dict[str, str] = {}
    for number, piece in enumerate(text.split(","), 1):
        part = piece.strip()
        if not part:
            continue
        key, separator, value = part.partition("=")
        if not separator or not key.strip():
            # Without the part, which may be a secret of a header.
            msg = (
                f"{variable} has no key and value in part {number}; it must be key=value,key=value"
            )
            raise ConfigurationError(msg)
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs
