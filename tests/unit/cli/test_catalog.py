"""``butterfly-otel catalog NAME``: found by a part of the name, and one metric whole."""

from __future__ import annotations

from typing import Any

import pytest

from butterfly_otel import catalog, metrics
from butterfly_otel.cli import main
from butterfly_otel.cli.described import described


def names(text: str) -> list[str]:
    """Return the names in a table."""
    return [line.split()[0] for line in text.splitlines()[1:-1]]


def test_a_part_of_the_name_finds_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    """Without wildcards, in any case, the part may be anywhere in the name."""
    assert main(["catalog", "GPU"]) == 0
    found = names(capsys.readouterr().out)
    assert found == [each.name for each in catalog.CONTRACT if "gpu" in each.name]
    assert len(found) > 2
    assert main(["catalog", "butterfly_gpu_*"]) == 0
    assert names(capsys.readouterr().out) == [n for n in found if n.startswith("butterfly_gpu_")]
    assert main(["catalog", "no_such_part"]) == 1


@pytest.mark.parametrize("name", ["butterfly_gpu_memory_bytes", "gpu_memory_bytes"])
def test_a_whole_name_shows_one_metric(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help, labels with their values, calls, and what uses it; by the handle's name as well."""
    assert main(["catalog", name]) == 0
    text = capsys.readouterr().out
    for part in (
        "Used and free memory of a GPU",
        "state: Whether the memory is in use. One of used, free.",
        "At most 64 values a process",
        "metrics.gpu_memory_bytes.observation(value, *, node_id=None, gpu_id, state)",
        "GPUMemoryNearlyFull (warning): Memory of GPU <gpu_id> of <node_id> is nearly full",
        "Resources: ",
        '    sum by (node_id, gpu_id) (butterfly_gpu_memory_bytes{state="used"}) / ',
    ):
        assert part in " ".join(text.split()) or part in text


def test_metrics_of_the_sdk_itself_are_found_by_their_whole_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Who asks for one by its name need not say --extensions."""
    assert main(["catalog", "butterfly_otel_label_violations_total"]) == 0
    assert "call:" not in capsys.readouterr().out


def test_an_alert_that_uses_a_metric_by_a_recording_rule_is_shown() -> None:
    """Rules that are made of recorded values belong to the metric as well."""
    lines = "\n".join(described(catalog.BY_NAME["butterfly_requests_total"], 10_000))
    assert "HighErrorRate" in lines or "ErrorBudget" in lines


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_it_fits_the_terminal(width: int) -> None:
    """Prose breaks between words, at the terminal's width; queries and calls stay whole."""
    for metric in catalog.ALL:
        for line in described(metric, width):
            words = line.split()
            whole = line.startswith("    ") or len(words) < 2 or "metrics." in line
            assert whole or len(line) <= max(30, min(width, 100)), line


def test_every_method_of_a_handle_is_shown() -> None:
    """Whoever adds a public method to the handles finds it missing here."""
    kept: set[Any] = {"attach", "attached", "invalidate", "forget", "record_values", "find"}
    kept |= {"settle", "adopt", "source", "unregister", "registrations", "metric"}
    for handle in metrics.ALL:
        text = "\n".join(described(handle.metric))
        for name in dir(handle):
            if not name.startswith("_") and name not in kept and hasattr(handle, name):
                assert f".{name}(" in text, name
