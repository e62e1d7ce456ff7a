"""What a source of hardware readings is: the seam between the sampler and each sensor.

A source knows how to find its hardware and how to read it once. It knows nothing of threads,
intervals kept, snapshots or instruments: the sampler calls it from one thread of its own, and
a source that hangs there holds up nobody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


#: Instruments that are read when metrics are collected.
ExtensionKind: TypeAlias = Literal[
    "observable_gauge", "observable_counter", "observable_up_down_counter"
]


class UnavailableError(Exception):
    """What a source reads is not there: no such hardware, driver, file or permission.

    The message is a sentence for the log. The sampler reports the source as down, tries
    again seldom, and reports this once.
    """


class Reading(NamedTuple):
    """One value of one series, as a source has just read it.

    Attributes:
        metric: Name of the metric, in the catalogue or among the source's extensions.
        value: In the metric's unit; a source leaves out what it cannot tell.
        labels: Label values by key; those with a default (``node_id``) may be left out.
    """

    metric: str
    value: float
    labels: Mapping[str, str]


class Extension(NamedTuple):
    """A metric outside the catalogue that a source yields besides, such as ``hw.gpu.power``.

    It is measured on the meter ``butterfly_otel.hardware`` and translated for Prometheus as
    any metric outside the contract is. Its labels are the source's own.

    Attributes:
        name: OpenTelemetry's name of it.
        kind: An ``observable_counter`` is read as its total, which only grows.
        unit: UCUM.
        description: A sentence.
    """

    name: str
    kind: ExtensionKind
    unit: str
    description: str


class Source(Protocol):
    """A sensor or a family of them, driven by the sampler from a single thread.

    A source may also have these attributes; they are no part of the protocol, since Python's
    protocols have no optional members:

    - ``extensions``: a tuple of :class:`Extension`, what it yields outside the catalogue.
    - ``minimum_interval``: seconds below which ``configure(sampling_interval=...)`` does not
      bring the interval. Default 0.

    Attributes:
        name: How it is chosen in ``configure(collectors=...)`` and labelled in telemetry.
        metrics: Every metric of the catalogue it can yield; observable ones only.
        interval: Seconds between two rounds. Readings are exported until they are three
            intervals old.
        deadline: Seconds after which a call of ``open`` or ``read`` counts as hanging.
            What it returns after that is not used.
    """

    name: str
    metrics: tuple[str, ...]
    interval: float
    deadline: float

    def open(self) -> None:
        """Find the hardware and prepare to read it; called again after ``close``.

        Raises:
            UnavailableError: When it is not there.
        """
        ...

    def read(self) -> Sequence[Reading]:
        """Read everything once.

        The first round after ``open`` is followed by the next within half a second, so that
        a source that takes differences has something to say soon.

        What cannot be read is left out, never reported as 0.

        Raises:
            UnavailableError: When the hardware has gone as a whole: the sampler closes the
                source and opens it again later.
        """
        ...

    def close(self) -> None:
        """Give back what ``open`` took; never raises, harmless when done twice."""
        ...
