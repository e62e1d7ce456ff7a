"""``butterfly-otel check`` against files, standard input and real servers on loopback."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.cli import check
from tests.unit.lint.exposition_fixture import render_openmetrics, render_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXT = render_text()
OPENMETRICS = render_openmetrics()
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
QUORUM = "butterfly_quorum_size 1.0"
CPU = 'butterfly_cpu_usage_ratio{node_id="node-1",core=""} 0.5'
WRONG = TEXT.replace(QUORUM, "butterfly_quorum_size 1.0\nbutterfly_quorum_siz 1.0")
DOUBTFUL = TEXT.replace(CPU, CPU.replace("0.5", "55"))


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command as a user would and give its exit code and what it printed."""
    parser = argparse.ArgumentParser(prog="butterfly-otel")
    check.add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", *arguments])
    assert args.run is check.run
    stdout, stderr = io.StringIO(), io.StringIO()
    return check.run(args, stdout, stderr), stdout.getvalue(), stderr.getvalue()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str | bytes], str]:
    """Write an exposition into a file and give its path."""

    def _write(text: str | bytes) -> str:
        path = tmp_path / "metrics.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return _write


class Server(HTTPServer):
    """A server that gives the answer it was told to give, and keeps what it was asked."""

    status = 200
    body = b""
    headers: tuple[tuple[str, str], ...] = ()
    pause = 0.0
    asked: tuple[str, str] = ("", "")

    def answer(self, body: str | bytes, content_type: str | None, **more: str) -> str:
        """Set the answer and give the server's address."""
        self.body = body.encode() if isinstance(body, str) else body
        types = () if content_type is None else (("Content-Type", content_type),)
        self.headers = (*types, *((key.replace("_", "-"), text) for key, text in more.items()))
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers a request from its server's attributes."""

    server: Server

    def do_GET(self) -> None:
        """Give the answer, in drips where the server has a pause."""
        self.server.asked = (self.path, self.headers["Accept"])
        self.send_response(self.server.status)
        for key, text in self.server.headers:
            self.send_header(key, text)
        self.end_headers()
        if not self.server.pause:
            self.wfile.write(self.server.body)
            return
        for _ in range(100):
            try:
                self.wfile.write(b"#\n")
            except OSError:
                return
            time.sleep(self.server.pause)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve on a free port of loopback."""
    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_true_file(write: Callable[[str], str]) -> None:
    """A true file gives 0 and says so in its last line."""
    path = write(OPENMETRICS)
    code, out, err = run(path)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == (
        f"{path} (openmetrics): true to the contract: 0 errors, 0 warnings, 1 info"
    )


def test_wrong_file(write: Callable[[str], str]) -> None:
    """An error gives 1 and one line: severity, line, rule, subject and message."""
    path = write(WRONG)
    line = WRONG.split("\n").index("butterfly_quorum_siz 1.0") + 1
    code, out, err = run(path)
    first, *_, last = out.splitlines()
    assert (code, err) == (1, "")
    assert first.split()[:4] == ["error", str(line), "unknown-family", "butterfly_quorum_siz:"]
    assert first.endswith("did you mean `butterfly_quorum_size`?")
    assert last == f"{path} (text): not true to the contract: 1 error, 0 warnings, 1 info"


def test_strict(write: Callable[[str], str]) -> None:
    """A warning is no failure, unless it is asked for."""
    path = write(DOUBTFUL)
    assert run(path)[0] == 0
    assert run("--strict", path)[0] == 1
    assert run("--strict", "--ignore", "ratio-range", path)[0] == 0


def test_json(write: Callable[[str], str]) -> None:
    """The JSON document holds what the text says."""
    path = write(WRONG)
    code, out, _ = run("--json", path)
    document = json.loads(out)
    assert code == 1
    assert (document["target"], document["format"], document["ok"]) == (path, "text", False)
    assert document["counts"] == {"error": 1, "warning": 0, "info": 1}
    assert document["findings"][0] == {
        "rule": "unknown-family",
        "severity": "error",
        "subject": "butterfly_quorum_siz",
        "message": "is not a metric of the contract: did you mean `butterfly_quorum_size`?",
        "line": WRONG.split("\n").index("butterfly_quorum_siz 1.0") + 1,
    }
    assert json.loads(run("--json", write(TEXT))[1])["ok"] is True


def test_all(write: Callable[[str], str]) -> None:
    """An absent metric is an error where all are asked for."""
    path = write(
        "\n".join(line for line in TEXT.split("\n") if "butterfly_quorum_size" not in line)
    )
    assert run(path)[0] == 0
    code, out, _ = run("--all", path)
    assert code == 1
    assert "butterfly_quorum_size: is absent" in out


def test_allow_label(write: Callable[[str], str]) -> None:
    """An allowed label is no mistake."""
    path = write(TEXT.replace('node_id="', 'job="b",node_id="'))
    assert run(path)[0] == 1
    assert run("--allow-label", "instance", "--allow-label", "job", path)[0] == 0


def test_format_of_a_file(write: Callable[[str], str]) -> None:
    """A file that was cut off is found to be if its format is given."""
    path = write(OPENMETRICS.replace("# EOF\n", ""))
    code, out, _ = run("--format", "openmetrics", path)
    assert code == 1
    assert "missing-eof" in out


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """``-`` reads standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WRONG.encode())))
    code, out, _ = run("-")
    assert code == 1
    assert "- (text): not true" in out


