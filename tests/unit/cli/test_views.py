"""`butterfly-otel views`: the Views in effect, as other SDKs read them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from opentelemetry.configuration import load_config_file

from butterfly_otel.cli import main
from butterfly_otel.views.overlays import apply_overlay, shipped
from butterfly_otel.views.streams import Stream, default_streams

OVERLAY = """\
file_format: "1.0"
meter_provider:
  views:
    - selector: {instrument_name: butterfly_request_duration_seconds}
      stream:
        aggregation: {explicit_bucket_histogram: {boundaries: [0.0005, 30, 1000000]}}
        aggregation_cardinality_limit: 3
    - {selector: {instrument_name: butterfly_quorum_size}, stream: {aggregation: {drop: {}}}}
    - selector: {instrument_name: butterfly_requests_total}
      stream: {attribute_keys: {excluded: ["*"]}}
"""


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Write an overlay with every kind of narrowing, under an awkward name."""
    path = tmp_path / "my: views\n#.yaml"
    path.write_text(OVERLAY)
    return path


def _expected(*overlays: Path | str) -> tuple[Stream, ...]:
    streams = default_streams()
    for each in overlays:
        streams = apply_overlay(streams, each)
    return streams


def test_without_overlays_the_views_are_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, the same Views as views/default.yaml has."""
    assert main(["views"]) == 0
    text = capsys.readouterr().out
    views = text[text.index("file_format") :]
    assert shipped("default").read_text().endswith(views)


def test_overlays_are_applied_in_their_order(tmp_path: Path, overlay: Path) -> None:
    """The official package accepts the file, and read back it says what is in effect."""
    output = tmp_path / "out.yaml"
    given = ["--overlay", "low-cardinality", "--overlay", str(overlay)]
    assert main(["views", *given, "--output", str(output)]) == 0
    assert "# as narrowed by low-cardinality, then " in output.read_text()
    config = load_config_file(str(output))
    assert config.meter_provider is not None
    views = {view.selector.instrument_name: view for view in config.meter_provider.views or ()}
    streams = _expected("low-cardinality", overlay)
    assert [*views] == [stream.metric.name for stream in streams]
    quorum = views["butterfly_quorum_size"].stream.aggregation
    assert quorum is not None
    assert quorum.drop is not None
    seconds = views["butterfly_request_duration_seconds"].stream
    assert seconds.aggregation_cardinality_limit == 3
    assert apply_overlay(default_streams(), output) == tuple(
        # Whatever else a dropped metric says is not written: nothing of it is exported.
        each if not each.dropped else Stream(*_facts(Stream.of(each.metric)), dropped=True)
        for each in streams
    )


def _facts(stream: Stream) -> tuple:  # type: ignore[type-arg]
    return stream.metric, stream.labels, stream.buckets, stream.limit


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--overlay", "nope"], "butterfly-otel: the overlay nope can't be read"),
        (["--output", "/nonexistent/x"], "/nonexistent/x can't be written: No such file"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong overlay or output exits with 2 and says why; nothing is printed."""
    assert main(["views", *arguments]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_name_that_yaml_can_not_hold_does_not_spoil_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control characters of an overlay's name are escaped in the comment that names it."""
    path = tmp_path / "esc\x1b.yaml"
    path.write_text(OVERLAY)
    assert main(["views", "--overlay", str(path)]) == 0
    text = capsys.readouterr().out
    assert "esc\\x1b.yaml" in text
    assert "meter_provider" in yaml.safe_load(text)
