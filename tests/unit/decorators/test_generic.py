"""``timed``, ``counted`` and ``tracked``, and where their labels and amounts come from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import butterfly_otel
from butterfly_otel import (
    ConfigurationError,
    LabelError,
    MeasurementError,
    arg,
    counted,
    error_type,
    metrics,
    outcome,
    request,
    result,
    timed,
    tracked,
)
from butterfly_otel.decorators.measuring import Together
from tests.unit.decorators.conftest import Red

Start = Callable[..., Any]
LAYER = "butterfly_layer_compute_duration_seconds"
TOKENS = "butterfly_tokens_processed_total"
TASKS = "butterfly_tasks_completed_total"
NODE = "coordinator-1"


def layers(measured: Any) -> dict[tuple[str, str], int]:
    """Return how often each layer of each model was timed."""
    return {
        (point.attributes["model"], point.attributes["layer_id"]): point.count
        for point in measured.points(LAYER)
    }


class Layer:
    """A layer that knows its model."""

    def __init__(self, model: str) -> None:
        self.model = model

    @timed(
        metrics.layer_compute_duration_seconds.bind(
            layer_id=arg("number"), model=arg("self.model", str.lower)
        )
    )
    def forward(self, number: int = 7, *more: int) -> int:
        """Return the sum."""
        return number + sum(more)


def test_labels_come_from_arguments_however_they_are_passed(start: Start) -> None:
    """By position, by name, by default, from an attribute, and converted."""
    measured = start(strict=True)
    layer = Layer("LLAMA")
    assert (layer.forward(1), layer.forward(1, 5), layer.forward(number=2)) == (1, 6, 2)
    assert layer.forward() == 7
    assert layers(measured) == {("llama", "1"): 2, ("llama", "2"): 1, ("llama", "7"): 1}


def test_labels_may_come_from_keywords_of_any_name(start: Start) -> None:
    """A function with ``**kwargs`` may have any argument; a missing one is a violation."""
    measured = start()
    bound = metrics.layer_compute_duration_seconds.bind(layer_id=arg("layer"), model="m")

    @timed(bound)
    def forward(*_args: int, **_kwargs: int) -> None: ...

    forward(1, layer=4)
    forward(1)
    assert layers(measured) == {("m", "4"): 1, ("m", ""): 1}


def test_what_a_conversion_raises_is_a_missing_label(start: Start) -> None:
    """The application does not notice, but in strict mode; the violation is counted."""
    measured = start()
    bound = metrics.tokens_processed_total.bind(model=arg("x.model", str.lower))
    function = counted(bound)(lambda x: x)
    assert function(5) == 5
    assert measured.value(TOKENS, model="", node_id=NODE) == 1
    butterfly_otel.shutdown()
    start(strict=True)
    with pytest.raises(LabelError, match="model was left out"):
        function(5)


def test_labels_and_amounts_come_from_any_number_of_arguments(start: Start) -> None:
    """``*tokens`` is a tuple and ``**options`` a dictionary of what has no name of its own."""
    measured = start(strict=True)
    bound = metrics.tokens_processed_total.bind(model=arg("options", lambda given: given["model"]))

    @counted(bound, amount=arg("tokens", len))
    def feed(first: int, /, *tokens: int, last: int = 0, **options: object) -> None: ...

    feed(1, 2, 3, last=4, model="a", first="b")
    feed(1, model="b")
    values = {dict(key)["model"]: each for key, each in measured.values(TOKENS).items()}
    assert values == {"a": 2, "b": 0}
    keys = arg("options", lambda given: "-".join(sorted(given)))
    counted(metrics.tokens_processed_total.bind(model=keys))(
        lambda first, /, *, last, **options: None  # noqa: ARG005 - only their names count
    )(1, last=2, first=3, model=4)
    assert measured.value(TOKENS, model="first-model", node_id=NODE) == 1


def test_an_amount_that_can_not_be_told_is_an_invalid_measurement(start: Start) -> None:
    """It is not lost in silence: counted, or, in strict mode, raised."""
    measured = start()
    bound = metrics.tokens_processed_total.bind(model="m")
    function = counted(bound, amount=arg("x.size"))(lambda x: x)
    assert function(5) == 5
    invalid = "butterfly_otel_invalid_measurements_total"
    assert measured.value(invalid, metric=TOKENS, reason="not_a_number") == 1
    butterfly_otel.shutdown()
    start(strict=True)
    with pytest.raises(MeasurementError, match=r"could not be told .*no attribute 'size'"):
        function(5)


def test_amounts_and_labels_come_from_results(start: Start) -> None:
    """Nothing is added where the call failed, or where the amount is None."""
    measured = start(strict=True)

    def size(text: Any) -> Any:
        return None if text == 4 else len(text)

    @counted(metrics.tokens_processed_total.bind(model=arg("model")), amount=result(size))
    async def generate(model: str, text: Any) -> Any:  # noqa: ARG001 - labels are found by its name
        if text is None:
            raise ValueError
        return text

    asyncio.run(generate("a", "four"))
    asyncio.run(generate("a", 4))
    with pytest.raises(ValueError, match=r"^$"):
        asyncio.run(generate("a", None))

    counted(metrics.tokens_processed_total.bind(model=result()), amount=2.5)(lambda: "b")()
    counted(metrics.tokens_processed_total.bind(model="c"), amount=arg("n"))(lambda n: n)(3)
    values = {dict(key)["model"]: each for key, each in measured.values(TOKENS).items()}
    assert values == {"a": 4, "b": 2.5, "c": 3}


def test_a_label_may_be_the_outcome(start: Start) -> None:
    """Success, timeout and error, each by the values of that metric."""
    measured = start(strict=True)
    bound = metrics.tasks_completed_total.bind(status=outcome(timeout="timeout"))

    @counted(bound)
    def work(error: Exception | None) -> None:
        if error:
            raise error

    work(None)
    for error in (TimeoutError(), ValueError(), KeyError()):
        with pytest.raises(type(error)):
            work(error)
    values = {dict(key)["status"]: each for key, each in measured.values(TASKS).items()}
    assert values == {"success": 1, "timeout": 1, "error": 2}


@pytest.mark.parametrize(
    ("when", "expected"),
    [("end", 3), ("success", 1), ("error", 2), (OSError, 1), ((KeyError, OSError), 2)],
)
def test_when_says_which_ends_count(red: Red, when: Any, expected: int) -> None:
    """All, those of one kind, or those by some exceptions; alike for counts and durations."""
    bound = metrics.request_errors_total.bind(method="inference", error_type="any")

    @timed(metrics.request_duration_seconds.bind(method="inference"), when=when)
    @counted(bound, when=when)
    def work(error: Exception | None) -> None:
        if error:
            raise error

    work(None)
    for error in (TimeoutError(), KeyError()):
        with pytest.raises(type(error)):
            work(error)
    assert red.errors == {"any": expected}
    assert red.timed == expected


def test_error_types_are_labels(red: Red) -> None:
    """Of failed calls, which are the ones that have any."""
    bound = metrics.request_errors_total.bind(method="inference", error_type=error_type())
    with pytest.raises(MemoryError), counted(bound, when="error"):
        raise MemoryError
    with counted(bound, when="error"):
        pass
    assert red.errors == {"oom": 1}


def test_tracked_calls_are_counted_while_they_run(red: Red) -> None:
    """By constants and by arguments; blocks, coroutines and streams alike."""
    tracking = tracked(metrics.requests_in_flight.bind(method="inference"))

    @tracked(metrics.requests_in_flight.bind(method=arg("method")))
    async def handler(method: str) -> float:  # noqa: ARG001 - labels are found by its name
        return red.in_flight

    with tracking:
        assert red.in_flight == 1
        assert asyncio.run(handler("inference")) == 2
        with pytest.raises(KeyError), tracking:
            raise KeyError
    stream = tracking(lambda: (yield 1))()
    assert (next(stream), red.in_flight) == (1, 1)
    stream.close()
    assert red.in_flight == 0


def test_tracking_stays_balanced_across_configurations(start: Start) -> None:
    """What began before configure(), or under another one, is never taken from this one."""
    tracking = tracked(metrics.requests_in_flight.bind(method="inference"))
    by_argument = tracked(metrics.requests_in_flight.bind(method=arg("m")))(lambda m: (yield m))
    with tracking:
        early = by_argument("inference")
        next(early)
        red = Red(start())
        early.close()
        late = by_argument("inference")
        next(late)
        assert red.in_flight == 1
        butterfly_otel.shutdown()
        red = Red(start())
        late.close()
    assert red.in_flight == 0


def test_handles_without_labels_need_no_bind(start: Start) -> None:
    """Their labels, where there are any, all have a default."""
    measured = start(strict=True)

    @timed(metrics.recovery_duration_seconds)
    @counted(metrics.consensus_leader_changes_total)
    def recover() -> None: ...

    recover()
    assert measured.value("butterfly_consensus_leader_changes_total") == 1
    assert measured.points("butterfly_recovery_duration_seconds")[0].count == 1


def test_a_class_may_be_timed(start: Start) -> None:
    """Its public methods share the labels; one that lacks a parameter asked for is a mistake."""
    measured = start(strict=True)
    bound = metrics.layer_compute_duration_seconds.bind(layer_id=1, model="m")

    @timed(bound, methods=("one",))
    class Layers:
        def one(self) -> None: ...
        def two(self) -> None: ...

    Layers().one()
    Layers().two()
    assert layers(measured) == {("m", "1"): 1}
    bad = metrics.layer_compute_duration_seconds.bind(layer_id=arg("layer"), model="m")
    with pytest.raises(ConfigurationError, match=r"Layers.two has no parameter 'layer'.* it has"):
        timed(bad, methods=("two",))(Layers)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "value": (
        lambda: counted(metrics.tasks_completed_total.bind(status="done")),  # type: ignore[arg-type]
        "counted has the status 'done' for butterfly_tasks_completed_total, which is none of",
    ),
    "kind": (
        lambda: timed(metrics.requests_in_flight.bind(method="inference")),  # type: ignore[arg-type]
        "timed needs a histogram: a BoundHistogram",
    ),
    "nothing": (lambda: counted(3), "counted needs a counter: a BoundCounter.*3 is not one"),  # type: ignore[arg-type]
    "unit": (
        lambda: timed(metrics.tensor_size_bytes.bind(layer_id=1, direction="input")),
        "timed measures time, and butterfly_tensor_size_bytes has the unit .By.",
    ),
    "labels": (
        lambda: timed(metrics.layer_compute_duration_seconds),  # type: ignore[arg-type]
        r"pass its bind\(layer_id, model\)",
    ),
    "when": (
        lambda: counted(metrics.consensus_leader_changes_total, when="never"),  # type: ignore[arg-type]
        "when is 'never'",
    ),
    "whens": (
        lambda: counted(metrics.consensus_leader_changes_total, when=[OSError]),  # type: ignore[arg-type]
        r"when is \[<class 'OSError'>\]",
    ),
    "per": (
        lambda: counted(metrics.consensus_leader_changes_total, per="items"),  # type: ignore[arg-type]
        "counted has per='items'; use 'call' or 'item'",
    ),
    "methods": (
        lambda: request(method="inference", methods="save"),
        r"methods is 'save'; use \('save',\)",
    ),
    "methods of a function": (
        lambda: request(method="inference", methods=("save",))(len),
        r"request has methods=\('save',\), and <built-in function len> is no class",
    ),
    "no signature": (
        lambda: counted(metrics.tokens_processed_total.bind(model=arg("model")))(max),
        r"<built-in function max> does not tell its parameters, .* arg\('model'\)",
    ),
    "block": (
        lambda: counted(metrics.tokens_processed_total.bind(model=result())).__enter__(),
        "a with block has no result",
    ),
    "late": (
        lambda: tracked(metrics.requests_in_flight.bind(method=result())),
        "when a call starts",
    ),
    "item": (
        lambda: counted(
            metrics.tokens_processed_total.bind(model="m"), per="item", amount=result(len)
        ),
        "known at the end only",
    ),
}


@pytest.mark.parametrize(("make", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_are_found_where_they_are_written(make: Callable[[], Any], message: str) -> None:
    """Before anything is configured or called."""
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_strict_mode_leaves_nothing_in_flight(start: Start) -> None:
    """A call that is refused for a label of an inner decorator has left the outer ones."""
    red = Red(start(strict=True))

    @request(method="inference")
    @tracked(metrics.requests_in_flight.bind(method=arg("method")))
    def handler(method: str) -> None: ...

    with pytest.raises(LabelError):
        handler("tea")
    assert (red.in_flight, red.errors) == (0, {"label_error": 1})


def test_strict_mode_ends_what_several_measurements_have_begun(start: Start) -> None:
    """One of several decorators in one refuses its label when the others are under way."""
    red = Red(start(strict=True))
    constant = tracked(metrics.requests_in_flight.bind(method="inference"))
    refused = tracked(metrics.requests_in_flight.bind(method=arg("method")))

    @Together("both", constant, refused)
    def handler(method: str) -> None: ...

    with pytest.raises(LabelError):
        handler("tea")
    assert red.in_flight == 0


def test_nothing_is_measured_before_configure() -> None:
    """Decorated functions work without any configuration."""
    assert Layer("m").forward(3) == 3
    with pytest.raises(TypeError, match="concatenate"):
        Layer("m").forward("x", 1)  # type: ignore[arg-type]
