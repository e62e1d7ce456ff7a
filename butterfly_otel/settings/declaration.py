"""What a declaration of a setting is: a field of a frozen dataclass that also says how it is read.

::

    @dataclass(frozen=True, repr=False, slots=True, kw_only=True)
    class Config(Declared):
        export_interval: float = setting(
            "export_interval",
            SECONDS,
            "OTEL_METRIC_EXPORT_INTERVAL",
            default=60.0,
            tells="Seconds between pushes.",
        )

To a type checker it is a field with a default. Everything else that is known of the setting, such
as its row on the page of settings, is made of what stands there.
"""

from __future__ import annotations

from dataclasses import MISSING, field, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, overload

from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.settings.kinds import Kind, Others

T = TypeVar("T")

_SETTING: Final = "setting"
_GROUP: Final = "group"


class Setting(NamedTuple):
    """What is declared of one setting.

    Attributes:
        name: The argument of ``configure()``; empty where only a variable sets it.
        kind: How it is read.
        variables: The environment variables that stand for it; the first that is set decides.
        default: Its value where nothing is given. None where ``otherwise`` finds that.
        otherwise: Finds the value where nothing is given, from other settings.
        tells: What it does: sentences for the docstring, with the default only where it can't
            be told by a value.
        secret: Shows a value without what is secret in it. None where nothing can be.
        annotation: The type of its field, as source text.
    """

    name: str
    kind: Kind[Any]
    variables: tuple[str, ...]
    default: object
    otherwise: Callable[[Others], Any] | None
    tells: str
    secret: Callable[[object], str] | None
    annotation: str = ""

    @property
    def key(self) -> str:
        """How other settings ask for it."""
        return self.name or self.variables[0]

    @property
    def takes(self) -> str:
        """The type of its argument, as source text."""
        return self.kind.takes or self.annotation.removesuffix(" | None")

    def show(self, value: object) -> str:
        """Return a value as messages may show it."""
        return repr(value) if self.secret is None else self.secret(value)


@overload
def setting(
    name: str,
    kind: Kind[T],
    *variables: str,
    default: T,
    tells: str,
    secret: Callable[[object], str] | None = ...,
    compare: bool = ...,
) -> T: ...
@overload
def setting(
    name: str,
    kind: Kind[T],
    *variables: str,
    tells: str,
    otherwise: Callable[[Others], T],
    secret: Callable[[object], str] | None = ...,
    compare: bool = ...,
) -> T: ...
@overload
def setting(
    name: str,
    kind: Kind[T],
    *variables: str,
    default: None,
    tells: str,
    secret: Callable[[object], str] | None = ...,
    compare: bool = ...,
) -> T | None: ...
def setting(
    name: str,
    kind: Kind[Any],
    *variables: str,
    default: Any = MISSING,
    tells: str,
    otherwise: Callable[[Others], Any] | None = None,
    secret: Callable[[object], str] | None = None,
    compare: bool = True,
) -> Any:
    """Declare a setting, as a field of a class that is :class:`Declared`.

    The arguments are those of :class:`Setting`; ``compare`` is False where settings that differ
    in this one alone have the same effect.
    """
    declared = Setting(
        name,
        kind,
        variables,
        None if default is MISSING else default,
        otherwise,
        tells,
        secret,
    )
    return field(default=default, compare=compare, metadata={_SETTING: declared})


def group(cls: type[T]) -> T:
    """Declare the settings of another class, as a field whose value is one of that class."""
    return cast("T", field(metadata={_GROUP: cls}))


def settings_of(cls: type) -> tuple[Setting, ...]:
    """Return what is declared in a class and in its groups, in this order."""
    found: list[Setting] = []
    for each in fields(cls):
        if _GROUP in each.metadata:
            found.extend(settings_of(each.metadata[_GROUP]))
        else:
            declared: Setting = each.metadata[_SETTING]
            found.append(declared._replace(annotation=str(each.type)))
    return tuple(found)


def build(cls: type[T], value: Others) -> T:
    """Return an instance of a class that is :class:`Declared`, groups included.

    Args:
        cls: The class.
        value: Asked for each setting.
    """
    values: dict[str, object] = {}
    for each in fields(cast("Any", cls)):
        inner: type | None = each.metadata.get(_GROUP)
        declared: Setting | None = each.metadata.get(_SETTING)
        if inner is not None:
            values[each.name] = build(inner, value)
        elif declared is not None:
            values[each.name] = value(declared.key)
    return cls(**values)


class Declared:
    """Base of classes of settings: shows them without their secrets."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown: list[str] = []
        for each in fields(cast("Any", self)):
            declared: Setting | None = each.metadata.get(_SETTING)
            value: object = getattr(self, each.name)
            shown.append(f"{each.name}={repr(value) if declared is None else declared.show(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"
