"""What is wrong with what a load test found: broken budgets, lost measurements, bad predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from butterfly_otel.loadtest.model import Clustered, Flooded, Scraped, Shared

#: By how much a prediction may be off, where nothing else is asked for.
FACTOR: Final = 4.0
#: Bytes of a process that a line of its page is predicted to take, of a pipeline driven to its
#: limits; docs/scaling.md says what was measured.
PROCESS_BYTES_A_SAMPLE: Final = 1024
#: Bytes by which a process may grow without any reason of its own, such as memory that the
#: allocator keeps; below it no prediction is judged, and no growth is called a leak.
NOISE: Final = 32 * 2**20
#: Series from which on Prometheus' memory is judged: below, what it takes by itself is more.
ENOUGH_SERIES: Final = 50_000


def judge_flood(found: Flooded, factor: float = FACTOR) -> tuple[str, ...]:
    """Return what is wrong with one metric that was flooded."""
    return tuple(f"{found.metric} ({found.flood}): {each}" for each in _of_flood(found, factor))


def judge_cluster(found: Clustered, factor: float = FACTOR) -> tuple[str, ...]:
    """Return what is wrong with a healthy cluster."""
    broken = [*_of_nodes(found, factor)]
    if found.scraped is not None:
        broken += _of_prometheus(found, found.scraped, factor)
    return tuple(f"cluster: {each}" for each in broken)


def _of_flood(found: Flooded, factor: float) -> Iterator[str]:
    came = found.kept + found.overflowed + found.refused
    if found.offered != came:
        yield (
            f"{found.offered:,} were offered, but {found.kept:,} kept, {found.overflowed:,}"
            f" overflowed and {found.refused:,} refused are {came:,}"
        )
    if found.series > found.budget:
        yield f"{found.series:,} series are more than the budget of {found.budget:,}"
    if found.samples > found.limit:
        yield f"{found.samples:,} samples are more than the {found.limit:,} that budgets allow"
    yield from found.wrong
    if found.memory is not None:
        most = NOISE + factor * PROCESS_BYTES_A_SAMPLE * found.limit
        if found.memory > most:
            yield f"{found.memory:,} bytes are more than {most:,.0f}, which the budgets predict"
    if found.late_growth is not None and found.late_growth > NOISE:
        yield f"memory grows with the label sets: by {found.late_growth:,} bytes in the second half"


def _of_nodes(found: Clustered, factor: float) -> Iterator[str]:
    shared: Shared = found.found
    for name, offered in shared.offered.items():
        came = shared.kept[name] + shared.folded[name] + shared.refused[name]
        if offered != came:
            yield f"{name}: {offered:,} label sets were offered, but {came:,} came out"
        predicted, samples = found.predicted.get(name, 0), shared.samples[name]
        if _off(samples, predicted, factor):
            yield f"{name}: {samples:,} samples instead of {predicted:,} predicted"
    if shared.memory is not None:
        most = NOISE + factor * PROCESS_BYTES_A_SAMPLE * found.predicted_series
        if shared.memory > most:
            yield f"nodes take {shared.memory:,} bytes, more than {most:,.0f}"


def _of_prometheus(found: Clustered, scraped: Scraped, factor: float) -> Iterator[str]:
    for each in scraped.failed:
        yield f"Prometheus could not scrape {each}"
    if _off(scraped.head_series, found.predicted_series, factor):
        yield (
            f"Prometheus has {scraped.head_series:,} series instead of"
            f" {found.predicted_series:,} predicted"
        )
    enough = found.predicted_series >= ENOUGH_SERIES
    if enough and _off(scraped.memory, found.predicted_memory, factor):
        yield (
            f"Prometheus takes {scraped.memory:,} bytes instead of"
            f" {found.predicted_memory:,} predicted"
        )


def _off(measured: float, predicted: float, factor: float) -> bool:
    return not predicted / factor <= measured <= predicted * factor
