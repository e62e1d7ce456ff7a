"""The files that a cluster is monitored with, for whoever has only the wheel.

They are those of ``deploy/`` and ``docs/``, which the wheel carries along, with rules, dashboards
and intervals as chosen, and what they read from elsewhere beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.operate.dashboards import Options as DashboardOptions
from butterfly_otel.operate.rules import Options
from butterfly_otel.operate.rules.promql import duration
from butterfly_otel.render import dashboards
from butterfly_otel.render.rules import (
    ALERTS_FILE,
    CHART_FILE,
    OPERATOR_FILE,
    RULES_FILE,
    render_alerts,
    render_chart,
    render_operator,
    render_rules,
)
from butterfly_otel.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHART = "butterfly-otel"
_COLLECTORS = ("otel-collector.yml", "otel-collector-agent.yml")
_FRAGMENTS = ("prometheus-kubernetes.yml", "prometheus-gateway.yml")
#: What the shipped files scrape, push and wait by, in seconds.
_INTERVAL, _TIMEOUT = 15, 10
_VALUES = """\
# Values of your cluster: `helm show values butterfly-otel` says what there is, and the folder
# values has some to begin with.
roles:
  coordinator:
    image:
      repository: registry.example/butterfly-coordinator
      tag: 1.0.0
  compute:
    image:
      repository: registry.example/butterfly-compute
      tag: 1.0.0
# Where Prometheus selects by a label:
# monitor:
#   labels: {release: kube-prometheus-stack}
# rules:
#   labels: {release: kube-prometheus-stack}
"""
_HELM_INSTALL = (
    "helm install butterfly {folder}/butterfly-otel --values {folder}/values.yaml"
    " --namespace butterfly --create-namespace"
)
_WHEELS = "A wheel of butterfly-otel here is installed in the place of the index's.\n"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A way to deploy.

    Attributes:
        files: Returns the texts by file name, for options of rules; names are divided by ``/``.
        steps: What to do with them, a line each.
    """

    files: Callable[[Options], Mapping[str, str]]
    steps: tuple[str, ...]


class MissingFilesError(ConfigurationError):
    """The package was put together without what it deploys."""


def can_render(options: Options) -> bool:
    """Tell whether dashboards can be as the options say: the shipped ones need no extra."""
    return options == Options() or dashboards.available()


def _root() -> Path:
    package = Path(str(files("butterfly_otel")))
    packaged = package / "_shipped"
    # An editable install has no copy inside the package: the source tree is around it.
    return packaged if packaged.is_dir() else package.parent


def _text(path: str) -> str:
    try:
        return (_root() / path).read_text("utf-8")
    except OSError as error:
        msg = f"{path} is not installed here; install butterfly-otel from its wheel"
        raise MissingFilesError(msg) from error


def _folder(path: str) -> dict[str, str]:
    """Return the texts of a folder, by their names relative to it."""
    top = _root() / path
    found = sorted(each for each in top.rglob("*") if each.is_file())
    names = [each.relative_to(top).as_posix() for each in found]
    kept = [name for name in names if "__pycache__" not in name]
    if not kept:
        msg = f"{path} is not installed here; install butterfly-otel from its wheel"
        raise MissingFilesError(msg)
    return {name: _text(f"{path}/{name}") for name in kept}


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        if old not in text:
            msg = f"{old!r} is not in a shipped file any more"
            raise AssertionError(msg)
        text = text.replace(old, new)
    return text


def _waits(options: Options) -> tuple[str, str]:
    """Return the interval of scrapes, and how long one may take."""
    interval = options.scrape_interval
    return duration(interval), duration(min(interval, _TIMEOUT))


def _dashboards(options: Options) -> dict[str, str]:
    if options == Options() or not dashboards.available():
        return _folder(f"deploy/helm/{_CHART}/dashboards")
    made = dashboards.renderers(DashboardOptions(rules=options))
    return {name: render() for name, render in made.items()}


def _rules(options: Options) -> dict[str, str]:
    return {RULES_FILE: render_rules(options), ALERTS_FILE: render_alerts(options)}


