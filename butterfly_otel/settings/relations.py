"""What settings say of each other: defaults that others decide, and what must hold between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Literal

from butterfly_otel.errors import ConfigurationError

if TYPE_CHECKING:
    from butterfly_otel.settings.kinds import Others

#: The variable that switches everything off.
DISABLED: Final = "OTEL_SDK_DISABLED"


def node_id(other: Others) -> str:
    """Return the name of a node that has none: empty, where nothing is measured.

    Raises:
        ConfigurationError: Anywhere else.
    """
    if other(DISABLED):
        return ""
    raise ConfigurationError(
        "node_id is not set: pass configure(node_id=...) or set BUTTERFLY_NODE_ID to this"
        " node's name, such as compute-node-1"
    )


def node_role(other: Others) -> Literal["observer"]:
    """Return the role of a node that has none: any, where nothing is measured.

    Raises:
        ConfigurationError: Anywhere else.
    """
    if other(DISABLED):
        return "observer"
    raise ConfigurationError(
        "node_role is not set: pass configure(node_role=...) or set BUTTERFLY_NODE_ROLE to"
        " coordinator, compute or observer"
    )


def service_name(other: Others) -> str:
    """Return the name of a service that has none: that of its resource, else of its role."""
    attributes: dict[str, str] = dict(other("resource_attributes"))
    return attributes.get("service.name") or f"butterfly-{other('node_role')}"


def _disk_needs_a_directory(other: Others) -> None:
    if "disk" in other("collectors") and not other("checkpoint_dir"):
        raise ConfigurationError(
            "collectors names 'disk', which reads the space of checkpoints: say where they are by"
            " configure(checkpoint_dir=...) or BUTTERFLY_OTEL_CHECKPOINT_DIR"
        )


def _ends_of_series_need_our_engine(other: Others) -> None:
    if other("time_to_live") and other("engine") == "sdk":
        raise ConfigurationError(
            "time_to_live needs engine 'butterfly', and engine is 'sdk'; leave one of them out"
        )


def _processes_go_together_by_sockets(other: Others) -> None:
    if other("processes") == "shared" and sys.platform == "win32":
        raise ConfigurationError(
            "processes is 'shared', which needs sockets and locks that Windows does not have;"
            " leave it out, and give each process a node_id and a prometheus_port of its own"
        )


def _one_push_has_no_deltas(other: Others) -> None:
    pushes = other("processes") == "shared" and "otlp" in other("exporter")
    if pushes and other("otlp_processes") == "node" and other("otlp_temporality") != "cumulative":
        raise ConfigurationError(
            f"otlp_temporality is {other('otlp_temporality')!r}, and processes is 'shared', where"
            " one push has the totals of all processes; set otlp_temporality to 'cumulative', or"
            " otlp_processes to 'process'"
        )


def _certificate_and_key(other: Others) -> None:
    names = ("certificate", "key", "client_ca")
    given = {each: other(f"prometheus_{each}") is not None for each in names}
    missing = [each for each in ("certificate", "key") if not given[each]]
    if any(given.values()) and missing:
        there = next(each for each in given if given[each])
        raise ConfigurationError(
            f"prometheus_{there} is set and prometheus_{missing[0]} is not: TLS needs a certificate"
            " and its key"
        )


def _tls_in_one_place(other: Others) -> None:
    if other("prometheus_web_config") is not None and other("prometheus_certificate") is not None:
        raise ConfigurationError(
            "prometheus_web_config and prometheus_certificate are both set: say in one of them how"
            " TLS is spoken"
        )


#: What must hold between settings of the pull endpoint alone.
PROMETHEUS_RULES: Final = (_certificate_and_key, _tls_in_one_place)
#: Each raises ConfigurationError where it does not hold.
RULES: Final = (
    _disk_needs_a_directory,
    _ends_of_series_need_our_engine,
    _processes_go_together_by_sockets,
    _one_push_has_no_deltas,
    *PROMETHEUS_RULES,
)
