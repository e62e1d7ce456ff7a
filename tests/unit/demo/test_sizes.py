"""The sizes that are computed, beside those that a simulated cluster really has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from butterfly_otel import catalog
from butterfly_otel.demo.cluster import Cluster
from butterfly_otel.demo.size import BARRIERS, CHECKPOINTS_KEPT, REACH, TASK_POOL, Size
from butterfly_otel.operate.sizes import ROLES, Shape, node_series, samples
from butterfly_otel.views.streams import default_streams

#: Nodes of the pipeline that a layer comes by, as it is rebuilt.
MOVES = 4
#: Labels that name the node that reports: their metrics are as many as there are nodes.
OWN = {
    metric.name
    for metric in catalog.CONTRACT
    if any(label.default == "node_id" for label in metric.labels)
}


def test_a_simulated_cluster_is_no_larger_and_not_much_smaller(
    drive: Callable[..., list[Any]],
) -> None:
    """Of no metric that nodes have each the demo has more series than computed; of all, a quarter.

    In the demo a task waits on one node, not on all, and most connections carry one kind of
    message: what is computed is for the busiest cluster of this shape.
    """
    size = Size()
    shape = Shape(
        coordinators=size.coordinators,
        compute=size.compute,
        observers=size.observers,
        models=size.models,
        layers=size.layers // size.compute * MOVES,
        gpus=size.gpus,
        neighbours=2 * REACH,
        tasks=TASK_POOL,
        checkpoints=CHECKPOINTS_KEPT + 1,
        barriers=len(BARRIERS),
    )
    computed: dict[str, int] = {}
    for role in ROLES:
        for name, series in node_series(role, shape).items():
            computed[name] = computed.get(name, 0) + series * shape.count(role)
    per_point = {stream.metric.name: samples(stream) for stream in default_streams()}
    found = drive(Cluster(size, faults=[]), 150, 150)[-1].metrics
    real = {name: len(found[name]) * per_point[name] for name in OWN}
    assert {name: n for name, n in real.items() if n > computed[name]} == {}
    assert sum(real.values()) > sum(computed[name] for name in OWN) / 4
