"""From files to groups: the YAML of a contract, read and held against Weaver's schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from butterfly_otel.catalogs.shapes import is_list, is_mapping
from butterfly_otel.errors import CatalogError, ConfigurationError
from butterfly_otel.process.text import printable
from butterfly_otel.process.values import shown
from butterfly_otel.views.plain import plain, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jsonschema import Draft202012Validator, ValidationError

    from butterfly_otel.views.plain import Fail

_SHOWN = 300
#: Files of a registry's folder that have no groups.
_MANIFESTS = frozenset({"manifest", "registry_manifest"})
#: Of groups whose keys we use, what the schema calls them.
_DEFINITIONS = {"metric": "MetricSemanticConvention", "attribute_group": "SemanticConvention"}
#: What Weaver wants and a contract can do without.
_STABILITY = "development"
#: What that was called before.
_OLD_STABILITY = "experimental"


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a file.

    Attributes:
        source: The file, as errors name it.
        data: The group, as the file has it; with ``id`` and ``type``.
    """

    source: str
    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What it is called."""
        return str(self.data["id"])

    @property
    def attributes(self) -> list[dict[str, Any]]:
        """Its attributes, as the file has them."""
        return list(self.data.get("attributes") or ())

    def fail(self, what: str) -> CatalogError:
        """Return the error that says what is wrong with it, in one sentence."""
        return wrong(self.source, f"{self.id}: {what}")

    def fail_at(self, attribute: str) -> partial[CatalogError]:
        """Return what makes the error that says what is wrong with an attribute."""
        return partial(_at, self, attribute)


def _at(group: Group, attribute: str, what: str) -> CatalogError:
    return group.fail(f"attribute {attribute}: {what}")


def wrong(source: str, what: str) -> CatalogError:
    """Return the error that says what is wrong with a contract: one line, whatever is in it."""
    line = printable(" ".join(what.split()))
    if len(line) > _SHOWN:
        line = f"{line[:_SHOWN]}…"
    return CatalogError(f"the contract {printable(source)}: {line}")


def files_of(source: Path) -> list[Path]:
    """Return the files of a contract: one, or those of a folder and the folders within."""
    if not source.is_dir():
        return [source]
    found = sorted(each for each in source.rglob("*") if each.suffix in {".yaml", ".yml"})
    found = [each for each in found if each.stem not in _MANIFESTS]
    if not found:
        raise wrong(str(source), "the folder has no file that ends with .yaml; add one with groups")
    return found


def read_groups(files: Iterable[Path]) -> list[Group]:
    """Return the groups of files, each true to Weaver's schema.

    Raises:
        CatalogError: When a file can't be read, is not YAML or breaks the schema.
        ConfigurationError: When the extra ``views`` is not installed.
    """
    found: list[Group] = []
    for file in files:
        found += _groups(str(file), _document(file))
    seen: dict[str, Group] = {}
    for each in found:
        other = seen.setdefault(each.id, each)
        if other is not each:
            raise each.fail(f"the id is there twice, in {other.source} too; give one another id")
    return found


def _document(file: Path) -> dict[str, Any]:
    fail = partial(wrong, str(file))
    try:
        import yaml  # noqa: PLC0415 - optional extra

        from butterfly_otel.views import safe_yaml  # noqa: PLC0415 - needs it

        _checker("SemanticConvention")
    except ImportError as error:
        msg = (
            f"reading the contract {printable(str(file))} needs the extra 'views':"
            " pip install 'butterfly-otel[views]'"
        )
        raise ConfigurationError(msg) from error
    try:
        loaded = safe_yaml.parse(read_text(file, fail))
    except yaml.YAMLError as error:
        raise fail(f"is not YAML: {error}") from error
    document = plain(loaded, fail)
    if not is_mapping(document):
        raise fail("it is not a mapping; begin it with groups:")
    return document


def _groups(source: str, document: dict[str, Any]) -> Iterator[Group]:
    if str(document.get("file_format", "")).startswith("definition/"):
        what = f"file_format is {document['file_format']}, which is not read; write groups, the"
        raise wrong(source, f"{what} format that Weaver reads without a file_format")
    unknown = sorted(set(document) - {"groups", "imports"})
    if unknown:
        what = f"the top level has {shown(unknown[0])}; it may have groups, and what they lack"
        raise wrong(source, f"{what} stands under their annotations")
    groups = document.get("groups")
    if not is_list(groups):
        raise wrong(source, "there is no list of groups; write groups: and a list under it")
    for at, each in enumerate(groups):
        if not is_mapping(each) or not isinstance(each.get("id"), str):
            raise wrong(source, f"group {at + 1} has no id; give it one, such as metric.my_total")
        group = Group(source, {"type": "span", **each})
        _shaped(group)
        yield group


def _shaped(group: Group) -> None:
    """Raise unless a group's attributes and annotations can be looked at."""
    attributes: object = group.data.get("attributes")
    if attributes is not None and not is_list(attributes):
        raise group.fail(f"its attributes are {shown(attributes)}; write a list")
    for at, each in enumerate(group.attributes):
        name = _name_of(each)
        if name is None:
            what = f"attribute {at + 1} is {shown(each)}; write a mapping with id and type"
            raise group.fail(f"{what}, or with ref")
        _annotated(each, group.fail_at(name))
    _annotated(group.data, group.fail)


