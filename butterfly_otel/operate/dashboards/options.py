"""What can be chosen when dashboards are generated."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate.rules import Options as RuleOptions

#: Grafana takes at most 40 characters; the longest of ours adds 14.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,25})")
_REFRESH = re.compile(r"(?:[1-9][0-9]*[smh])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """For whom dashboards are generated.

    Attributes:
        rules: What the rules they stand on were generated with: thresholds, extra labels of
            recorded series, matchers that every selector gets, jobs, where the runbooks are.
            Windows are Grafana's own: of ``scrape_interval`` only follows what a slow scrape is.
        name: Begins every uid and title, and is the tag that links the dashboards: a second set
            in one Grafana needs another one.
        datasource: Uid of the Prometheus data source to begin with; empty for Grafana's default.
        refresh: How often they are refreshed, such as ``30s``; empty for never.

    Raises:
        ConfigurationError: When one of them is wrong.
    """

    rules: RuleOptions = field(default_factory=RuleOptions)
    name: str = "butterfly"
    datasource: str = ""
    refresh: str = "30s"

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            msg = (
                f"the name is {self.name!r}; Grafana takes up to 26 lower-case letters, digits,"
                " hyphens and underscores here"
            )
            raise ConfigurationError(msg)
        if _REFRESH.fullmatch(self.refresh) is None:
            msg = f"refresh is {self.refresh!r}; write a duration such as 30s or 5m"
            raise ConfigurationError(msg)
