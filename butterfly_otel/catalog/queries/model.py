"""The shape of an example query."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query and what its answer says.

    Attributes:
        subject: The metric, or the heading of the specification's usage examples.
        tells: What the answer says, in a phrase.
        expr: PromQL that works after a scrape and after OTLP.
        own: Whether it is ours; otherwise it stands for one of the specification's examples,
            as written there or corrected (docs/contract.md, Queries).
        always: Whether a healthy cluster under load always has an answer; others find trouble.
    """

    subject: str
    tells: str
    expr: str
    own: bool = False
    always: bool = True
