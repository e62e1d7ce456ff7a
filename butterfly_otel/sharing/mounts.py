"""Which file systems are of this machine alone: locks and sockets work in them as they should."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_MOUNTS: Final = "/proc/self/mountinfo"
#: As the kernel calls them; also behind ``fuse.``.
_NETWORK: Final = frozenset(
    {
        "afs", "beegfs", "ceph", "cifs", "coda", "gcsfuse", "gfs2", "glusterfs", "gpfs", "juicefs",
        "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "pvfs2", "rclone", "s3fs",
        "smb2", "smb3", "smbfs", "sshfs",
    }
)  # fmt: skip


def network_file_system(path: Path, mounts: str = _MOUNTS) -> str | None:
    """Return the kind of the network file system that a path is in; None where it is in none.

    What isn't told by the kernel counts as none.
    """
    best, kind = -1, ""
    real = os.path.realpath(path)
    with suppress(OSError, ValueError), open(mounts, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
        for line in lines:
            before, _, after = line.partition(" - ")
            point = _unescaped(before.split()[4])
            inside = real == point or real.startswith(point.rstrip("/") + "/")
            # A later mount on the same place hides the earlier one.
            if inside and len(point) >= best:
                best, kind = len(point), after.split()[0]
    return kind if kind.removeprefix("fuse.").lower() in _NETWORK else None


def _unescaped(point: str) -> str:
    """Return a path in which blanks and the like stand as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
