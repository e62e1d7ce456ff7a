"""Whoever has only the wheel gets files that real programs take."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from .chart import Helm

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
KINDS = ("compose", "helm", "kubernetes", "prometheus")
#: What the image of deploy/compose is made of, which is all that a build may need.
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "butterfly_otel", "views", "docs", "deploy")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as its wheel has it, built from what an image is made of."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=ignored)
        else:
            shutil.copy(path, source / name)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")
    shutil.rmtree(source)
    return folder / "installed"


def _run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command of the wheel in a folder, where nothing of the source tree is."""
    return subprocess.run(
        [sys.executable, "-m", "butterfly_otel", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def written(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was empty, with what `init` writes there."""
    folder = tmp_path_factory.mktemp("empty")
    done = _run(installed, folder, "init", *KINDS, "--threshold", "gpu_celsius=91")
    assert done.returncode == 0, done.stderr
    assert "next, for helm:" in done.stdout
    return folder


def _checked(*command: str | Path) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    """The tests below look at the wheel, and not at the source tree."""
    told = "import butterfly_otel; print(butterfly_otel.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_promtool_takes_the_configuration_with_its_rules(
    written: Path, installed: Path, promtool3: Path, tmp_path: Path
) -> None:
    """Prometheus' configuration, the rules beside it and the demo's are right."""
    for kind in ("prometheus", "compose"):
        said = _checked(promtool3, "check", "config", written / kind / "prometheus.yml")
        assert said.count("SUCCESS") == 4, said
    assert "> 91" in (written / "prometheus" / "prometheus_alerts.yml").read_text("utf-8")
    # A shorter interval than the shipped timeout would be refused.
    done = _run(installed, tmp_path, "init", "prometheus", "--scrape-interval", "5s")
    assert done.returncode == 0, done.stderr
    _checked(promtool3, "check", "config", tmp_path / "prometheus" / "prometheus.yml")


def test_promtool_takes_the_fragments(written: Path, promtool3: Path) -> None:
    """The fragments do where `scrape_config_files` looks for them."""
    folder = written / "prometheus"
    shutil.copytree(folder / "fragments", folder / "scrape.d")
    assert "SUCCESS" in _checked(promtool3, "check", "config", folder / "prometheus.yml")


def test_amtool_takes_alertmanagers(written: Path, amtool: Path) -> None:
    """Alertmanager's configuration is right."""
    for kind in ("prometheus", "compose"):
        assert "SUCCESS" in _checked(amtool, "check-config", written / kind / "alertmanager.yml")


def test_helm_takes_the_chart(
    written: Path, helm: Path, kubetypes: Path, promtool3: Path, tmp_path: Path
) -> None:
    """The chart lints with the values beside it, fits Kubernetes, and its rules are right."""
    chart = Helm(helm, tmp_path, written / "helm" / "butterfly-otel")
    values = ("--values", written / "helm" / "values.yaml")
    chart.run("lint", "--strict", chart.chart, *values)
    text = chart.text(*values)
    done = subprocess.run([kubetypes], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    [rule] = [each for each in yaml.safe_load_all(text) if each["kind"] == "PrometheusRule"]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    assert "SUCCESS" in _checked(promtool3, "check", "rules", path)


def test_a_user_may_change_values_and_write_anew(
    written: Path, installed: Path, tmp_path: Path
) -> None:
    """What was changed stops a second `init`; what was not does not."""
    folder = tmp_path / "again"
    shutil.copytree(written, folder)
    again = ("init", *KINDS, "--threshold", "gpu_celsius=91")
    done = _run(installed, folder, *again)
    assert done.returncode == 0, done.stderr
    assert "wrote" not in done.stdout
    (folder / "helm" / "values.yaml").write_text("mine: true\n")
    done = _run(installed, folder, *again)
    assert done.returncode == 2
    assert "helm/values.yaml would be overwritten" in done.stderr.replace(os.sep, "/")


def test_kubectl_takes_the_kustomization(written: Path, kubetypes: Path) -> None:
    """What kustomize builds decodes strictly into Kubernetes' Go types."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here; install it to run this test")
    built = _checked(kubectl, "kustomize", written / "kubernetes")
    done = subprocess.run([kubetypes], input=built, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_collectors_take_their_files(written: Path, otelcol: Path) -> None:
    """Agent and gateway validate."""
    for kind in ("prometheus", "compose"):
        for name in ("otel-collector.yml", "otel-collector-agent.yml"):
            _checked(otelcol, "validate", "--config", f"file:{written / kind / name}")


def test_runbooks_travel_along(installed: Path, tmp_path: Path) -> None:
    """`butterfly-otel runbook` shows the wheel's."""
    done = _run(installed, tmp_path, "runbook", "HighLatency")
    assert done.stdout == (ROOT / "docs" / "runbooks" / "HighLatency.md").read_text("utf-8")
    assert len(_run(installed, tmp_path, "runbook").stdout.splitlines()) == len(
        list((ROOT / "docs" / "runbooks").iterdir())
    )
