"""From groups to labels: attributes that are defined once, referred to and inherited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from butterfly_otel.catalog.model import Label
from butterfly_otel.catalogs import defaults, notes
from butterfly_otel.catalogs.shapes import is_mapping
from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from butterfly_otel.catalog.model import LabelKind, ValueType
    from butterfly_otel.catalogs.groups import Group

    #: An attribute with all that it refers to.
    Attribute = Mapping[str, Any]

_TYPES: dict[str, ValueType] = {
    "string": "string",
    "int": "int",
    "double": "double",
    "boolean": "boolean",
}
_FLAGS = ("false", "true")
#: Kinds of labels that have a vocabulary, or values that are known.
_NAMED = frozenset({"closed", "open"})


class Attributes:
    """The attributes that groups define, and what groups have of them.

    Args:
        groups: Groups of the contract.
        further: Groups that it may refer to besides; what is defined in it goes before.
    """

    def __init__(self, groups: Iterable[Group], further: Callable[[], Iterable[Group]]) -> None:
        self._groups = {group.id: group for group in groups}
        self._further = further
        self._known: dict[str, Group] | None = None
        self._defined = _defined(self._groups.values())
        self._also: dict[str, tuple[Group, Attribute]] | None = None

    def group(self, name: str) -> Group | None:
        """Return the group of an id, if there is any."""
        found = self._groups.get(name)
        if found is None:
            if self._known is None:
                self._known = {group.id: group for group in self._further()}
            found = self._known.get(name)
        return found

    def extended(self, group: Group) -> Group | None:
        """Return the group that one extends, if it does.

        Raises:
            CatalogError: When there is no such group.
        """
        name = group.data.get("extends")
        if name is None:
            return None
        found = self.group(str(name))
        if found is None:
            what = f"extends {shown(name)}, which is the id of no group"
            raise group.fail(f"{what}; name one of the contract's or of Butterfly's metrics")
        return found

    def of(self, group: Group, below: tuple[str, ...] = ()) -> dict[str, Attribute]:
        """Return the attributes of a group, what it inherits first, by their names.

        Raises:
            CatalogError: When what it refers to does not exist, or extends itself.
        """
        if group.id in below:
            raise group.fail(f"extends itself, by {' and '.join(below)}; take one extends away")
        parent = self.extended(group)
        found = {} if parent is None else dict(self.of(parent, (*below, group.id)))
        for each in group.attributes:
            name = str(each.get("ref") or each.get("id"))
            base = found.get(name) if "ref" in each else None
            if "ref" in each and base is None:
                base = self._definition(name, group)
            found[name] = each if base is None else _merged(base, each)
        return found

    def _definition(self, name: str, group: Group) -> Attribute:
        found = self._defined.get(name)
        if found is None:
            if self._also is None:
                self._also = _defined(self._further())
            found = self._also.get(name)
        if found is None:
            what = f"refers to the attribute {shown(name)}, which nothing defines"
            raise group.fail(f"{what}; define it once by id and type, or load its folder too")
        return found[1]


def _defined(groups: Iterable[Group]) -> dict[str, tuple[Group, Attribute]]:
    found: dict[str, tuple[Group, Attribute]] = {}
    for group in groups:
        for each in group.attributes:
            if "id" not in each:
                continue
            name = str(each["id"])
            other, known = found.setdefault(name, (group, each))
            if known is not each and known != each:
                what = f"is defined here and in {other.id}; define it once and use ref elsewhere"
                raise group.fail_at(name)(what)
    return found


def _merged(base: Attribute, each: Attribute) -> Attribute:
    """Return an attribute as a reference changes it."""
    above: dict[str, Any] = base.get("annotations") or {}
    said: dict[str, Any] = {**above, **(each.get("annotations") or {})}
    before: object = above.get(notes.OURS)
    after: object = said.get(notes.OURS)
    if is_mapping(before) and is_mapping(after):
        said[notes.OURS] = {**before, **after}
    changed = {key: value for key, value in each.items() if key != "ref"}
    return {**base, **changed, **({"annotations": said} if said else {})}


def is_label(attribute: Attribute) -> bool:
    """Tell whether an attribute is a label: no list or template that may be left out anyway."""
    given = attribute.get("type")
    many = isinstance(given, str) and (given == "any" or given.endswith("]"))
    return not many or attribute.get("requirement_level") == "required"


def label_of(attribute: Attribute, fail: Callable[[str], Exception]) -> Label:
    """Return the label that an attribute is.

    Args:
        attribute: It, with all that it refers to.
        fail: Returns the error that says what is wrong with it.

    Raises:
        CatalogError: By ``fail``.
    """
    said = notes.ours(attribute, notes.ATTRIBUTE, fail)
    given, members = _type(attribute, fail)
    kind = _kind(said, given, members)
    values = _values(said, given, members, fail) if kind in _NAMED else ()
    if kind == "closed" and not values:
        raise fail("it is closed and has no members; list them, or write another kind")
    if kind == "closed" and "budget" in said:
        raise fail("it is closed, so its members are its budget; take the budget away")
    budget = 0 if kind == "closed" else max(said.get("budget", defaults.BUDGET), len(values))
    if budget > said.get("budget", budget):
        raise fail(f"its budget is {said['budget']}, less than its {len(values)} known values")
    default = said.get("default", notes.NO_DEFAULT)
    if default == notes.NO_DEFAULT:
        required = attribute.get("requirement_level") == "required"
        default = None if required else "empty"
    return Label(
        key=str(attribute["id"]),
        kind=kind,
        help=" ".join(str(attribute.get("brief") or "").split()),
        values=values,
        budget=budget,
        default=default,
        keep=said.get("keep", "first"),
        type=given,
    )


def _type(
    attribute: Attribute, fail: Callable[[str], Exception]
) -> tuple[ValueType, tuple[str, ...]]:
    """Return the type of an attribute's values, and the members of an enumeration."""
    given: object = attribute.get("type")
    if isinstance(given, str) and given in _TYPES:
        return _TYPES[given], _FLAGS if given == "boolean" else ()
    if is_mapping(given) and given.get("members"):
        found: list[Any] = [each["value"] for each in given["members"]]
        kind: ValueType = "int" if all(type(each) is int for each in found) else "string"
        # A renamed member has the value of its successor.
        return kind, tuple(dict.fromkeys(map(str, found)))
    what = f"its type is {shown(given)}, and a label has one plain value"
    raise fail(f"{what}; write string, int, double, boolean, or members")


def _kind(said: Mapping[str, Any], given: ValueType, members: tuple[str, ...]) -> LabelKind:
    if "kind" in said:
        return cast("LabelKind", said["kind"])
    if said.get("default") in {"node_id", "node_role"}:
        return "identity" if said["default"] == "node_id" else "closed"
    if members and members != (defaults.REST,):
        return "closed"
    if "values" in said or members:
        return "open"
    return "closed" if given == "boolean" else "bounded"


def _values(
    said: Mapping[str, Any],
    given: ValueType,
    members: tuple[str, ...],
    fail: Callable[[str], Exception],
) -> tuple[str, ...]:
    """Return a label's vocabulary: an enumeration's, or a part of it."""
    if "values" not in said:
        return members
    chosen = tuple(map(_text, said["values"]))
    foreign = [each for each in chosen if members and each not in members]
    if foreign:
        raise fail(f"{shown(foreign[0])} is a value and not a member; it has {', '.join(members)}")
    if given == "int" and not all(each.lstrip("-").isdigit() for each in chosen):
        raise fail("its type is int and its values are not; write whole numbers")
    return chosen


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
