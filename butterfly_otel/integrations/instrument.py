"""``opentelemetry-instrument`` without code: ``configure()`` from the environment.

::

    export BUTTERFLY_NODE_ID=compute-node-1 BUTTERFLY_NODE_ROLE=compute
    OTEL_PYTHON_DISTRO=butterfly_otel opentelemetry-instrument python app.py

``OTEL_PYTHON_CONFIGURATOR=butterfly_otel`` sets up metrics by ``configure()``, with its engine,
enforcement and exporters, and traces and logs as OpenTelemetry does, all three with one resource.
``OTEL_PYTHON_DISTRO=butterfly_otel`` implies that, and makes OTEL_METRICS_EXPORTER ``prometheus``
by default, where OpenTelemetry's own distro makes it ``otlp`` by gRPC; all else is that distro's.

Wrong settings are one sentence on stderr, and the application runs without metrics: who starts a
service by this command asks that it be left alone. Neither does anything unless it is named.
Child processes that are Python too are instrumented as well and want a port of their own, by
``OTEL_EXPORTER_PROMETHEUS_PORT=0``, or push.

Needs the extra ``distro``.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from butterfly_otel.engine.sdk_internals import provider_resource
from butterfly_otel.engine.sdk_names import INSTRUMENT, find, missing
from butterfly_otel.errors import ButterflyOtelError
from butterfly_otel.runtime.configure import configure

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk._configuration import _OTelSDKConfigurator as StockConfigurator

#: As the SDK has it, from 1.43 on.
OTEL_CONFIG_FILE: Final = "OTEL_CONFIG_FILE"
#: The name of both entry points.
NAME: Final = "butterfly_otel"
_CONFIGURATOR: Final = "OTEL_PYTHON_CONFIGURATOR"
_DISTRO: Final = "OTEL_PYTHON_DISTRO"

_logger = logging.getLogger("butterfly_otel")


def configurator() -> Any:
    """Return the configurator that OTEL_PYTHON_CONFIGURATOR asks for.

    Where it names none, ``opentelemetry-instrument`` takes the first that is installed, in no
    particular order. That we are installed must change nothing then, so it is the next one's.
    """
    if os.environ.get(_CONFIGURATOR) == NAME:
        return Configurator()  # type: ignore[no-untyped-call]
    for point in entry_points(group="opentelemetry_configurator"):
        if point.name != NAME:
            return point.load()()
    return _Stock()  # type: ignore[no-untyped-call]


def distro() -> object:
    """Return the distro if OTEL_PYTHON_DISTRO asks for it; anything else is passed over."""
    if os.environ.get(_DISTRO) != NAME:
        return None
    from opentelemetry.instrumentation import distro as theirs  # noqa: PLC0415 - an extra

    class ButterflyDistro(theirs.BaseDistro):  # type: ignore[misc, name-defined, unused-ignore]
        """Defaults of the environment: our configurator and pull, else OpenTelemetry's own."""

        def _configure(self, **kwargs: Any) -> None:  # noqa: ARG002 - the base's signature
            os.environ.setdefault(_CONFIGURATOR, NAME)
            os.environ.setdefault("OTEL_METRICS_EXPORTER", "prometheus")
            try:
                from opentelemetry.distro import OpenTelemetryDistro  # noqa: PLC0415 - likewise
            except ModuleNotFoundError:
                return
            OpenTelemetryDistro().configure()

    return ButterflyDistro()


class MovedConfigurator:
    """Stands for OpenTelemetry's own configuration where that is not where it was."""

    def configure(self, **kwargs: Any) -> None:
        """Configure what there is to configure."""
        self._configure(**kwargs)

    def _configure(self, **_kwargs: Any) -> None:
        _logger.warning(
            "traces and logs are not configured: this opentelemetry-sdk has no %s.%s; set them up"
            " in code, or install a release that butterfly-otel knows",
            INSTRUMENT[0].owner,
            INSTRUMENT[0].name,
        )


if not TYPE_CHECKING:
    # What distros are told to subclass.
    StockConfigurator = MovedConfigurator if missing(INSTRUMENT[:1]) else find(*INSTRUMENT[0][:2])


class _Stock(StockConfigurator):
    """OpenTelemetry's own configuration."""


class Configurator(StockConfigurator):
    """Metrics by ``configure()``; traces and logs by the configuration that it extends."""

    # Each class has one instance, but looks for it in the classes it extends as well.
    _instance = None

    def _configure(self, **kwargs: Any) -> None:
        try:
            current = configure()
        except ButterflyOtelError as error:
            # A sentence: logging is not configured yet, so it goes to stderr as it is.
            for line in str(error).splitlines():  # one for each setting that is wrong
                _logger.error("butterfly-otel measures nothing: %s", line)  # noqa: TRY400
        else:
            resource = provider_resource(current.meter_provider)
            if resource is not None:
                attributes = dict(resource.attributes)
                kwargs["resource_attributes"] = {
                    **attributes,
                    **(kwargs.get("resource_attributes") or {}),
                }
        if config_file := os.environ.get(OTEL_CONFIG_FILE):
            _from_file(config_file)
            return
        with _without_metrics():
            super()._configure(**kwargs)  # type: ignore[no-untyped-call]


def _from_file(path: str) -> None:
    """Do what OpenTelemetry does with a declarative configuration, but for metrics."""
    try:
        configuration: Any = import_module("opentelemetry.configuration")
    except ImportError:
        _logger.error(  # noqa: TRY400 - a sentence
            "%s is set, which needs: pip install 'butterfly-otel[views]' 'opentelemetry-sdk>=1.44'",
            OTEL_CONFIG_FILE,
        )
        return
    # Its meter provider would be a second one.
    without_metrics = replace(configuration.load_config_file(path), meter_provider=None)
    configuration.configure_sdk(without_metrics)


@contextmanager
def _without_metrics() -> Generator[None, None, None]:
    """Keep OpenTelemetry's configuration from making a meter provider and exporters for it.

    The variable alone leaves it a provider without exporters, at the price of a warning that
    ours is there already.
    """
    given = os.environ.get("OTEL_METRICS_EXPORTER")
    stock: Any = sys.modules.get(INSTRUMENT[1].owner)
    initialize = getattr(stock, "_init_metrics", None)
    os.environ["OTEL_METRICS_EXPORTER"] = "none"
    if initialize is not None:
        stock._init_metrics = _no_metrics  # noqa: SLF001 - there is no other way
    try:
        yield
    finally:
        if initialize is not None:
            stock._init_metrics = initialize  # noqa: SLF001 - as above
        if given is None:
            del os.environ["OTEL_METRICS_EXPORTER"]
        else:
            os.environ["OTEL_METRICS_EXPORTER"] = given


def _no_metrics(*_args: object, **_kwargs: object) -> None:
    """Make nothing."""
