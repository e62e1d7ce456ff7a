"""The pytest plugin: fixtures that capture metrics, found by pytest without any import.

::

    import pytest
    from butterfly_otel import metrics
    from butterfly_otel.testing import assert_metric


    @pytest.mark.butterfly_metrics(node_role="compute")  # optional: settings of configure()
    def test_a_request_is_counted(butterfly_metrics, butterfly_clock):
        serve(during=lambda: butterfly_clock.advance(1.5))
        assert_metric(metrics.requests_total, 1, method="inference", status="success")
        assert butterfly_metrics.histogram(metrics.request_duration_seconds).sum == 1.5

Switch it off by ``-p no:butterfly_otel``. Nothing is imported until a fixture is used. Works
with pytest-xdist, whose workers are processes, and in coroutines of any plugin.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Protocol

    from typing_extensions import Unpack

    from butterfly_otel.runtime.configure import Arguments
    from butterfly_otel.testing.capture import Captured
    from butterfly_otel.testing.clock import Clock

    class Capture(Protocol):
        """Takes what :func:`butterfly_otel.testing.capture_metrics` takes."""

        def __call__(
            self,
            *,
            clock: Clock | None = None,
            env: Mapping[str, str] | None = None,
            **settings: Unpack[Arguments],
        ) -> Captured:
            """Begin capturing."""
            ...


_MARKER = "butterfly_metrics"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**settings): settings with which the fixture butterfly_metrics captures",
    )


@pytest.fixture
def butterfly_clock() -> Iterator[Clock]:
    """Let time stand still until the test moves it: ``butterfly_clock.advance(1.5)``."""
    from butterfly_otel.testing.clock import Clock  # noqa: PLC0415 - only where it is used

    with Clock() as clock:
        yield clock


@pytest.fixture
def capture_metrics(request: pytest.FixtureRequest) -> Iterator[Capture]:
    """Return a function that captures metrics until the test ends: ``capture_metrics(...)``."""
    from butterfly_otel.testing import capture  # noqa: PLC0415 - only where it is used

    # What begins under one clock must not end under another.
    if "butterfly_clock" in request.fixturenames:
        request.getfixturevalue("butterfly_clock")
    with ExitStack() as stack:

        def begin(**settings: Any) -> Captured:  # noqa: ANN401 - those of configure()
            return stack.enter_context(capture.capture_metrics(**settings))

        yield begin


@pytest.fixture
def butterfly_metrics(request: pytest.FixtureRequest, capture_metrics: Capture) -> Captured:
    """Capture metrics for the whole test, strictly; settings by the marker of the same name."""
    settings: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        settings.update(marker.kwargs)
    return capture_metrics(**settings)