def _prometheus(options: Options) -> dict[str, str]:
    interval, timeout = _waits(options)
    config = _replaced(
        _text("docs/prometheus.yml"),
        (f"scrape_interval: {_INTERVAL}s", f"scrape_interval: {interval}"),
        (f"scrape_timeout: {_TIMEOUT}s", f"scrape_timeout: {timeout}"),
    )
    return {
        "prometheus.yml": config,
        **_rules(options),
        "alertmanager.yml": _text("docs/alertmanager.yml"),
        **{f"fragments/{name}": _text(f"docs/{name}") for name in _FRAGMENTS},
        **{name: _text(f"docs/{name}") for name in _COLLECTORS},
        **_below("dashboards", _dashboards(options)),
    }


def _kubernetes(options: Options) -> dict[str, str]:
    interval, timeout = _waits(options)
    found = _folder("deploy/kubernetes")
    found[OPERATOR_FILE] = render_operator(options)
    found["servicemonitor.yaml"] = _replaced(
        found["servicemonitor.yaml"],
        (f"interval: {_INTERVAL}s", f"interval: {interval}"),
        (f"scrapeTimeout: {_TIMEOUT}s", f"scrapeTimeout: {timeout}"),
    )
    return found


def _helm(options: Options) -> dict[str, str]:
    interval, timeout = _waits(options)
    chart = _folder(f"deploy/helm/{_CHART}")
    chart[f"files/{CHART_FILE}"] = render_chart(options)
    chart["values.yaml"] = _replaced(
        chart["values.yaml"],
        (f"interval: {_INTERVAL}s", f"interval: {interval}"),
        (f"scrapeTimeout: {_TIMEOUT}s", f"scrapeTimeout: {timeout}"),
        (
            f"intervalSeconds: {_INTERVAL} ",
            f"intervalSeconds: {max(1, int(options.scrape_interval))} ",
        ),
    )
    chart |= _below("dashboards", _dashboards(options))
    return {
        **_below(_CHART, chart),
        **_below("values", _folder("deploy/helm/values")),
        "values.yaml": _VALUES,
    }


def _compose(options: Options) -> dict[str, str]:
    """The composed demo, whose files are all in its folder, as its image is built from a wheel."""
    found = _folder("deploy/compose")
    del found["Dockerfile.dockerignore"]
    dockerfile = found.pop("Dockerfile.wheel")
    found["Dockerfile"] = _replaced(dockerfile, ("VERSION", __version__))
    found["compose.yaml"] = _replaced(
        found["compose.yaml"],
        ("docker compose -f deploy/compose/compose.yaml up", "docker compose up"),
        ("context: ../..\n      dockerfile: deploy/compose/Dockerfile\n", "context: .\n"),
        ("../../docs/", "./"),
        ("the very files in docs/. Guide: docs/operating.md.", "the files beside this one."),
        ("# Where docs/alertmanager.yml", "# Where alertmanager.yml"),
    )
    return {
        **found,
        "alertmanager.yml": _text("docs/alertmanager.yml"),
        **{name: _text(f"docs/{name}") for name in _COLLECTORS},
        **_rules(options),
        **_below("dashboards", _dashboards(options)),
        "wheels/README.md": _WHEELS,
    }


def _below(folder: str, texts: Mapping[str, str]) -> dict[str, str]:
    return {str(PurePosixPath(folder, name)): text for name, text in texts.items()}


#: Every way to deploy, by the name of its folder.
DEPLOYMENTS: Mapping[str, Deployment] = {
    "compose": Deployment(
        _compose,
        ("docker compose -f {folder}/compose.yaml up --build", "open http://localhost:3000"),
    ),
    "kubernetes": Deployment(
        _kubernetes,
        ("name your images in {folder}/kustomization.yaml", "kubectl apply -k {folder}"),
    ),
    "helm": Deployment(
        _helm,
        (
            "name your images in {folder}/values.yaml; {folder}/values has more to begin with",
            _HELM_INSTALL,
        ),
    ),
    "prometheus": Deployment(
        _prometheus,
        (
            "name your nodes and your storage in {folder}/prometheus.yml",
            "say whom to wake in {folder}/alertmanager.yml",
            "promtool check config {folder}/prometheus.yml",
        ),
    ),
}
