"""The cgroup of a process is found under every kind of host and container."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from butterfly_otel.collectors.cgroup import parse_mounts, resolve

FIXTURES = Path(__file__).parent / "fixtures" / "cgroup"

Layout = Callable[..., Path]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a function that makes a root with a fixture's ``/proc`` and some directories."""

    def make(fixture: str, *directories: str) -> Path:
        shutil.copytree(FIXTURES / fixture, tmp_path / "proc/self")
        for directory in directories:
            (tmp_path / directory).mkdir(parents=True)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("fixture", "controller", "directory", "mount", "version"),
    [
        (
            "v2-host",
            "cpu",
            "sys/fs/cgroup/system.slice/butterfly.service",
            "sys/fs/cgroup",
            2,
        ),
        ("v2-container", "memory", "sys/fs/cgroup", "sys/fs/cgroup", 2),
        ("v2-outside-namespace", "memory", "sys/fs/cgroup", "sys/fs/cgroup", 2),
        (
            "v1-host",
            "memory",
            "sys/fs/cgroup/memory/user.slice/user-1000.slice/session-3.scope",
            "sys/fs/cgroup/memory",
            1,
        ),
        (
            "v1-host",
            "cpu",
            "sys/fs/cgroup/cpu,cpuacct/user.slice",
            "sys/fs/cgroup/cpu,cpuacct",
            1,
        ),
        ("v1-container", "memory", "sys/fs/cgroup/memory", "sys/fs/cgroup/memory", 1),
        ("hybrid", "memory", "sys/fs/cgroup/memory/jobs/17", "sys/fs/cgroup/memory", 1),
        ("hybrid", "io", "sys/fs/cgroup/unified", "sys/fs/cgroup/unified", 2),
        ("blanks", "cpu", "mnt/my cgroups/a job: night", "mnt/my cgroups", 2),
    ],
)
def test_own_cgroup_is_found(
    layout: Layout, fixture: str, controller: str, directory: str, mount: str, version: int
) -> None:
    """Directory, top and version are right on hosts, in containers and between versions."""
    root = layout(fixture, directory)
    assert resolve(controller, root) == (root / directory, root / mount, version)


def test_a_cgroup_that_cannot_be_seen_is_at_the_mount(layout: Layout) -> None:
    """A container that sees the host's path but only its own files uses what it sees."""
    root = layout("v2-host", "sys/fs/cgroup")
    assert resolve("cpu", root) == (root / "sys/fs/cgroup", root / "sys/fs/cgroup", 2)


def test_a_path_out_of_the_mount_is_not_followed(layout: Layout) -> None:
    """A path with ``..`` never leads out of the mounted hierarchy."""
    root = layout("v2-outside-namespace", "sys/fs/cgroup", "sys/fs/other.slice")
    mountinfo = root / "proc/self/mountinfo"
    mountinfo.write_text(mountinfo.read_text().replace("/../..", "/"))
    assert resolve("cpu", root) == (root / "sys/fs/cgroup", root / "sys/fs/cgroup", 2)


def test_the_mount_in_which_the_cgroup_is_wins(layout: Layout) -> None:
    """Of two mounts of one hierarchy, the one that shows the process's own cgroup is taken."""
    root = layout("v1-container", "sys/fs/cgroup/memory")
    with (root / "proc/self/mountinfo").open("a") as mountinfo:
        mountinfo.write("900 1 0:28 /docker/other /mnt/other rw - cgroup cgroup rw,memory\n")
    found = resolve("memory", root)
    assert found is not None
    assert found.directory == root / "sys/fs/cgroup/memory"


@pytest.mark.parametrize(
    ("fixture", "controller"), [("v1-host", "io"), ("v1-container", "hugetlb")]
)
def test_controllers_nobody_has_are_not_found(
    layout: Layout, fixture: str, controller: str
) -> None:
    """No directory is invented for a controller without a hierarchy."""
    assert resolve(controller, layout(fixture)) is None


def test_a_hierarchy_that_is_not_mounted_is_not_found(layout: Layout) -> None:
    """A controller that version 1 has is not looked for in version 2."""
    root = layout("hybrid", "sys/fs/cgroup/unified")
    mountinfo = root / "proc/self/mountinfo"
    lines = mountinfo.read_text().splitlines(keepends=True)
    mountinfo.write_text("".join(line for line in lines if "rw,memory" not in line))
    assert resolve("memory", root) is None


def test_systems_without_cgroups_have_none(tmp_path: Path) -> None:
    """Without ``/proc`` there is nothing, and no exception."""
    assert resolve("cpu", tmp_path) is None


def test_a_way_that_is_forbidden_is_not_gone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cgroup that may not be looked at is like one that cannot be seen, not an error."""

    def forbid(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "forbidden")

    root = layout("v2-host", "sys/fs/cgroup/system.slice/butterfly.service")
    monkeypatch.setattr(os, "stat", forbid)
    found = resolve("cpu", root)
    monkeypatch.undo()
    assert found == (root / "sys/fs/cgroup", root / "sys/fs/cgroup", 2)


def test_lineage_goes_up_to_the_mount(layout: Layout) -> None:
    """Every cgroup around the own one is listed, the own one first."""
    root = layout("v2-host", "sys/fs/cgroup/system.slice/butterfly.service")
    found = resolve("cpu", root)
    assert found is not None
    assert [each.relative_to(root).as_posix() for each in found.lineage()] == [
        "sys/fs/cgroup/system.slice/butterfly.service",
        "sys/fs/cgroup/system.slice",
        "sys/fs/cgroup",
    ]


def test_lines_that_make_no_sense_are_passed_over() -> None:
    """Short and foreign lines of mountinfo name no mount."""
    assert parse_mounts("\n1 2 0:1 / /x rw\n1 2 - cgroup2\n1 2 0:1 / /x rw - ext4 a b\n") == []
