"""A file in OpenTelemetry's declarative-configuration schema, read whatever it holds.

It becomes plain data within limits first, and the official schema judges that.
"""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from butterfly_otel.errors import ConfigurationError, ViewError
from butterfly_otel.process.text import printable
from butterfly_otel.views.plain import plain, read_text

_SHOWN = 300


def load_document(source: Path) -> dict[str, Any]:
    """Return a declarative configuration, validated by the official schema.

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
            f"reading the overlay {printable(str(source))} needs the extra 'views':"
            " pip install 'butterfly-otel[views]'"
        )
        raise ConfigurationError(msg) from error
    fail = partial(wrong, source)
    try:
        loaded = safe_yaml.parse(read_text(source, fail))
    except yaml.YAMLError as error:
        raise wrong(source, f"is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise wrong(source, "is not a mapping with file_format and meter_provider")
    document = cast("dict[str, Any]", plain(cast("object", loaded), fail))
    try:
        jsonschema.validate(_with_reader(document), schema)
    except jsonschema.ValidationError as error:
        where = ".".join(map(str, error.absolute_path)) or "top level"
        what = f"breaks OpenTelemetry's configuration schema at {where}: {error.message}"
        raise wrong(source, what) from error
    return document


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


def wrong(source: Path, what: str) -> ViewError:
    """Return the error that says what is wrong with a file: one sentence, whatever is in it."""
    line = printable(" ".join(what.split()))
    if len(line) > _SHOWN:
        line = f"{line[:_SHOWN]}…"
    return ViewError(f"the overlay {printable(str(source))} {line}")


def _with_reader(document: dict[str, Any]) -> dict[str, Any]:
    """Add the reader that the schema demands and an overlay has no use for."""
    provider = document.get("meter_provider")
    if not isinstance(provider, dict) or "readers" in provider:
        return document
    reader = {"periodic": {"exporter": {"console": None}}}
    return {**document, "meter_provider": {**provider, "readers": [reader]}}
