"""Who belongs together: one root, no program executed in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from butterfly_otel.sharing import family
from butterfly_otel.sharing.claims import claim
from butterfly_otel.sharing.family import Process, find_family, is_alive
from tests.unit.sharing.workers import PATIENCE, apart

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def in_child(ask: str) -> str:
    """Return what an expression is in a process that was started by exec."""
    program = (
        "from butterfly_otel.sharing.family import find_family;"
        "from butterfly_otel.sharing.claims import claim;"
        f"print({ask})"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        text=True,
        timeout=PATIENCE,
    ).stdout.strip()


def in_fork(ask: object) -> str:
    """Return what a function returns in a forked process."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(ask()).encode())  # type: ignore[operator]
        os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


@linux
@apart
def test_forks_have_their_first_ancestor_that_was_executed(base: Path) -> None:  # noqa: ARG001
    """However deep; what is executed is a root of its own."""
    own = find_family()
    assert own.root is not None
    assert own.root.pid == os.getpid()
    assert in_fork(find_family) == str(own)
    assert in_fork(lambda: in_fork(find_family)) == str(own)
    assert in_child("find_family()") != str(own)
    assert in_fork(lambda: in_child("find_family() == 1")) == "False"
    assert str(own.root.pid) not in in_fork(lambda: in_child("find_family().root.pid"))


def _proc(tmp_path: Path, processes: dict[int, tuple[int, int, bytes, bytes | None]]) -> str:
    """Make files as the kernel has them: parent, start, command line and auxv by number."""
    for pid, (parent, started, command, auxv) in processes.items():
        own = tmp_path / str(pid)
        own.mkdir()
        rest = " ".join(["S", str(parent), *["0"] * 17, str(started), "0"])
        (own / "stat").write_text(f"{pid} (a (b) c) {rest}\n")
        (own / "cmdline").write_bytes(command)
        (own / "exe").symlink_to("/usr/bin/python3")
        if auxv is not None:
            (own / "auxv").write_bytes(auxv)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("above", "root"),
    [
        # The same program, not executed again.
        ({2: (1, 5, b"python\0a", b"A"), 1: (0, 1, b"init\0", b"B")}, 2),
        # Executed again.
        ({2: (1, 5, b"python\0a", b"C"), 1: (0, 1, b"init\0", b"B")}, None),
        # A number that was given to another process meanwhile.
        ({2: (1, 50, b"python\0a", b"A"), 1: (0, 1, b"init\0", b"B")}, None),
        # A master that has changed its user: the kernel shows less of it.
        ({2: (1, 5, b"python\0a", None), 1: (0, 1, b"init\0", None)}, 2),
        ({2: (1, 5, b"sh\0a", None), 1: (0, 1, b"init\0", None)}, None),
        # No parent at all.
        ({}, None),
    ],
)
def test_how_far_up_the_root_is(
    tmp_path: Path, above: dict[int, tuple[int, int, bytes, bytes | None]], root: int | None
) -> None:
    """By the files of the kernel."""
    own = os.getpid()
    proc = _proc(tmp_path, {own: (2, 9, b"python\0a", b"A"), **above})
    found = find_family(proc=proc).root
    assert found == Process(root or own, 5 if root else 9)


def test_titles_of_servers_are_understood(tmp_path: Path) -> None:
    """Where the kernel shows no more than the title that a server has given itself."""
    proc = _proc(
        tmp_path,
        {
            os.getpid(): (2, 9, b"gunicorn: worker [app]\0", None),
            2: (1, 5, b"gunicorn: master [app]\0\0\0", None),
            1: (0, 1, b"python\0", None),
        },
    )
    assert find_family(proc=proc).root == Process(2, 5)


def test_spawned_children_have_their_parents_root(tmp_path: Path) -> None:
    """Also those of a child that is no member: their command lines tell."""
    spawned = b"python\0-c\0from multiprocessing.spawn import spawn_main\0--multiprocessing-fork\0"
    server = b"python\0-c\0from multiprocessing.forkserver import main\0"
    proc = _proc(
        tmp_path,
        {
            os.getpid(): (4, 9, server, b"D"),
            4: (3, 8, server, b"D"),
            3: (2, 7, spawned, b"C"),
            2: (1, 5, b"python\0a", b"A"),
            1: (0, 1, b"init\0", b"B"),
        },
    )
    assert find_family(proc=proc).root == Process(2, 5)


def test_a_number_that_was_given_away_is_not_the_same_process(tmp_path: Path) -> None:
    """A process is told by its start as well."""
    proc = _proc(tmp_path, {7: (1, 5, b"x", b"A")})
    (tmp_path / "self").mkdir()
    assert is_alive(Process(7, 5), proc)
    assert is_alive(Process(7, 0), proc)
    assert not is_alive(Process(7, 6), proc)
    assert not is_alive(Process(8, 5), proc)


def test_without_the_kernels_files_it_goes_by_numbers(tmp_path: Path) -> None:
    """As on macOS: a process is its own root, unless multiprocessing has started it."""
    missing = str(tmp_path / "missing")
    assert find_family(proc=missing).root == Process(os.getpid(), 0)
    assert is_alive(Process(os.getpid(), 0), missing)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    assert not is_alive(Process(gone.pid, 0), missing)


def test_a_key_has_all_that_tells_groups_apart() -> None:
    """Another user, boot, namespace, root or name; and what is served."""
    own = find_family()
    others = [
        own,
        replace(own, uid=own.uid + 1),
        replace(own, boot="another"),
        replace(own, namespace="another"),
        replace(own, root=Process(1, 2)),
        replace(own, root=None, name="x"),
        replace(own, root=None, name="y"),
    ]
    assert len({each.key("node") for each in others} | {own.key("node", 1)}) == 8
    assert find_family().key("node") == own.key("node")


@apart
def test_one_process_at_a_time_has_a_claim(base: Path) -> None:  # noqa: ARG001
    """A second one of the family has it not; a stranger and another node are in nobody's way."""
    own = find_family()
    held = claim(own, "node")
    assert held is not None
    assert claim(own, "node") is None
    assert in_fork(lambda: claim(own, "node")) == "None"
    assert in_fork(lambda: claim(own, "other") is not None) == "True"
    assert in_child("claim(find_family(), 'node') is not None") == "True"
    held.release()
    held.release()
    assert in_fork(lambda: claim(own, "node") is not None) == "True"
    again = claim(own, "node")
    assert again is not None
    # Who is forked does not keep it when its parent has ended.
    assert json.loads(in_fork(lambda: int(again._close is None)))


def test_a_claim_where_there_are_no_names_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS; and where there can be none, nobody is told of a second one."""
    monkeypatch.setattr("butterfly_otel.sharing.claims.sys.platform", "darwin")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    held = claim(find_family(), "node")
    assert held is not None
    assert in_fork(lambda: claim(find_family(), "node")) == "None"
    held.release()
    assert in_fork(lambda: claim(find_family(), "node") is not None) == "True"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert claim(find_family(), "node") is not None
    assert claim(find_family(), "node") is not None
    assert family.find_family()
