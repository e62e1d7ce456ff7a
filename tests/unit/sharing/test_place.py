"""Where the files are: on this machine, its owner's alone; else one clear sentence."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from butterfly_otel.errors import ConfigurationError
from butterfly_otel.sharing.directory import Directory
from butterfly_otel.sharing.family import find_family
from butterfly_otel.sharing.mounts import network_file_system
from butterfly_otel.sharing.place import Place, find_place
from tests.unit.sharing.totals import Totals, joined
from tests.unit.sharing.workers import Member, Worker, apart, group_files, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
_SETTING = "name one by processes_directory or BUTTERFLY_OTEL_PROCESSES_DIRECTORY"


def _find(base: Path | None, *identity: str) -> Place:
    return find_place(find_family(), identity or ("node",), None, base)


def _home(base: Path) -> Path:
    return base / f"butterfly-otel-{os.geteuid()}"


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    """Have a small file system of its own at a path, where this user may."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)  # noqa: S607


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Also where the umask is a strange one."""
    before = os.umask(0)
    try:
        group = joined(tmp_path, Totals())
        group.start()
        assert group.store_now()
    finally:
        os.umask(before)
    home = _home(tmp_path)
    for directory in (home, home / group.name):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (home / group.name).iterdir()}
    group.leave()
    sockets = {name for name in modes if name.endswith(".sock")}
    assert {modes[name] for name in modes.keys() - sockets} == {0o600}


def test_the_same_place_for_the_same_settings_alone(tmp_path: Path) -> None:
    """Another node, another port, another name: another place."""
    family, named = find_family(), find_family("mine")
    places = [
        find_place(family, ("a",), None, tmp_path),
        find_place(family, ("b",), None, tmp_path),
        find_place(family, ("a",), ("localhost", 9464), tmp_path),
        find_place(named, ("a",), None, tmp_path),
    ]
    assert len({place.path for place in places}) == 4
    assert find_place(find_family(), ("a",), None, tmp_path).path == places[0].path


def test_a_link_or_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    """Somebody may have put it there."""
    (tmp_path / "elsewhere").mkdir()
    _home(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="is not a directory") as told:
        _find(tmp_path)
    assert _SETTING in str(told.value)
    assert "\n" not in str(told.value)
    _home(tmp_path).unlink()
    _home(tmp_path).write_text("")
    with pytest.raises(ConfigurationError, match="is not a directory"):
        _find(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0 if hasattr(os, "geteuid") else True, reason="needs root")
def test_another_users_directory_is_refused(tmp_path: Path) -> None:
    """Though root could use it."""
    _home(tmp_path).mkdir()
    os.chown(_home(tmp_path), 12345, 12345)
    with pytest.raises(ConfigurationError, match="is another user's"):
        _find(tmp_path)


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    """It is not made: who names it may have misspelt it."""
    with pytest.raises(ConfigurationError, match="there is no such directory"):
        _find(tmp_path / "missing")


def test_the_next_one_is_taken_where_nobody_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one for temporary files comes after the one for the running session."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(first))
    monkeypatch.setenv("TMPDIR", str(second))
    assert _find(None).path.is_relative_to(first)
    _find(None).path.rmdir()
    _home(first).rmdir()
    _home(first).write_text("")
    assert _find(None).path.is_relative_to(second)


def test_where_the_others_are_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was full when they began may have room by now."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(second))
    group = joined(second, Totals())
    group.start()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(first))
    assert _find(None).path.is_relative_to(second)
    group.leave()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("36 27 0:40 / {} rw - nfs4 server:/x rw", "nfs4"),
        ("36 27 0:40 / {} rw,noatime shared:1 - fuse.sshfs me@there: rw", "fuse.sshfs"),
        ("36 27 0:40 / {} rw - tmpfs tmpfs rw", None),
        ("36 27 0:40 / {} rw - cifs //x/y rw\n37 27 0:41 / {} rw - ext4 /dev/x rw", None),
        ("36 27 0:40 / /elsewhere rw - nfs4 server:/x rw", None),
    ],
)
def test_network_file_systems_are_known(tmp_path: Path, line: str, kind: str | None) -> None:
    """By what the kernel says is mounted there, the last of several; blanks are octal there."""
    place = tmp_path / "a place"
    place.mkdir()
    mounts = tmp_path / "mountinfo"
    shown = str(place).replace(" ", r"\040")
    mounts.write_text("27 1 254:0 / / rw - ext4 /dev/vda rw\n" + line.replace("{}", shown) + "\n")
    assert network_file_system(place / "below", str(mounts)) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks may not work there, and several machines share it."""
    monkeypatch.setattr("butterfly_otel.sharing.place.network_file_system", lambda _path: "nfs4")
    with pytest.raises(ConfigurationError, match=r"on a network file system \(nfs4\)"):
        _find(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts")
def test_a_full_disk_at_the_start_is_told(tmp_path: Path) -> None:
    """In the words of the system."""
    with mounted(tmp_path, "size=4k"), pytest.raises(ConfigurationError, match="No space left"):
        (tmp_path / "filling").write_bytes(b"x" * 4096)
        _find(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts")
def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    """Likewise."""
    with mounted(tmp_path, "ro,size=4k"), pytest.raises(ConfigurationError, match="Read-only"):
        _find(tmp_path)


def _fill(path: Path) -> None:
    with pytest.raises(OSError, match="No space"), (path / "filling").open("wb", 0) as file:
        while True:
            file.write(b"x" * 4096)


@apart
def test_a_disk_that_fills_up_costs_no_scrape(base: Path) -> None:
    """Living members are asked all the same; one that ends is added when there is room again."""
    with mounted(base, "size=256k"):
        boss = Member(base)
        first, second = Worker(base, boss), Worker(base, boss)
        first.add(10)
        assert boss.ask() == [10, 3, 0]
        _fill(base)
        second.add(200)
        boss.totals.add(1)
        assert boss.ask() == second.ask() == [211, 3, 0]
        assert not second.tell("store")
        first.leave()
        assert boss.ask() == [211, 2, 0]
        third = Worker(base, boss)
        third.add(3000)
        assert boss.ask() == [3211, 3, 0]
        third.leave()
        (base / "filling").unlink()
        until(lambda: second.tell("store"))
        second.kill()
        assert boss.ask()[0] in (211, 3211)
        assert [name for name in group_files(base) if name.endswith(".data")] == ["0.data"]
        boss.group.leave()


def test_long_paths_have_sockets_too(tmp_path: Path) -> None:
    """A path may be longer than the address of a socket."""
    if sys.platform != "linux":
        pytest.skip("needs /proc")
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    group = joined(deep, Totals())
    group.start()
    directory = Directory(_home(deep) / group.name)
    assert directory.has("0.sock")
    directory.close()
    group.leave()


def test_a_relative_directory_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the application changes its own afterwards, as a daemon does."""
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.chdir(tmp_path)
    place = _find(Path("base"))
    monkeypatch.chdir("/")
    place.open().close()
    assert place.path.is_relative_to(base)
