"""A file in OpenTelemetry's declarative-configuration schema, read whatever it holds.

It becomes plain data within limits first, and the official schema judges that.
"""

from __future__ import annotations

import json
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.errors import ConfigurationError, ViewError
from butterfly_otel.process.text import printable
from butterfly_otel.views.plain import plain, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What errors call a file: one whose Views are all that is read of it, and one of settings.
OVERLAY, CONFIGURATION = "overlay", "configuration file"
#: What the schema finds wrong that it says by names of keys alone.
_NAMING = frozenset({"additionalProperties", "required"})
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
    fail = partial(wrong, source, noun=noun)
    try:
        loaded = safe_yaml.parse(read_text(source, fail), variables=variables)
    except yaml.YAMLError as error:
        said = str(error) if variables is None else _without_snippet(error)
        raise wrong(source, f"is not YAML: {said}", noun) from error
    if not isinstance(loaded, dict):
        raise wrong(source, "is not a mapping with file_format and meter_provider", noun)
    document = cast("dict[str, Any]", plain(cast("object", loaded), fail))
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


def _with_reader(document: dict[str, Any]) -> dict[str, Any]:
    """Add the reader that the schema demands and an overlay has no use for."""
    provider = document.get("meter_provider")
    if not isinstance(provider, dict) or "readers" in provider:
        return document
    reader = {"periodic": {"exporter": {"console": None}}}
    return {**document, "meter_provider": {**provider, "readers": [reader]}}
