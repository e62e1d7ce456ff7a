"""Settings of nodes that run in several processes, declared."""

from __future__ import annotations

from typing import Literal

from butterfly_otel.process.frozen import dataclass
from butterfly_otel.settings.declaration import Declared, setting
from butterfly_otel.settings.kinds import TEXT, choice

Processes = Literal["separate", "shared"]
PushedBy = Literal["node", "process"]


@dataclass(frozen=True, repr=False, slots=True, kw_only=True)
class ProcessSettings(Declared):
    """How the processes of one node go together."""

    mode: Processes = setting(
        "processes",
        choice(Processes),
        "BUTTERFLY_OTEL_PROCESSES",
        default="separate",
        tells="``shared`` where several processes are one node, such as the workers of a web"
        " server: whichever is scraped gives the totals of all of them. ``separate``: each"
        " process is a node of its own.",
    )
    group: str | None = setting(
        "process_group",
        TEXT,
        "BUTTERFLY_OTEL_PROCESS_GROUP",
        default=None,
        tells="A name for the processes that go together, where they are started by hand or by"
        " a supervisor. By default they are those that one parent has forked, or started by"
        " ``multiprocessing``.",
    )
    directory: str | None = setting(
        "processes_directory",
        TEXT,
        "BUTTERFLY_OTEL_PROCESSES_DIRECTORY",
        default=None,
        tells="Where those processes meet and keep the totals of the ones that have ended: a"
        " local directory, in memory if possible. By default the first that can be written to"
        " of XDG_RUNTIME_DIR, TMPDIR, /tmp, /var/tmp and /dev/shm.",
    )
    pushed_by: PushedBy = setting(
        "otlp_processes",
        choice(PushedBy),
        "BUTTERFLY_OTEL_OTLP_PROCESSES",
        default="node",
        tells="Who pushes where processes are shared: the ``node``, one push with the totals of"
        " all, or each ``process`` its own, under a ``service.instance.id`` of its own.",
    )
