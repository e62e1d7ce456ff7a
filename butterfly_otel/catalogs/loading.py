"""Contracts from where they are: a file or a folder of YAML, or a Python module."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from butterfly_otel import catalog
from butterfly_otel.catalog.model import Catalog
from butterfly_otel.catalogs import notes
from butterfly_otel.catalogs.attributes import Attributes
from butterfly_otel.catalogs.groups import Group, files_of, read_groups, validate, wrong
from butterfly_otel.catalogs.metrics import metric_of
from butterfly_otel.catalogs.writing import groups_of
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_OURS = "Butterfly's contract"


def load(source: str | Path) -> Catalog:
    """Return the contract that a source has.

    Args:
        source: A file of YAML in the format of OpenTelemetry's semantic conventions, a folder of
            such files, or ``module:ATTRIBUTE``, the name of a :class:`Catalog` in Python.

    Raises:
        CatalogError: When there is none, or it is not one: the message names the file, the group
            and the key. Whether names and units are as they should be is the lint rules' matter.
        ConfigurationError: When the extra ``views`` is missing, which reading YAML needs.
    """
    named = _ATTRIBUTE.fullmatch(source) if isinstance(source, str) else None
    if named is not None and not _exists(source):
        return _imported(str(source), *named.groups())
    if not str(source).strip():
        raise wrong("''", "the source is empty; give a file, a folder or module:ATTRIBUTE")
    return _read(Path(source))


def _exists(source: str | Path) -> bool:
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False


def _imported(source: str, module: str, attribute: str) -> Catalog:
    try:
        found: object = getattr(import_module(module), attribute)
    except ImportError as error:
        what = f"the module {module} can't be imported, {error}"
        raise wrong(source, f"{what}; install it, or start where it is") from error
    except AttributeError as error:
        raise wrong(source, f"the module {module} has no {attribute}; name its Catalog") from error
    if not isinstance(found, Catalog):
        raise wrong(source, f"is {shown(found)}; name a butterfly_otel.Catalog")
    return found


def _read(source: Path) -> Catalog:
    files = files_of(source)
    groups = read_groups(files)
    for group in groups:
        if group.data["type"] != "metric":
            validate(group, group.data)
    whole = _whole(groups)
    name = str(whole.get("name") or source.resolve().stem)
    attributes = Attributes(groups, _known)
    metrics = [
        (group, metric_of(group, attributes, name))
        for group in groups
        if group.data["type"] == "metric"
    ]
    if not metrics:
        raise wrong(str(source), "there is no group of type: metric; add one")
    seen: dict[str, Group] = {}
    for group, metric in metrics:
        other = seen.setdefault(metric.name, group)
        if other is not group:
            raise group.fail(f"the metric {metric.name} is that of {other.id} too; rename one")
    return Catalog(
        name=name,
        meter=whole.get("meter", name),
        metrics=tuple(metric for _, metric in metrics),
        prefix=whole.get("prefix", ""),
        exceptions=tuple(
            (each["rule"], each["metric"], " ".join(each["reason"].split()))
            for each in whole.get("exceptions", ())
        ),
    )


def _whole(groups: Iterable[Group]) -> dict[str, Any]:
    """Return what groups say of the contract as a whole."""
    found: dict[str, Any] = {}
    for group in groups:
        known = notes.METRIC if group.data["type"] == "metric" else notes.GROUP
        said = notes.ours(group.data, known, group.fail).get("catalog", {})
        where = f"annotations.{notes.OURS}.catalog"
        for key, value in notes.checked(said, notes.CATALOG, group.fail, where).items():
            if key == "exceptions":
                found[key] = [*found.get(key, ()), *value]
            elif found.setdefault(key, value) != value:
                what = f"{where}.{key} is {shown(value)}, and elsewhere {shown(found[key])}"
                raise group.fail(f"{what}; say it once")
    return found


def _known() -> Iterator[Group]:
    """Yield Butterfly's own groups, which any contract may refer to."""
    for each in groups_of(catalog.BUTTERFLY):
        yield Group(_OURS, each)