def _name_of(attribute: object) -> str | None:
    """Return the name of an attribute, None where it is not one."""
    if not is_mapping(attribute) or ("id" in attribute) == ("ref" in attribute):
        return None
    name: object = attribute.get("id", attribute.get("ref"))
    return name if isinstance(name, str) else None


def _annotated(data: Mapping[str, Any], fail: Fail) -> None:
    said: object = data.get("annotations")
    if said is not None and not is_mapping(said):
        raise fail(f"its annotations are {shown(said)}; write a mapping")


def validate(group: Group, data: Mapping[str, Any]) -> None:
    """Hold a group against Weaver's schema.

    Args:
        group: The group.
        data: It, with what it inherits.

    Raises:
        CatalogError: When it breaks the schema.
    """
    name = _DEFINITIONS.get(str(data["type"]))
    if name is None:
        # Of another signal, only its attributes are ours to judge.
        name = "SemanticConvention"
        data = {"type": "attribute_group", "brief": "", "attributes": group.attributes}
        data = {"id": group.id, **data}
    error = _first_error(name, _complete(data))
    if error is not None:
        where = _where([*error.absolute_path], data)
        raise group.fail(f"{where}{error.message}; see OpenTelemetry's syntax of such groups")


def _first_error(name: str, data: Mapping[str, Any]) -> ValidationError | None:
    from jsonschema import exceptions  # noqa: PLC0415 - optional extra, which is there

    best_match: Any = exceptions.best_match  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType]
    found: ValidationError | None = best_match(_checker(name).iter_errors(data))
    return found


@lru_cache
def _checker(name: str) -> Draft202012Validator:
    import jsonschema  # noqa: PLC0415 - optional extra

    schema = json.loads(Path(__file__).with_name("semconv.schema.json").read_bytes())
    return jsonschema.Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"})


def _where(path: list[Any], data: Mapping[str, Any]) -> str:
    """Return where in a group an error is, attributes by their names."""
    named = [str(each) for each in path]
    if len(path) > 1 and path[0] == "attributes":
        attribute: dict[str, Any] = data["attributes"][path[1]]
        named[:2] = [f"attribute {attribute.get('id') or attribute.get('ref')}"]
    return f"{'.'.join(named)}: " if named else ""


def _complete(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a group with the stability that Weaver wants of all that has none."""
    found = _with_stability(data)
    if data.get("attributes"):
        found["attributes"] = [_stable(each) for each in data["attributes"]]
    return found


def _stable(attribute: dict[str, Any]) -> dict[str, Any]:
    if "id" not in attribute:
        return attribute
    found = _with_stability(attribute)
    kind: object = found.get("type")
    members = kind.get("members") if is_mapping(kind) else None
    if is_mapping(kind) and is_list(members):
        found["type"] = {**kind, "members": [*map(_member, members)]}
    return found


def _member(member: object) -> object:
    return _with_stability(member) if is_mapping(member) else member


def _with_stability(data: Mapping[str, Any]) -> dict[str, Any]:
    given = data.get("stability", _STABILITY)
    return {**data, "stability": _STABILITY if given == _OLD_STABILITY else given}
