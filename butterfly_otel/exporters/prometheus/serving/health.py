"""Health checks for who keeps processes running, such as Kubernetes' probes.

``/-/healthy`` answers where the process does, ``/-/ready`` where it is worth sending work to.
Neither makes any metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from butterfly_otel.exporters.prometheus.serving.site import Response, Route, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from butterfly_otel.exporters.prometheus.serving.site import Request

#: As in every server of the Prometheus project.
HEALTHY_PATH = "/-/healthy"
READY_PATH = "/-/ready"


def health_routes(missing: Callable[[], str | None], *, public: bool = True) -> dict[str, Route]:
    """Return the routes of the health checks.

    Args:
        missing: Returns a sentence on what readiness waits for; None where nothing is missing.
            Called at each check, on many threads at once.
        public: Whether they are answered without authentication.
    """

    def healthy(_: Request) -> Response:
        return _fresh(plain("200 OK", "The process answers."))

    def ready(_: Request) -> Response:
        sentence = missing()
        if sentence is None:
            return _fresh(plain("200 OK", "Ready."))
        return _fresh(plain("503 Service Unavailable", sentence))

    return {HEALTHY_PATH: Route(healthy, public=public), READY_PATH: Route(ready, public=public)}


def _fresh(response: Response) -> Response:
    """Return a response that no cache may give to the next who asks."""
    headers = (*response.headers, ("Cache-Control", "no-store"))
    return Response(response.status, headers, response.body)