def test_bytes_that_are_no_utf8(write: Callable[[bytes], str]) -> None:
    """Bytes that are no UTF-8 are a finding, not an exception."""
    line = b'process_threads{a="\xff"} 1\n'
    code, out, _ = run(write(TEXT.encode() + line))
    assert code == 1
    assert "no UTF-8" in out
    assert r"\udcff" in out


def test_no_commands_for_the_terminal(write: Callable[[str], str]) -> None:
    """What a metric is called cannot command the terminal of who looks at it."""
    evil = '{"butterfly_\x1b[2J\x9b"} 1\n'
    _, out, _ = run(write(TEXT + evil))
    assert r"butterfly_\x1b[2J\x9b:" in out
    assert out.replace("\n", "").isprintable()


def test_encoding_of_the_output(write: Callable[[str], str]) -> None:
    """Output that cannot be encoded is escaped."""
    path = write(TEXT + '{"butterfly_é"} 1\n')
    parser = argparse.ArgumentParser()
    check.add_parser(parser.add_subparsers())
    args = parser.parse_args(["check", path])
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="ascii")
    assert check.run(args, stdout) == 1
    stdout.flush()
    assert rb"butterfly_\xe9:" in raw.getvalue()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["/nowhere/metrics.txt"], "/nowhere/metrics.txt cannot be read: No such file"),
        (["localhost"], "No such file or directory; a URL begins with http://"),
        (["/"], "/ cannot be read: Is a directory"),
        (["a\0b"], "cannot be read: embedded null byte"),
        (["ftp://localhost/metrics"], "is no URL that can be asked"),
        (["file:///etc/hosts"], "is no URL that can be asked"),
        (["http:///metrics"], "is no URL that can be asked"),
        (["http://localhost:port/metrics"], "is no URL: Port could not be cast"),
        (["http://localhost/a b"], "is no URL: percent-encode"),
        (["--ignore", "label-valu", "-"], "did you mean label-value?"),
        (["--ignore", "zebra", "-"], "rules: absent, "),
    ],
)
def test_unreadable(arguments: list[str], sentence: str) -> None:
    """What cannot be read gives 2 and one sentence."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("butterfly-otel check: ")
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "inf", "soon"])
def test_usage(timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option ends with argparse's own exit code and no traceback."""
    with pytest.raises(SystemExit) as stopped:
        run("--timeout", timeout, "-")
    assert stopped.value.code == 2
    assert f"--timeout: '{timeout}' is no number of seconds above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        ([], "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
        (["--format", "openmetrics"], "application/openmetrics-text;version=1.0.0,*/*;q=0.1"),
    ],
)
def test_url(server: Server, arguments: list[str], accepted: str) -> None:
    """A URL is asked for OpenMetrics unless text is wanted."""
    url = server.answer(OPENMETRICS, OPENMETRICS_TYPE)
    code, out, err = run(*arguments, f"{url}/federate?x=1")
    assert (code, err) == (0, "")
    assert "(openmetrics)" in out
    assert server.asked == ("/federate?x=1", accepted)


def test_url_as_text(server: Server) -> None:
    """``--format text`` asks for text, and a URL without a path means /metrics."""
    url = server.answer(TEXT, TEXT_TYPE)
    code, out, _ = run("--format", "text", url)
    assert code == 0
    assert "(text)" in out
    assert server.asked == ("/metrics", "text/plain;version=0.0.4,*/*;q=0.1")


