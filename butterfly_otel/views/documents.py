"""A file in OpenTelemetry's declarative-configuration schema, read whatever it holds.

YAML can say more than the schema's JSON can: dates, sets, bytes, keys that are not strings,
parts that repeat or contain themselves. A few hundred bytes of it can stand for gigabytes. So a
file becomes plain data within limits first, and the official schema judges that.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.errors import ConfigurationError, ViewError
from butterfly_otel.process.text import printable
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What errors call a file: one whose Views are all that is read of it, and one of settings.
OVERLAY, CONFIGURATION = "overlay", "configuration file"
#: What the schema finds wrong that it says by names of keys alone.
_NAMING = frozenset({"additionalProperties", "required"})
_MAX_BYTES = 1 << 20
#: Characters of the values, each counted as often as it is referred to, and so many a value.
_MAX_SIZE, _VALUE_SIZE = 1 << 21, 16
_MAX_DEPTH = 50
_MAX_INT = 1 << 63
_SHOWN = 300


def load_document(
    source: Path, *, noun: str = OVERLAY, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a declarative configuration, validated by the official schema.

    Args:
        source: The file.
        noun: What errors call it. An overlay needs no reader, which the schema demands.
        variables: The environment, where the file may refer to it.

    Raises:
        ViewError: When the file can't be read, is not YAML, or breaks the schema.
        ConfigurationError: When the ``views`` extra is not installed.
    """
    try:
        import jsonschema  # noqa: PLC0415 - optional extra
        import yaml  # noqa: PLC0415

        from butterfly_otel.views import safe_yaml  # noqa: PLC0415

        schema = _schema()
    except ImportError as error:
        msg = (
            f"reading the {noun} {printable(str(source))} needs the extra 'views':"
            " pip install 'butterfly-otel[views]'"
        )
        raise ConfigurationError(msg) from error
    text = _read(source, noun)
    try:
        loaded = safe_yaml.parse(text, variables=variables)
    except yaml.YAMLError as error:
        said = str(error) if variables is None else _without_snippet(error)
        raise wrong(source, f"is not YAML: {said}", noun) from error
    if not isinstance(loaded, dict):
        raise wrong(source, "is not a mapping with file_format and meter_provider", noun)
    plain = _Plain(source, noun)
    document = cast("dict[str, Any]", plain.of(cast("object", loaded), ()))
    checked = _with_reader(document) if noun == OVERLAY else document
    try:
        jsonschema.validate(checked, schema)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path)) or "top level"
        said = error.message
        if variables is not None and error.validator not in _NAMING:
            # What it shows may be, or have, a secret.
            said = f"its value does not fit {error.validator} {error.validator_value}"
            if error.validator == "type":
                said += "; in quotes, a variable stays a text"
        what = f"breaks OpenTelemetry's configuration schema at {where}: {said}"
        raise wrong(source, what, noun) from error
    return document


def _without_snippet(error: Any) -> str:  # noqa: ANN401 - a YAMLError
    """Say what is wrong without a line of the file, which may have a secret."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = "" if mark is None else f" in line {mark.line + 1}"
    return f"{problem or 'it is not a document'}{where}"


def _schema() -> Any:  # noqa: ANN401 - JSON
    """Return the official schema.

    Raises:
        ImportError: When the package that has it is not installed.
    """
    # Not by importing the package, which wants the SDK of its own release.
    spec = find_spec("opentelemetry.configuration")
    if spec is None or spec.origin is None:
        raise ImportError(name="opentelemetry.configuration")
    return json.loads(Path(spec.origin).with_name("schema.json").read_bytes())


def wrong(source: Path, what: str, noun: str = OVERLAY) -> ViewError:
    """Return the error that says what is wrong with a file: one sentence, whatever is in it."""
    line = printable(" ".join(what.split()))
    if len(line) > _SHOWN:
        line = f"{line[:_SHOWN]}…"
    where = printable(str(source))
    # Written out, so that who looks for the words finds them.
    if noun == OVERLAY:
        return ViewError(f"the overlay {where} {line}")
    return ViewError(f"the configuration file {where} {line}")


def _read(source: Path, noun: str) -> str:
    try:
        with source.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise wrong(source, f"can't be read: {error.strerror or error}", noun) from error
    except ValueError as error:  # a NUL in the path, or what no file name can have
        raise wrong(source, f"can't be read: its path is not one, {error}", noun) from error
    if len(data) > _MAX_BYTES:
        raise wrong(source, f"can't be read: it is larger than {_MAX_BYTES >> 20} MiB", noun)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(source, f"is not YAML: {error}", noun) from error


class _Plain:
    """Turns what YAML says into what JSON can say, within limits.

    Args:
        source: The file, for errors.
        noun: What they call it.
    """

    def __init__(self, source: Path, noun: str) -> None:
        self._source = source
        self._noun = noun
        self._left = _MAX_SIZE

    def of(self, value: object, where: tuple[str, ...]) -> object:
        """Return plain data of its own: parts that are shared in YAML are copied."""
        self._left -= _VALUE_SIZE + (len(value) if isinstance(value, str) else 0)
        if self._left < 0:
            raise self._wrong(f"stands for more than {_MAX_SIZE >> 20} MiB of values")
        if len(where) > _MAX_DEPTH:
            raise self._wrong(f"nests deeper than {_MAX_DEPTH} levels")
        if isinstance(value, dict):
            return dict(self._items(cast("dict[object, object]", value), where))
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self.of(item, (*where, str(at))) for at, item in enumerate(items)]
        if isinstance(value, int) and abs(value) >= _MAX_INT:
            raise self._refused(where, "is an integer beyond 64 bits")
        if value is None or isinstance(value, (str, int, float)):
            return value
        raise self._refused(where, f"is a {type(value).__name__}, which JSON does not have")

    def _items(
        self, mapping: dict[object, object], where: tuple[str, ...]
    ) -> Iterator[tuple[str, object]]:
        for key, value in mapping.items():
            if not isinstance(key, str):
                raise self._refused(where, f"has a key that is not a string but {shown(key)}")
            self._left -= len(key)
            yield key, self.of(value, (*where, key))

    def _refused(self, where: tuple[str, ...], what: str) -> ViewError:
        return self._wrong(f"can't be used: {'.'.join(where) or 'the top level'} {what}")

    def _wrong(self, what: str) -> ViewError:
        return wrong(self._source, what, self._noun)


def _with_reader(document: dict[str, Any]) -> dict[str, Any]:
    """Add the reader that the schema demands and an overlay has no use for."""
    provider = document.get("meter_provider")
    if not isinstance(provider, dict) or "readers" in provider:
        return document
    reader = {"periodic": {"exporter": {"console": None}}}
    return {**document, "meter_provider": {**provider, "readers": [reader]}}
