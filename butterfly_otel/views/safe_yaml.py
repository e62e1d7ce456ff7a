"""YAML that raises nothing but ``YAMLError``, whatever it holds; needs PyYAML, an extra."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from butterfly_otel.process.values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_TEXT_TAGS = {_MERGE, "tag:yaml.org,2002:null"}
#: A reference to a variable; without a name, one that is none.
_REFERENCE = re.compile(
    r"\$\$|\$\{(?:(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<otherwise>[^\n}]*))?\}|[^}]*\}?)"
)
#: Keys that `<<` may bring in, in one document; each is counted as often as it is brought in.
_MAX_MERGED = 10_000
#: Levels as they are written; the schema has some ten.
_MAX_DEPTH = 50


def parse(text: str, *, texts: bool = False, variables: Mapping[str, str] | None = None) -> object:
    """Return what a YAML document says.

    Args:
        text: The document.
        texts: Whether numbers, flags and dates stay the texts they are written as.
        variables: What ``${NAME}`` and ``${NAME:-otherwise}`` stand for in values, as in
            OpenTelemetry's declarative configuration; None where they stand for themselves.

    Raises:
        yaml.YAMLError: When it is not one document of YAML, when a mapping has a key twice, or
            when a value is not what its tag or its looks say, such as the date ``2026-02-31``.
    """
    try:
        loader = (_TextLoader if texts else _Loader)(text)
        loader.variables = variables
        return cast("object", loader.get_single_data())
    except RecursionError:  # a merge of a mapping into itself
        msg = "it contains itself"
        raise yaml.YAMLError(msg) from None


class _Loader(yaml.SafeLoader):
    """PyYAML's, which takes the last of equal keys and converts values without a check."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._merged = 0
        self._depth = 0
        self.variables: Mapping[str, str] | None = None

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401 - of a mapping, a node
        self._depth += 1
        try:
            if self._depth > _MAX_DEPTH:
                msg = f"it nests deeper than {_MAX_DEPTH} levels"
                raise ComposerError(None, None, msg, self.get_mark())
            # A part that is referred to again was looked at where it stands.
            again = self.check_event(yaml.AliasEvent)
            node = super().compose_node(parent, index)
            # Of a mapping, keys come without an index.
            is_value = index is not None or not isinstance(parent, yaml.MappingNode)
            if isinstance(node, yaml.ScalarNode) and is_value and not again:
                self._substitute(node)
            return node
        finally:
            self._depth -= 1

    def _substitute(self, node: yaml.ScalarNode) -> None:
        """Put variables into a value; one that stands alone, unquoted, has the variable's type."""
        variables, written = self.variables, node.value
        if variables is None or node.tag != _TEXT or "$" not in written:
            return

        def value(found: re.Match[str]) -> str:
            if found[0] == "$$":
                return "$"
            if found["name"] is None:
                raise _error(node, f"{shown(found[0])} is not a variable, such as ${{NAME}}")
            # Set to nothing is set, as in the specification.
            return variables.get(found["name"], found["otherwise"] or "")

        node.value = _REFERENCE.sub(value, written)
        if node.style is None and _REFERENCE.fullmatch(written) and written != "$$":
            untyped = cast("Any", self)
            node.tag = untyped.resolve(yaml.ScalarNode, node.value, (True, False))

    def compose_mapping_node(self, anchor: dict[Any, yaml.Node]) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise _error(key, f"the key {shown(key.value)} is there twice")
                seen.add(key.value)
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for merged in _merged_by(node):
            self.flatten_mapping(merged)
            # Level by level, a few hundred bytes can bring in any number of keys.
            self._merged += len(merged.value)
            if self._merged > _MAX_MERGED:
                raise _error(node, f"merges bring in more than {_MAX_MERGED:,} keys")
        super().flatten_mapping(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:  # noqa: FBT001, FBT002 - as PyYAML has it
        try:
            return cast("object", super().construct_object(node, deep))
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception as error:
            value = shown(node.value) if isinstance(node, yaml.ScalarNode) else "this"
            kind = node.tag.rpartition(":")[2]
            raise _error(node, f"{value} is not a value of the type {kind}") from error


class _TextLoader(_Loader):
    """Takes a scalar for what it looks like only where that is nothing, or a merge."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML has it
        first: [each for each in resolvers if each[0] in _TEXT_TAGS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _merged_by(node: yaml.MappingNode) -> Iterator[yaml.MappingNode]:
    for key, value in node.value:
        if key.tag == _MERGE:
            each = value.value if isinstance(value, yaml.SequenceNode) else [value]
            yield from (one for one in each if isinstance(one, yaml.MappingNode))


def _error(node: yaml.Node, problem: str) -> ConstructorError:
    return ConstructorError(None, None, problem, node.start_mark)
