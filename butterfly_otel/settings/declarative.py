"""Settings from a file in OpenTelemetry's declarative configuration, ``OTEL_CONFIG_FILE``.

What there is in it of metrics is read as arguments are, each under its place in the file. What
can't be done is refused, and nothing of it is passed over in silence. Other signals are not ours.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process.frozen import NamedTuple
from butterfly_otel.process.text import printable
from butterfly_otel.settings.declared_readers import Section, readers
from butterfly_otel.settings.kinds import Given, Kind, text, unquoted
from butterfly_otel.settings.relations import DISABLED

if TYPE_CHECKING:
    from collections.abc import Mapping

_logger = logging.getLogger("butterfly_otel")

#: Settings of metrics that a file says nothing of without a meter provider.
_METRICS: Final = "meter_provider"
#: Set from outside by whoever runs the process, beside any file.
_RESOURCE_VARIABLES: Final = frozenset({"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"})
_OURS: Final = frozenset({"file_format", "disabled", "resource", _METRICS})
_MAJOR: Final = "1"


class Placed(NamedTuple):
    """A value of a file.

    Attributes:
        value: The value, as an argument has it.
        place: Where it stands, for errors.
    """

    value: object
    place: str


class Declarative(NamedTuple):
    """A file that was read.

    Attributes:
        path: The file.
        values: What it says, by the names of settings.
        views: Its ``meter_provider.views``.
        has_metrics: Whether it has a meter provider, and decides all that variables would.
    """

    path: Path
    values: Mapping[str, Placed]
    views: tuple[Mapping[str, Any], ...]
    has_metrics: bool

    def variables(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return the variables that are read beside the file: none of OpenTelemetry's.

        OTEL_SDK_DISABLED stays where it switches off, which the SDK does by itself.
        """
        return {
            name: value
            for name, value in environ.items()
            if not self._replaces(name, value.strip().lower())
        }

    def _replaces(self, variable: str, value: str) -> bool:
        if variable in _RESOURCE_VARIABLES:
            return True
        if variable == DISABLED:
            return value != "true" and DISABLED in self.values
        return self.has_metrics and variable.startswith("OTEL_")


def _read(given: Given) -> Declarative:
    """Return the file whose path is given.

    Raises:
        ConfigurationError: When it can't be read, breaks the schema, or asks for what can't be
            done; the message names file and key.
    """
    from butterfly_otel.views.documents import (  # noqa: PLC0415 - an extra
        CONFIGURATION,
        load_document,
    )

    path = Path(text(given))
    document = load_document(path, noun=CONFIGURATION, variables=given.environ)
    top = Section(document, f"in {printable(str(path))}")
    version = str(document["file_format"])
    if version.partition(".")[0] != _MAJOR:
        raise top.refused("file_format", f"is {version!r}, and only {_MAJOR}.x is known")
    values: dict[str, Placed] = {}
    if document.get("disabled") is not None:
        values[DISABLED] = Placed(document["disabled"], top.place("disabled"))
    resource = top.section("resource")
    if resource is not None:
        values["resource_attributes"] = Placed(
            _attributes(resource), top.place("resource.attributes")
        )
    metrics = top.section(_METRICS)
    views: tuple[Mapping[str, Any], ...] = ()
    if metrics is not None:
        metrics.refuse("meter_configurator/development", "can't be done: drop meters by views")
        values |= {key: Placed(*each) for key, each in readers(metrics).items()}
        if metrics.get("exemplar_filter") is not None:
            place = metrics.place("exemplar_filter")
            values["exemplar_filter"] = Placed(metrics.get("exemplar_filter"), place)
        views = tuple(cast("list[Mapping[str, Any]]", metrics.get("views") or ()))
    if others := sorted(set(document) - _OURS):
        _logger.debug("%s: %s are not of metrics, and left to others", path, ", ".join(others))
    return Declarative(path, values, views, metrics is not None)


def _attributes(resource: Section) -> dict[str, str]:
    """Return the attributes of a resource; those that are listed one by one beat the list."""
    resource.refuse("detection/development", "can't be done: name the attributes one by one")
    resource.refuse("schema_url", "can't be done: leave it out")
    listed = resource.get("attributes_list")
    place = resource.place("attributes_list")
    found = {} if listed is None else unquoted(str(listed), place)
    for number, each in enumerate(cast("list[dict[str, Any]]", resource.get("attributes") or ())):
        value: object = each["value"]
        if isinstance(value, list):
            place = resource.place(f"attributes.{number}")
            raise ConfigurationError(
                f"{place} has a list for {each['name']}, which can't be done: write one text"
            )
        if value is not None:
            found[each["name"]] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def file_shown(value: object) -> str:
    """Show a file by its path, whatever is in it."""
    return repr(str(value.path)) if isinstance(value, Declarative) else repr(value)


CONFIG_FILE: Final = Kind(_read, "str | PathLike[str]")
