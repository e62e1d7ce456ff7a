"""What a value of a file is, for type checkers as well."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Tell whether it is a list."""
    return isinstance(value, list)


def is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether it is a mapping; those of a file that was read have texts for keys."""
    return isinstance(value, dict)
