"""One line of an exposition: samples, numbers, quoted names and metadata.

Formats: Prometheus text 0.0.4 (with the quoted names of its UTF-8 extension) and
OpenMetrics 1.0, whose grammar allows exactly one space where text 0.0.4 allows any blanks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from butterfly_otel.lint.expositions.model import NUMBER, Exemplar, Metadata, Sample, as_number
from butterfly_otel.process.text import printable

if TYPE_CHECKING:
    from butterfly_otel.lint.expositions.model import Keyword, Labels

_BARE_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_BARE_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_BLANKS = re.compile(r"[ \t]*")
_SPLIT_BLANKS = re.compile(r"[ \t]+")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n"}
_INTEGER = re.compile(r"-?[0-9]+")
_METADATA = re.compile(
    r'#[ \t]*(?P<keyword>TYPE|HELP|UNIT)(?P<gap>[ \t]+)(?P<name>"(?:[^"\\]|\\.)*"|[^ \t]+)'
    r"(?:(?P<gap2>[ \t])[ \t]*(?P<text>.*))?"
)
_VALUE_AND_TIME = 2
#: What nearly every line looks like, in both formats; anything else is read with more care.
_PAIR = r'[a-zA-Z_][a-zA-Z0-9_]*="[^"\\]*"'
_PLAIN = re.compile(
    rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{({_PAIR}(?:,{_PAIR})*)\}})? ({NUMBER.pattern})",
    re.IGNORECASE | re.ASCII,
)
_PLAIN_PAIR = re.compile(r'([a-zA-Z0-9_]+)="([^"]*)"')


class LineError(ValueError):
    """A line that the format does not allow; the message is a sentence without its subject."""


def parse_metadata(line: str, number: int, *, openmetrics: bool) -> Metadata | None:
    """Read a metadata line, or return None where the line is another comment.

    Raises:
        LineError: It begins like metadata and is not.
    """
    match = _METADATA.fullmatch(line)
    if match is None:
        return None
    keyword, name, text = cast("Keyword", match["keyword"]), match["name"], match["text"] or ""
    if _QUOTED.fullmatch(name):
        name = _unescape(name[1:-1])
    elif not _BARE_NAME.fullmatch(name):
        raise LineError(f"`{printable(name)}` is no metric name")
    if openmetrics and (not line.startswith(f"# {keyword} ") or match["gap"] != " "):
        raise LineError("OpenMetrics allows exactly one space between the words of metadata")
    if keyword == "HELP":
        return Metadata(keyword, name, _ESCAPE.sub(_lenient_escape, text), number)
    return Metadata(keyword, name, text.strip(" \t"), number)


def parse_sample(line: str, number: int, *, openmetrics: bool) -> Sample:
    """Read a sample line.

    Raises:
        LineError: The format does not allow it.
    """
    plain = _PLAIN.fullmatch(line)
    if plain is not None:
        pairs = cast("Labels", tuple(_PLAIN_PAIR.findall(plain[2] or "")))
        if len(dict(pairs)) == len(pairs):
            return Sample(plain[1], pairs, float(plain[3]), number)
    cursor = _Cursor(line, openmetrics=openmetrics)
    cursor.blanks()
    name = cursor.take(_BARE_NAME) or ""
    separated = cursor.blanks()
    if cursor.take_char("{"):
        name, labels = _labels(cursor, name)
        separated = cursor.blanks() or not openmetrics
    else:
        labels = ()
    if not name:
        raise LineError("no metric name")
    rest, hash_mark, exemplar = cursor.rest().partition(" # " if openmetrics else "#")
    if not separated and not (openmetrics and rest.startswith(" ")):
        raise LineError(f"no blank between `{printable(name)}` and its value")
    value, timestamp = _value_and_time(rest, openmetrics=openmetrics)
    if hash_mark and not openmetrics:
        raise LineError("text 0.0.4 allows neither exemplars nor comments after a sample")
    found = _exemplar(exemplar) if hash_mark else None
    return Sample(name, labels, value, number, timestamp, found)


class _Cursor:
    """A position in a line; blanks are skipped only where the format has optional ones."""

    def __init__(self, line: str, *, openmetrics: bool) -> None:
        self._line = line
        self._at = 0
        self.openmetrics = openmetrics

    def blanks(self) -> bool:
        """Skip optional blanks; say whether there were any. OpenMetrics has none."""
        return not self.openmetrics and bool(self.take(_BLANKS))

    def take(self, pattern: re.Pattern[str]) -> str | None:
        """Consume and return what ``pattern`` matches here, or return None."""
        match = pattern.match(self._line, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match.group()

    def take_char(self, char: str) -> bool:
        """Consume ``char`` if it is next."""
        if not self._line.startswith(char, self._at):
            return False
        self._at += 1
        return True

    def rest(self) -> str:
        """Return what is left."""
        return self._line[self._at :]


def _labels(cursor: _Cursor, name: str) -> tuple[str, Labels]:
    """Read from behind ``{`` to behind ``}``; a quoted string without ``=`` is the name."""
    labels: dict[str, str] = {}
    cursor.blanks()
    closed = cursor.take_char("}")
    while not closed:
        quoted = cursor.take(_QUOTED)
        key = _unescape(quoted[1:-1]) if quoted else cursor.take(_BARE_LABEL)
        if key is None:
            raise LineError("a label name was expected, or `}`")
        cursor.blanks()
        if cursor.take_char("="):
            cursor.blanks()
            value = cursor.take(_QUOTED)
            if value is None:
                raise LineError(f"the value of label `{printable(key)}` is not a quoted string")
            if key in labels:
                raise LineError(f"label `{printable(key)}` is given twice")
            labels[key] = _unescape(value[1:-1])
        elif quoted and not name and not labels:
            name = key
        else:
            raise LineError(f"label `{printable(key)}` has no value")
        cursor.blanks()
        comma = cursor.take_char(",")
        cursor.blanks()
        closed = (not comma or not cursor.openmetrics) and cursor.take_char("}")
        if not comma and not closed:
            raise LineError("`,` or `}` was expected behind a label")
    return name, tuple(labels.items())


def _value_and_time(text: str, *, openmetrics: bool) -> tuple[float, float | None]:
    """Read ``value [timestamp]``."""
    words = (
        text.removeprefix(" ").split(" ") if openmetrics else _SPLIT_BLANKS.split(text.strip(" \t"))
    )
    if not 1 <= len(words) <= _VALUE_AND_TIME or not words[0]:
        raise LineError("a value was expected, then at most a timestamp")
    value = _number(words[0], "value")
    if len(words) == 1:
        return value, None
    if not openmetrics and not _INTEGER.fullmatch(words[1]):
        raise LineError(f"`{printable(words[1])}` is no timestamp in whole milliseconds")
    return value, _number(words[1], "timestamp")


def _exemplar(text: str) -> Exemplar:
    """Read what stands behind the ``#`` of an OpenMetrics sample."""
    cursor = _Cursor(text, openmetrics=True)
    if not cursor.take_char("{"):
        raise LineError("an exemplar begins with `{`")
    name, labels = _labels(cursor, "")
    if name:
        raise LineError("an exemplar has no name")
    value, timestamp = _value_and_time(cursor.rest(), openmetrics=True)
    return Exemplar(labels, value, timestamp)


def _number(text: str, what: str) -> float:
    value = as_number(text)
    if value is None:
        raise LineError(f"the {what} `{printable(text)}` is not a number")
    return value


def _unescape(text: str) -> str:
    """Undo the escapes of a quoted string."""
    return _ESCAPE.sub(_strict_escape, text) if "\\" in text else text


def _strict_escape(match: re.Match[str]) -> str:
    char = match[1]
    if char not in _ESCAPES:
        raise LineError(f"`\\{printable(char)}` is no escape sequence")
    return _ESCAPES[char]


def _lenient_escape(match: re.Match[str]) -> str:
    """Undo an escape of HELP, where readers leave a strange one as it is."""
    return _ESCAPES.get(match[1], match[0])
