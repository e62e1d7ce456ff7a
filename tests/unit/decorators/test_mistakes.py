"""Mistakes in the arguments of decorators, sources and adapters: told where they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from butterfly_otel import (
    ConfigurationError,
    arg,
    counted,
    decorators,
    metrics,
    outcome,
    request,
    result,
    timed,
    tracked,
)
from butterfly_otel.decorators import error_type

TOKENS = metrics.tokens_processed_total.bind(model="m")


async def asynchronous(_one: Any) -> None:
    """Answer too late."""


def asked(**settings: Any) -> Callable[[], object]:
    """Return what makes a request decorator with a mistake."""
    return lambda: request(**{"method": "inference", **settings})


MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "method": (asked(method="chat"), "request has the method 'chat', which is none of inference"),
    "unhashable": (asked(method=[]), r"request has the method \[\]"),
    "role": (asked(node_role="boss"), "request has the node_role 'boss'"),
    "errors": (asked(errors=[ValueError]), "error types are"),
    "failed": (asked(failed=3), "failed is 3; pass a function that takes a result"),
    "failed_async": (asked(failed=asynchronous), "failed is .* which is async"),
    "failed_none": (asked(failed=lambda: None), "failed is .*, which can't be called with a res"),
    "methods": (asked(methods=3), "methods is 3; use names such as"),
    "amount": (lambda: counted(TOKENS, amount="1"), "counted has amount='1'; use a number"),  # type: ignore[arg-type]
    "negative": (lambda: counted(TOKENS, amount=-1), "counted has amount=-1; use a number"),
    "nan": (lambda: counted(TOKENS, amount=float("nan")), "counted has amount=nan"),
    "constant": (
        lambda: tracked(metrics.requests_in_flight.bind(method="chat")),  # type: ignore[arg-type]
        "tracked has the method 'chat' for butterfly_requests_in_flight, which is none of",
    ),
    "outcome": (
        lambda: counted(metrics.tasks_completed_total.bind(status=outcome(error="bad"))),
        "counted has the status 'bad' for butterfly_tasks_completed_total",
    ),
    "outcome_errors": (lambda: outcome(errors=[ValueError]), "error types are"),  # type: ignore[arg-type]
    "error_type": (lambda: error_type({ValueError: 3}), "error types map"),  # type: ignore[dict-item]
    "arg": (lambda: arg(3), r"the name in arg\(\) is 3"),  # type: ignore[call-overload]
    "arg_empty": (lambda: arg(""), r"the name in arg\(\) is ''"),
    "arg_convert": (lambda: arg("x", 3), "convert is 3; pass a function that takes an argument"),  # type: ignore[call-overload]
    "result_convert": (lambda: result(lambda: 1), "convert is .*with a result alone"),  # type: ignore[call-overload]
    "when": (lambda: timed(metrics.recovery_duration_seconds, when="ever"), "when is 'ever'"),  # type: ignore[arg-type]
    "check": (
        lambda: decorators.verification("eye", node_id="n"),  # type: ignore[arg-type]
        "verification has the check_type 'eye'",
    ),
    "failures": (
        lambda: decorators.verification("signature", node_id="n", failures=3),  # type: ignore[arg-type]
        "when is 3",
    ),
    "memory": (
        lambda: decorators.layer_compute(layer_id=1, model="m", memory=3),  # type: ignore[arg-type]
        "memory is 3; pass a function that takes nothing",
    ),
    "partial": (lambda: decorators.recovery(partial=3), "partial is 3; pass a function"),  # type: ignore[arg-type]
    "phase": (lambda: decorators.checkpoint_phase("rest"), "timed has the phase 'rest'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("make", "said"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_told_where_they_are_made(make: Callable[[], object], said: str) -> None:
    """Each is a sentence at import of the code, not a surprise at its first call."""
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_functions_written_in_c_are_taken_for_what_they_are() -> None:
    """What does not tell its parameters is not refused for that."""
    assert counted(TOKENS, amount=result(int)) is not None
    assert arg("x", max) is not None
    assert request(method="inference", failed={}.get) is not None  # type: ignore[arg-type]
