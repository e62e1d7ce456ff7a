"""How settings are read: one kind for each form that values have, and what is wrong with one.

A kind is asked only where something is given, so that none has to know of defaults. What it
raises says the name the user set the value by, so that the message can be acted upon.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast, get_args
from urllib.parse import unquote

from butterfly_otel.enforcement.text import MAX_LENGTH, as_text, label_text
from butterfly_otel.errors import ConfigurationError
from butterfly_otel.process.frozen import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

T = TypeVar("T")

#: Asks for the value of another setting, by its name.
Others = Callable[[str], Any]

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})
_LAST_PORT: Final = 65_535
#: The longest a socket can wait: milliseconds that fit a C int.
_LONGEST_SECONDS: Final = 2_147_483


class Given(NamedTuple):
    """What a setting was given.

    Attributes:
        name: The setting's name, as an argument.
        argument: What was passed; None where nothing was.
        variable: The environment variable that decides where no argument does.
        text: What that one is set to, without blanks around; empty where it is not set.
        other: Asks for another setting.
        show: How messages may show a value.
        file: What a configuration file has, where the argument or a variable decides.
        environ: The environment, for what refers to it.
    """

    name: str
    argument: object
    variable: str
    text: str
    other: Others
    show: Callable[[object], str] = repr
    file: object = None
    environ: Mapping[str, str] = MappingProxyType({})

    @property
    def passed(self) -> bool:
        """Whether the argument decides, not the variable."""
        return self.argument is not None

    @property
    def place(self) -> str:
        """The name the user set it by."""
        return self.name if self.passed else self.variable

    @property
    def value(self) -> object:
        """The argument, else the variable's text."""
        return self.argument if self.passed else self.text

    def wrong(self, rule: str) -> ConfigurationError:
        """Return the error for the whole value, with what it has to be."""
        return ConfigurationError(f"{self.place} is {self.show(self.value)}; {rule}")


class Kind(Generic[T]):
    """How the values of a setting are read. Immutable.

    Attributes:
        read: Returns the value; raises ConfigurationError where it is wrong.
        takes: The type of the argument, as source text. Empty: that of the field.
        form: What is special about the text in a variable, such as its unit.
    """

    __slots__ = ("form", "read", "takes")

    def __init__(self, read: Callable[[Given], T], takes: str = "", form: str = "") -> None:
        self.read: Final = read
        self.takes: Final = takes
        self.form: Final = form


def text(given: Given) -> str:
    """Return a text that is not empty."""
    value = given.value
    if not _is_text(value) or not str(value).strip():
        raise given.wrong("pass a text that is not empty")
    return as_text(value).strip()


def _is_text(value: object) -> bool:
    # What is imported here may be no small part of a start that has no use for it.
    if isinstance(value, str):
        return True
    from pathlib import Path  # noqa: PLC0415

    return isinstance(value, Path)


def one_of(given: Given, value: str, allowed: Sequence[str]) -> str:
    """Return ``value`` if it is allowed."""
    if value in allowed:
        return value
    choices = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"
    raise ConfigurationError(f"{given.place} is {value!r}; it must be {choices}")


def choice(literal: object, *, fold: bool = False) -> Kind[Any]:
    """Return the kind whose values are those of a Literal; with ``fold`` in any case."""

    def read(given: Given) -> str:
        value = text(given)
        return one_of(given, value.lower() if fold else value, get_args(literal))

    return Kind(read)


def names(given: Given, *, like: str, mixed: bool = False) -> tuple[str, ...]:
    """Return names such as ``like``, each once; none where the one name is ``none``.

    With ``mixed``, what is not a text in a list is somebody else's business.
    """
    value = given.value
    if not isinstance(value, (str, list, tuple, set, frozenset)) or not value:
        raise given.wrong(f"pass a name such as {like!r} or a list of names")
    listed = value.split(",") if isinstance(value, str) else list(cast("Iterable[object]", value))
    found = [as_text(each).strip() for each in listed if isinstance(each, str) or not mixed]
    if "none" in found and len(listed) > 1:
        raise ConfigurationError(
            f"{given.place} is 'none' and something else; choose one of the two"
        )
    return () if found == ["none"] else tuple(dict.fromkeys(found))


def pairs(given: Given) -> dict[str, str]:
    """Return keys and values as texts."""
    if not given.passed:
        return unquoted(given.text, given.variable)
    if not isinstance(given.argument, Mapping):
        raise given.wrong("pass a dict of strings")
    items = cast("Mapping[object, object]", given.argument).items()
    for key, value in items:
        if value is None:
            raise ConfigurationError(f"{given.place} has None for {key!r}; leave it out or set it")
    return {str(key): str(value) for key, value in items}


def unquoted(listed: str, variable: str) -> dict[str, str]:
    """Parse ``key=value,key=value`` with percent-encoded values (W3C Baggage, as OTel says).

    Raises:
        ConfigurationError: When a part has no ``=`` or no key.
    """
    found: dict[str, str] = {}
    for number, piece in enumerate(listed.split(","), 1):
        part = piece.strip()
        if not part:
            continue
        key, separator, value = part.partition("=")
        if not separator or not key.strip():
            # Without the part, which may be a secret of a header.
            raise ConfigurationError(
                f"{variable} has no key and value in part {number}; it must be key=value,key=value"
            )
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def _label(given: Given) -> str:
    value = text(given)
    if label_text(value) != (value, None):
        raise ConfigurationError(
            f"{given.place} is {value!r}; it must be valid text of at most {MAX_LENGTH} characters"
        )
    return value


