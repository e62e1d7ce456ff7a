"""Sections of a YAML file with known keys: texts, flags, numbers, durations and lists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process.text import printable
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: As YAML 1.1 has them, which Prometheus' parser follows.
_TRUE: Final = {"true", "yes", "on", "y"}
_FALSE: Final = {"false", "no", "off", "n"}
#: What time.ParseDuration of Go takes.
_DURATION: Final = re.compile(r"([0-9]*\.?[0-9]+|[0-9]+\.)(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}


class Section:
    """A mapping of a file whose keys are known.

    Args:
        file: What names the file, for errors: such as ``web_config is 'web.yml'``.
        name: The section's path of keys; empty for the whole file.
        value: What is there; None is an empty section.
        known: The keys that there may be.

    Raises:
        ConfigurationError: When it is no mapping, or has a key that is not known.
    """

    def __init__(self, file: str, name: str, value: object, known: Collection[str]) -> None:
        self._file = file
        self._name = name
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.wrong("", "is not a mapping of keys to values")
        self._values = cast("Mapping[object, object]", value)
        for key in self._values:
            if key not in known:
                raise self.wrong(
                    "",
                    f"has the key {shown(key)}, which is unknown: use {', '.join(known)}",
                )

    def __contains__(self, key: str) -> bool:
        """Whether a key has a value."""
        return self._values.get(key) is not None

    def where(self, key: str = "") -> str:
        """Return how errors name a key, or the whole section."""
        path = ".".join(part for part in (self._name, key) if part)
        return f"{self._file}, where {path}" if path else f"{self._file}, which"

    def wrong(self, key: str, what: str) -> ConfigurationError:
        """Return the error for a key, or for the whole section."""
        return ConfigurationError(f"{self.where(key)} {what}")

    def value(self, key: str) -> object:
        """Return what is there, whatever it is; None where nothing is."""
        return self._values.get(key)

    def text(self, key: str, default: str = "") -> str:
        """Return a text."""
        return self._text(key, self._values.get(key), default)

    def _text(self, key: str, value: object, default: str) -> str:
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.wrong(key, "is not a text")
        return value

    def choice(self, key: str, default: str, allowed: Collection[str]) -> str:
        """Return one of the texts that are allowed."""
        value = self.text(key, default)
        if value not in allowed:
            choices = ", ".join(each for each in allowed if each)
            raise self.wrong(key, f"is {shown(value)}: it must be one of {choices}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return a yes or a no."""
        value = self.text(key).lower()
        if value and value not in _TRUE | _FALSE:
            raise self.wrong(key, f"is {shown(value)}: it must be true or false")
        return value in _TRUE if value else default

    def count(self, key: str) -> int:
        """Return a whole number, 0 where none is."""
        value = self.text(key, "0")
        if not value.isascii() or not value.isdigit() or len(value) > 9:  # noqa: PLR2004 - digits
            raise self.wrong(key, f"is {shown(value)}: it must be a whole number")
        return int(value)

    def seconds(self, key: str) -> float:
        """Return a duration such as ``1s`` or ``1m30s``, 0.0 where none is."""
        value = self.text(key, "0")
        rest = value.removeprefix("+")
        if rest == "0":
            return 0.0
        if not rest or _DURATION.sub("", rest):
            raise self.wrong(key, f"is {shown(value)}: it must be a duration such as 1s or 1m30s")
        return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(rest))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; one text is a list as well."""
        value = self._values.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return tuple(self._text(key, each, "") for each in cast("list[object]", value))

    def mapping(self, key: str) -> dict[str, str]:
        """Return texts by text."""
        value = self._values.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(key, "is not a mapping of keys to values")
        found: dict[str, str] = {}
        for each, text in cast("Mapping[object, object]", value).items():
            if not isinstance(each, str) or not isinstance(text, (str, type(None))):
                # Without the value, which may be a secret.
                raise self.wrong(key, f"has {shown(each)}, which is not a text with a text")
            found[each] = text or ""
        return found

    def named(self, key: str, item: str) -> str:
        """Return how errors name an item of a key."""
        return f"{key}.{printable(item)}"
