"""`butterfly-otel init` writes files that fit together, as its options say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from butterfly_otel.cli import main
from butterfly_otel.render import dashboards, deployment
from butterfly_otel.version import __version__

ROOT = Path(__file__).parents[3]
KINDS = ("compose", "helm", "kubernetes", "prometheus")


def read(path: Path) -> Any:
    """Return a file of YAML as data."""
    return yaml.safe_load(path.read_text("utf-8"))


def written(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its name there."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_wrote_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """Each file is named, and the next steps name files that are there."""
    assert main(["init", kind, "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    files = {tmp_path / name for name in written(tmp_path)}
    assert {Path(line[6:]) for line in out.splitlines() if line.startswith("wrote ")} == files
    assert all(path.parent.is_relative_to(tmp_path / kind) for path in files)
    steps = out.partition(f"next, for {kind}:\n")[2]
    named = re.findall(re.escape(str(tmp_path)) + r"[\w./-]*", steps)
    assert named
    assert all(Path(each).exists() for each in named)


def test_without_options_it_is_what_is_shipped(tmp_path: Path) -> None:
    """Kustomization and chart are those of the source tree, file by file."""
    assert main(["init", "kubernetes", "helm", "-o", str(tmp_path)]) == 0
    assert written(tmp_path / "kubernetes") == written(ROOT / "deploy" / "kubernetes")
    chart = ROOT / "deploy" / "helm" / "butterfly-otel"
    assert written(tmp_path / "helm" / "butterfly-otel") == written(chart)


def test_prometheus_has_beside_it_what_it_reads(tmp_path: Path) -> None:
    """Rule files that the configuration names are there, and so are the dashboards."""
    assert main(["init", "prometheus", "-o", str(tmp_path)]) == 0
    folder = tmp_path / "prometheus"
    assert all((folder / each).is_file() for each in read(folder / "prometheus.yml")["rule_files"])
    assert written(folder / "dashboards") == {
        path.name: path.read_bytes() for path in (ROOT / "docs" / "dashboards").glob("*.json")
    }


def test_compose_needs_nothing_outside_its_folder(tmp_path: Path) -> None:
    """All that is mounted and built from is below the folder, and the image has this version."""
    assert main(["init", "compose", "-o", str(tmp_path)]) == 0
    folder = tmp_path / "compose"
    text = (folder / "compose.yaml").read_text("utf-8")
    assert ".." not in text.replace("...", "")
    for service in yaml.safe_load(text)["services"].values():
        if "build" in service:
            assert service["build"] == {"context": "."}
        for mount in service.get("volumes", ()):
            source = mount.partition(":")[0]
            assert not source.startswith(".") or (folder / source).exists()
    dockerfile = (folder / "Dockerfile").read_text("utf-8")
    assert f"=={__version__}'" in dockerfile
    for line in re.findall(r"^COPY (.+)$", dockerfile, re.MULTILINE):
        assert all((folder / name).exists() for name in line.split()[:-1])


@pytest.mark.parametrize(("interval", "timeout"), [("30s", "10s"), ("5s", "5s"), ("1m", "10s")])
def test_the_interval_is_the_same_everywhere(tmp_path: Path, interval: str, timeout: str) -> None:
    """Prometheus, monitors, pushes and rules agree on it, and no scrape may outlast it."""
    assert main(["init", *KINDS, "-o", str(tmp_path), "--scrape-interval", interval]) == 0
    config = read(tmp_path / "prometheus" / "prometheus.yml")["global"]
    assert (config["scrape_interval"], config["scrape_timeout"]) == (interval, timeout)
    monitor = read(tmp_path / "kubernetes" / "servicemonitor.yaml")["spec"]["endpoints"][0]
    assert (monitor["interval"], monitor["scrapeTimeout"]) == (interval, timeout)
    values = read(tmp_path / "helm" / "butterfly-otel" / "values.yaml")
    assert (values["monitor"]["interval"], values["monitor"]["scrapeTimeout"]) == (
        interval,
        timeout,
    )
    seconds = {"30s": 30, "5s": 5, "1m": 60}[interval]
    assert values["metrics"]["otlp"]["intervalSeconds"] == seconds


def test_rules_are_as_the_options_say(tmp_path: Path) -> None:
    """Thresholds, labels and links reach the rules of every kind, and the dashboards."""
    options = ["--threshold", "gpu_celsius=91", "--extra-label", "team=a"]
    options += ["--runbooks", "https://w.example/rb"]
    assert main(["init", *KINDS, "-o", str(tmp_path), *options]) == 0
    files = (
        "compose/prometheus_alerts.yml",
        "prometheus/prometheus_alerts.yml",
        "kubernetes/prometheusrule.yaml",
        "helm/butterfly-otel/files/rules.yaml",
    )
    for file in files:
        text = (tmp_path / file).read_text("utf-8")
        assert "> 91" in text
        assert 'team: "a"' in text
        assert "https://w.example/rb/GPUOverheating.md" in text
    if dashboards.available():
        for folder in ("compose", "prometheus", "helm/butterfly-otel"):
            text = (tmp_path / folder / "dashboards" / "resources.json").read_text("utf-8")
            assert '"value": 91' in text


def test_without_the_extra_dashboards_are_the_shipped_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they can't be rendered as the options say, that is said, and how to mend it."""
    monkeypatch.setattr(dashboards, "available", lambda: False)
    assert main(["init", "prometheus", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
    again = ["init", "prometheus", "-o", str(tmp_path), "--threshold", "gpu_celsius=91", "--force"]
    assert main(again) == 0
    assert "pip install 'butterfly-otel[dashboards]'" in capsys.readouterr().err
    found = (tmp_path / "prometheus" / "dashboards" / "resources.json").read_bytes()
    assert found == (ROOT / "docs" / "dashboards" / "resources.json").read_bytes()


def test_all_kinds_are_written_or_none(tmp_path: Path) -> None:
    """Something in the way of one kind keeps the others from being written, too."""
    (tmp_path / "prometheus").mkdir()
    (tmp_path / "prometheus" / "prometheus.yml").write_text("mine")
    assert main(["init", "kubernetes", "prometheus", "-o", str(tmp_path)]) == 2
    assert not (tmp_path / "kubernetes").exists()


def test_an_unknown_kind_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A kind that there is not is a mistake of usage, and so is none."""
    for arguments in (["init", "nomad"], ["init"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "kubernetes" in capsys.readouterr().err


def test_a_package_without_the_files_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package was put together without them, that is one sentence."""
    monkeypatch.setattr(deployment, "_root", lambda: tmp_path)
    for kind in KINDS:
        assert main(["init", kind, "-o", str(tmp_path / "out")]) == 2
        assert "is not installed here; install butterfly-otel from" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
