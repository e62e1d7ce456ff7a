"""What this package logs is one line a record, whatever is quoted in it.

A value's own ``__repr__``, an exception's text or a client's request may hold line breaks, by which
somebody could write lines of his own into a log, and codes that a terminal obeys.
"""

from __future__ import annotations

import logging

from butterfly_otel.process.text import printable

_NAME = "butterfly_otel"


class OneLine(logging.Filter):
    """Escapes what would break the line of a record. Lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where it has to be; the traceback of one keeps its lines."""
        try:
            told = record.getMessage()
            escaped = printable(told)
        except Exception as error:  # noqa: BLE001 - a __repr__ in it, which may do anything
            told = ""
            escaped = printable(f"{record.msg} (which can't be shown: {type(error).__name__})")
        if escaped != told:
            record.msg, record.args = escaped, ()
        return True


logging.getLogger(_NAME).addFilter(OneLine())
