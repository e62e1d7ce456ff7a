"""Route templates: which of them no route of the application is for."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_logger = logging.getLogger("butterfly_otel")

#: A parameter as Starlette, FastAPI, Flask and our own templates write it.
PARAMETER: Final = re.compile(
    r"\{\w+(?::(?P<curly>\w+))?\}|<(?:(?P<angle>\w+)(?:\([^)]*\))?:)?\w+>"
)
_ONE: Final = "*"
_ANY_NUMBER: Final = "**"
#: Kinds of parameters that are within one segment. Of any other nobody knows.
_WITHIN: Final = frozenset({None, "str", "string", "int", "float", "uuid", "any"})
#: Applications within applications; more would be a circle.
_DEEP: Final = 100


class Known(NamedTuple):
    """A route of an application.

    Attributes:
        path: Its template.
        verbs: The HTTP methods it is for; None where it does not say.
    """

    path: str
    verbs: frozenset[str] | None = None


def tell_unmatched(templates: Iterable[tuple[str, str]], app: object) -> None:
    """Log templates, given by HTTP method and path, that no route of an application is for.

    Says nothing of an application whose routes are not known.
    """
    known = routes_within(app)
    if known is None:
        return
    for verb, template in templates:
        if not any(_for(verb, template, route) for route in known):
            _logger.warning(
                "the route %r of the middleware's methods measures nothing: the application has no"
                " such route; write it as it is there, relative to where it is mounted",
                f"{verb} {template}".lstrip(),
            )


def _for(verb: str, template: str, route: Known) -> bool:
    answered = not verb or route.verbs is None or verb in route.verbs
    return answered and _meet(_segments(template), _segments(route.path))


def _segments(template: str) -> tuple[str, ...]:
    """Return what each segment of a path may be."""
    whole = PARAMETER.sub(
        lambda found: "\0" if found["curly"] or found["angle"] else "\1", template
    )
    kinds = iter(PARAMETER.finditer(template))
    segments: list[str] = []
    for text in whole.split("/"):
        parameters = [next(kinds) for _ in range(text.count("\0") + text.count("\1"))]
        beyond = any(not {each["curly"], each["angle"]} <= _WITHIN for each in parameters)
        segments.append((_ANY_NUMBER if beyond else _ONE) if parameters else text)
    return tuple(segments)


def _meet(one: Sequence[str], other: Sequence[str]) -> bool:
    """Tell whether there may be a path that both are for."""
    if not one or not other:
        return all(each == _ANY_NUMBER for each in (*one, *other))
    if _ANY_NUMBER in {one[0], other[0]}:
        return _meet(one[1:], other) or _meet(one, other[1:])
    return (_ONE in {one[0], other[0]} or one[0] == other[0]) and _meet(one[1:], other[1:])


def routes_within(app: Any) -> list[Known] | None:
    """Return the routes of an application that may be within middlewares; None: not known.

    Of Starlette, FastAPI, Flask and whatever has ``routes`` or a ``url_map`` as these do.
    """
    for _ in range(_DEEP):
        app = getattr(app, "__self__", app)  # of a bound method, such as Flask.wsgi_app
        if hasattr(app, "mounts"):  # a dispatcher, of which .app is but the last
            return None
        url_map: Any = getattr(app, "url_map", None)
        if hasattr(url_map, "iter_rules"):
            return [
                Known(rule.rule, None if rule.methods is None else frozenset(rule.methods))
                for rule in url_map.iter_rules()
            ]
        routes = getattr(app, "routes", None)
        if isinstance(routes, list):
            try:
                return list(_flat(cast("Iterable[Any]", routes), ""))
            except AttributeError:  # of another kind than Starlette's
                return None
        app = getattr(app, "app", None)
    return None


def _flat(routes: Iterable[Any], prefix: str) -> Iterator[Known]:
    for route in each_route(routes):
        within = getattr(route, "routes", None)
        if within is None:
            verbs = getattr(route, "methods", None)
            yield Known(prefix + route.path, None if verbs is None else frozenset(verbs))
        elif within:
            yield from _flat(within, prefix + getattr(route, "path", ""))
        else:  # an application that does not tell
            yield Known(f"{prefix}{getattr(route, 'path', '')}/{{rest:path}}")


def each_route(routes: Iterable[Any]) -> Iterator[Any]:
    """Return routes, and those of included routers, which newer versions of FastAPI keep apart."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            yield from (each.starlette_route or each for each in included())
