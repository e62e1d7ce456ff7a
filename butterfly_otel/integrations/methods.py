"""Which requests are measured, and as which of the contract's methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from butterfly_otel.decorators.checks import require_function
from butterfly_otel.decorators.red import Method
from butterfly_otel.decorators.red_series import METHODS, ROLES
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.integrations.templates import PARAMETER
from butterfly_otel.process.contain import ask

if TYPE_CHECKING:
    from butterfly_otel.decorators.red import Role

#: What is asked for, by route template such as ``/v1/models/{name}`` or ``POST /v1/generate``.
RouteMethods: TypeAlias = Mapping[str, Method]

#: What no path has, and no template beside its parameters: it would never be found.
_LEFT: Final = frozenset("?#{}<>")
_VERB: Final = re.compile(r"(?:(?P<verb>[A-Z]+) +)?(?P<template>/\S*)")
#: A browser's question whether it may ask; nobody's request, whatever route it is for.
_PREFLIGHT: Final = "OPTIONS"
_ANY: Final = ""


class Routes:
    """The methods of route templates.

    A template is a path as the application's own routes have it: relative to where it is
    mounted, with ``{name}`` or ``<name>`` for a segment, and ``{name:path}`` or ``<path:name>``
    for any number of them. Before it may stand the HTTP method it is for; without, it is for
    every one but OPTIONS. A path without parameters beats templates, which are tried in order.
    Immutable and thread-safe.

    >>> routes = Routes({"POST /v1/{model}/generate": "inference", "/healthz": "health_check"})
    >>> routes.find("POST", "/v1/llama/generate"), routes.find("GET", "/v1/llama/generate")
    ('inference', None)

    Raises:
        ConfigurationError: When a template is no path, or a method is not in the contract.
    """

    __slots__ = ("_exact", "_patterns", "templates")

    def __init__(self, methods: RouteMethods) -> None:
        self._exact: dict[str, dict[str, Method]] = {}
        self._patterns: list[tuple[re.Pattern[str], str, Method]] = []
        templates: list[tuple[str, str]] = []
        for key, method in cast("Mapping[object, Method]", methods).items():
            require_method(method, f"the route {key!r}")
            parts = _VERB.fullmatch(key) if isinstance(key, str) else None
            if parts is None or not _LEFT.isdisjoint(PARAMETER.sub("", parts["template"])):
                msg = (
                    f"the route {key!r} is no template; write its path from the slash on, such as"
                    " '/v1/generate' or '/v1/{model}/generate', if need be after an HTTP method, as"
                    " in 'POST /v1/generate'"
                )
                raise ConfigurationError(msg)
            verb, template = parts["verb"] or _ANY, parts["template"]
            templates.append((verb, template))
            if PARAMETER.search(template) is None:
                self._exact.setdefault(template, {})[verb] = method
            else:
                self._patterns.append((_compiled(template), verb, method))
        #: Each by HTTP method, which may be empty, and path.
        self.templates = tuple(templates)

    def find(self, verb: str, path: str) -> Method | None:
        """Return the method of a request, None where no template is for it."""
        exact = self._exact.get(path)
        if exact is not None:
            method = exact.get(verb)
            if method is None and verb != _PREFLIGHT:
                method = exact.get(_ANY)
            if method is not None:
                return method
        for pattern, its_verb, method in self._patterns:
            for_it = its_verb == verb or (its_verb == _ANY and verb != _PREFLIGHT)
            if for_it and pattern.fullmatch(path) is not None:
                return method
        return None


def _compiled(template: str) -> re.Pattern[str]:
    expression, end = "", 0
    for found in PARAMETER.finditer(template):
        segments = "path" in {found["curly"], found["angle"]}
        expression += re.escape(template[end : found.start()]) + (".*" if segments else "[^/]+")
        end = found.end()
    return re.compile(expression + re.escape(template[end:]), re.DOTALL)


def asked(
    method: RouteMethods | Callable[[Any], Method | None], found: Callable[[Any], Method | None]
) -> Callable[[Any], Method | None]:
    """Return what names the method of a request: a caller's function, contained, or ``found``."""
    if not callable(method):
        return found
    return lambda request: ask(method, None, request)


def require_mapping(method: object, example: str, asked_of: str) -> None:
    """Refuse what is neither a mapping nor a function of what ``asked_of`` says.

    Raises:
        ConfigurationError: With an example of a mapping.
    """
    if callable(method):
        require_function("method", method, asked_of)
    elif not isinstance(method, Mapping):
        msg = f"method is {method!r}; pass a mapping such as {example}, or a function"
        raise ConfigurationError(msg)


def require_method(method: object, place: str) -> None:
    """Refuse a method that is not in the contract.

    Raises:
        ConfigurationError: With the methods there are.
    """
    if method not in METHODS:
        msg = f"{place} has the method {method!r}, which is none of {', '.join(METHODS)}"
        raise ConfigurationError(msg)


def require_role(role: Role | None) -> None:
    """Refuse a role that is not in the contract.

    Raises:
        ConfigurationError: With the roles there are.
    """
    if role is not None and role not in ROLES:
        raise ConfigurationError(f"node_role is {role!r}, which is none of {', '.join(ROLES)}")
