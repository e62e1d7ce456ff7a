"""What a lint rule says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        rule: The rule's short name, kebab-case and stable.
        severity: ``error`` breaks the contract, ``warning`` deserves a look, ``info`` is a fact.
        subject: The metric (or family) it is about; empty for the whole input.
        message: One sentence: what is wrong and, where it helps, what was expected.
        line: Line of the exposition, from 1, where there is one.
    """

    rule: str
    severity: Severity
    subject: str
    message: str
    line: int | None = None
