"""Run the tests, two at a time; in CI, run the few that failed once more, alone.

Hundreds of tests start processes, servers and signals of their own, beside others that do the
same. Where the machine is busy one may fail for want of time. A test that fails alone as well has
found something; one that then passes is named, so that it is mended, and costs no landing. Where
more than a few fail, nothing is run again. On a user's machine nothing is, either.

What takes more than some seconds is marked `long` and left out of the everyday run; `--long` runs
that alone. CI runs both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: How many may be run again.
FEW = 3
#: What pytest says where tests failed, and nothing else was wrong.
_FAILED = 1


def run(python: Path | str, tests: list[str], arguments: list[str]) -> int:
    """Return pytest's exit status.

    Args:
        python: The interpreter of an environment that has pytest.
        tests: What to run; all there is, if empty.
        arguments: More of pytest's own.
    """
    cache = ROOT / ".pytest_cache"
    command = [python, "-m", "pytest", "-o", f"cache_dir={cache}"]
    status = _call([*command, "-n", "2", "--cache-clear", *tests, *arguments])
    if status != _FAILED or not os.environ.get("CI"):
        return status
    failed = _failed(cache)
    if not 0 < len(failed) <= FEW:
        return status
    print("== once more, alone:", *failed, sep="\n   ", flush=True)
    return _call([*command, "-n", "0", "--last-failed", *tests, *arguments])


def _call(command: list[Path | str]) -> int:
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def _failed(cache: Path) -> list[str]:
    try:
        text = (cache / "v" / "cache" / "lastfailed").read_text(encoding="utf-8")
    except OSError:
        return []
    return list(json.loads(text))


def _chosen(arguments: list[str]) -> list[str]:
    """Return the arguments, and which tests are meant where they say nothing of it."""
    if "-m" in arguments:
        return arguments
    if "--long" in arguments:
        return ["-m", "long", *(each for each in arguments if each != "--long")]
    # Whoever names tests wants them, however long they take.
    named = any((ROOT / each.partition("::")[0]).exists() for each in arguments)
    return arguments if named else ["-m", "not long", *arguments]


if __name__ == "__main__":
    sys.exit(run(sys.executable, [], _chosen(sys.argv[1:])))