def test_the_content_type_is_believed(server: Server) -> None:
    """OpenMetrics that is sent as text is read as text, as Prometheus would."""
    code, out, _ = run(server.answer(OPENMETRICS, TEXT_TYPE))
    assert code == 1
    assert "(text)" in out
    code, out, _ = run("--strict", "--format", "openmetrics", server.answer(TEXT, TEXT_TYPE))
    assert code == 1
    assert "content-type  asked for openmetrics, answered text/plain" in out
    assert "1 warning," in out


def test_no_content_type(server: Server) -> None:
    """An answer without a content type is read, and warned of."""
    code, out, _ = run(server.answer(OPENMETRICS, None))
    assert code == 0
    assert "(openmetrics)" in out
    assert "fallback_scrape_protocol" in out
    assert run("--strict", "--ignore", "content-type", server.answer(OPENMETRICS, None))[0] == 0


def test_gzip(server: Server) -> None:
    """A compressed answer is read, and half of one is not taken for a whole."""
    body = gzip.compress(TEXT.encode())
    assert run(server.answer(body, TEXT_TYPE, Content_Encoding="gzip"))[0] == 0
    code, out, err = run(server.answer(body[:-50], TEXT_TYPE, Content_Encoding="gzip"))
    assert (code, out) == (2, "")
    assert "broke off its answer" in err


def test_answer_cut_off(server: Server) -> None:
    """An answer shorter than announced is not taken for a whole."""
    code, out, err = run(server.answer(TEXT, TEXT_TYPE, Content_Length=str(len(TEXT) + 9)))
    assert (code, out) == (2, "")
    assert "broke off its answer" in err


def test_page_that_is_no_exposition(server: Server) -> None:
    """A page of HTML is no exposition."""
    code, out, err = run(server.answer("<html>", "text/html; charset=utf-8"))
    assert (code, out) == (2, "")
    assert "answers text/html, which is no exposition" in err


def test_refused(server: Server) -> None:
    """An HTTP error gives 2 and names the status."""
    server.status = 503
    code, _, err = run(server.answer("", TEXT_TYPE))
    assert code == 2
    assert "answers 503 Service Unavailable" in err


def test_nobody_listens() -> None:
    """A port on which nobody listens gives 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, _, err = run(f"http://127.0.0.1:{port}/metrics")
    assert code == 2
    assert "cannot be reached: Connection refused" in err


def test_no_answer() -> None:
    """A server that never answers gives 2 after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/metrics"
        code, _, err = run("--timeout", "0.2", url)
    assert code == 2
    assert "did not answer within 0.2 s (--timeout)" in err


def test_answer_in_drips(server: Server) -> None:
    """The timeout is for the whole answer, not for each of its bytes."""
    server.pause = 0.05
    begun = time.monotonic()
    code, _, err = run("--timeout", "0.3", server.answer("", TEXT_TYPE))
    assert code == 2
    assert "did not answer within 0.3 s" in err
    assert time.monotonic() - begun < 3


def test_too_large(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without end, compressed or not, is given up."""
    monkeypatch.setattr("butterfly_otel.lint.expositions.fetch.reading._MAX_BYTES", 1 << 20)
    body = b"#" * (3 << 20)
    for url in (
        lambda: server.answer(body, TEXT_TYPE),
        lambda: server.answer(gzip.compress(body), TEXT_TYPE, Content_Encoding="gzip"),
    ):
        code, _, err = run(url())
        assert code == 2
        assert "larger than 1 MiB" in err


def test_an_exposition_made_with_an_overlay(write: Callable[[str], str]) -> None:
    """Labels that an overlay drops are no mistake where the overlay is named."""
    line = "butterfly_merkle_root_mismatches_total{task_id="
    kept = [each for each in TEXT.splitlines() if not each.startswith(line)]
    text = "\n".join(kept).replace(
        "# TYPE butterfly_merkle_root_mismatches_total counter",
        "# TYPE butterfly_merkle_root_mismatches_total counter\n"
        "butterfly_merkle_root_mismatches_total 3.0",
    )
    path = write(text + "\n")
    code, out, _ = run(path)
    assert (code, "label-missing" in out) == (1, True)
    code, out, _ = run("--views", "low-cardinality", "--ignore", "label-extra", path)
    assert (code, "label-missing" in out) == (0, False)