def _flag(given: Given) -> bool:
    if isinstance(given.argument, bool):
        return given.argument
    if given.passed:
        raise given.wrong("pass True or False")
    value = given.text.lower()
    if value in _TRUE or value in _FALSE:
        return value in _TRUE
    raise given.wrong("set it to true or false")


def _whole(given: Given) -> int | None:
    try:
        return int(str(given.value))
    except ValueError:
        return None


def _port(given: Given) -> int:
    port = _whole(given)
    if port is None or not 0 <= port <= _LAST_PORT:
        raise given.wrong("it must be a port from 0 to 65535")
    return port


def _count(given: Given) -> int:
    count = _whole(given)
    if count is None or count < 1:
        raise given.wrong("it must be a whole number above 0")
    return count


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def _seconds(given: Given) -> float:
    unit, factor = ("seconds", 1) if given.passed else ("milliseconds", 1000)
    number, longest = _number(given.value), _LONGEST_SECONDS * factor
    if not 0 < number <= longest:
        raise given.wrong(f"it must be {unit} above 0, at most {longest}")
    return number / factor


def _seconds_by_name(given: Given) -> tuple[tuple[str, float], ...]:
    if given.passed and not isinstance(given.argument, Mapping):
        raise given.wrong("pass a dict of seconds by name")
    found: dict[str, float] = {}
    for name, value in pairs(given).items():
        found[name] = _number(value)
        if not 0 < found[name] < math.inf:
            raise ConfigurationError(
                f"{given.place} has {value!r} for {name}; it must be seconds above 0"
            )
    return tuple(sorted(found.items()))


def choices_by_name(literal: object, takes: str) -> Kind[tuple[tuple[str, Any], ...]]:
    """Return the kind whose values are those of a Literal by name; ``takes`` names that."""

    def read(given: Given) -> tuple[tuple[str, Any], ...]:
        if given.passed and not isinstance(given.argument, Mapping):
            raise given.wrong("pass a dict of choices by name")
        found = pairs(given)
        for name, value in found.items():
            if value not in get_args(literal):
                choices = ", ".join(get_args(literal))
                raise ConfigurationError(
                    f"{given.place} has {value!r} for {name}; it must be one of {choices}"
                )
        return tuple(sorted(found.items()))

    return Kind(read, f"Mapping[str, {takes}]", "``name=choice,name=choice``")


def _paths(given: Given) -> tuple[Path, ...]:
    from pathlib import Path  # noqa: PLC0415 - as in `_is_text`

    if not given.passed:
        return tuple(Path(part) for part in given.text.split(os.pathsep) if part)
    value = given.argument
    several = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else (value,)
    if not all(isinstance(part, (str, os.PathLike)) for part in several):
        raise given.wrong("pass a path or a list of paths")
    return tuple(Path(cast("str", part)) for part in several)


def _file(given: Given) -> Path:
    from pathlib import Path  # noqa: PLC0415 - as in `_is_text`

    passed = isinstance(given.argument, os.PathLike)
    value = str(Path(cast("os.PathLike[str]", given.argument))) if passed else text(given)
    try:
        Path(value).open("rb").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"{given.place} is {value!r}, which can't be read: {reason}"
        ) from error
    return Path(value)


def _registry(given: Given) -> Any:  # noqa: ANN401 - whatever registers and collects
    if all(hasattr(given.argument, each) for each in ("register", "unregister", "collect")):
        return given.argument
    raise given.wrong("pass a CollectorRegistry of prometheus_client")


def _objects(given: Given) -> tuple[Any, ...]:
    if isinstance(given.argument, Iterable) and not isinstance(given.argument, (str, Mapping)):
        return tuple(cast("Iterable[object]", given.argument))
    raise given.wrong("pass a list")


FLAG: Final = Kind(_flag, "bool")
TEXT: Final = Kind(text, "str")
#: A text that a label can have as it is.
LABEL: Final = Kind(_label, "str")
#: 0 means any free one.
PORT: Final = Kind(_port, "int")
#: How many of something, 1 or more.
COUNT: Final = Kind(_count, "int")
SECONDS: Final = Kind(_seconds, "float", "in milliseconds")
SECONDS_BY_NAME: Final = Kind(
    _seconds_by_name, "Mapping[str, float]", "``name=seconds,name=seconds``"
)
#: A file that can be read.
FILE: Final = Kind(_file, "str | PathLike[str]")
PATHS: Final = Kind(
    _paths, "str | PathLike[str] | Sequence[str | PathLike[str]]", "separated as PATH is"
)
REGISTRY: Final = Kind(_registry, "CollectorRegistry")


def objects(takes: str) -> Kind[tuple[Any, ...]]:
    """Return the kind of objects in a list, which no variable can name."""
    return Kind(_objects, f"Sequence[{takes}]")
