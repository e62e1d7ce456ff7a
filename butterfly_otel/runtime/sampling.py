"""What is read from hardware: the room ``collectors``, imported only where it has to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection as Several
    from collections.abc import Sequence

    from butterfly_otel.collectors import Source
    from butterfly_otel.collectors.collection import Collection
    from butterfly_otel.collectors.registry import Chosen
    from butterfly_otel.runtime.assembly import Pipeline
    from butterfly_otel.settings.config import Config


def own_sources(collectors: object) -> tuple[Source, ...]:
    """Return the application's own sources in what it passed as ``collectors``.

    Raises:
        ConfigurationError: When something in it is neither a name nor a source.
    """
    if collectors is None or isinstance(collectors, str):
        return ()
    from butterfly_otel.collectors import registry  # noqa: PLC0415 - see above

    return registry.own_sources(collectors)


def check_names(names: Several[str]) -> None:
    """Refuse names of collectors that there are not.

    Raises:
        ConfigurationError: With those that there are.
    """
    if names:
        from butterfly_otel.collectors import registry  # noqa: PLC0415 - see above

        registry.check_names(names)


def choose(config: Config, own: Sequence[Source]) -> list[Chosen]:
    """Return what ``config`` names, and the application's own sources.

    Raises:
        ConfigurationError: When two sources have one name, or a source yields what can't be
            observed.
    """
    if not config.collectors and not own:
        return []
    from butterfly_otel.collectors import registry  # noqa: PLC0415 - see above

    return registry.choose(config, own)


def begin(chosen: Sequence[Chosen], pipeline: Pipeline, config: Config) -> Collection:
    """Return the sources that are being read and observed from now on."""
    from butterfly_otel.collectors.collection import Collection  # noqa: PLC0415 - see above
    from butterfly_otel.collectors.handles import observable  # noqa: PLC0415

    return Collection(
        chosen,
        pipeline.provider,
        pipeline.telemetry.count,
        interval=config.sampling_interval,
        handles=observable(config.catalogs),
    )
