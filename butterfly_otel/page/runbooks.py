"""The runbooks, which are pages of the documentation that the package carries along."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from butterfly_otel.errors import ButterflyOtelError


class NoRunbookError(ButterflyOtelError):
    """A runbook is not there: the package was put together without the documentation."""


def runbook(name: str) -> str:
    """Return the runbook of an alert, as Markdown.

    Raises:
        NoRunbookError: When it is not there.
    """
    try:
        return (_folder() / f"{name}.md").read_text("utf-8")
    except OSError as error:
        raise NoRunbookError(f"The runbook {name} is not installed here.") from error


def _folder() -> Path:
    package = Path(str(files("butterfly_otel")))
    packaged = package / "_runbooks"
    # An editable install has no copy inside the package: the documentation is next to it.
    return packaged if packaged.is_dir() else package.parent / "docs" / "runbooks"
