"""Starting programs as from a terminal, also where the tests run in the background.

Under ``nohup``, or behind an ampersand in a script, a process ignores SIGINT, and so does what it
starts. Python then raises no KeyboardInterrupt, and nothing ends by Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from typing import Any


def _default_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


#: Arguments of :class:`subprocess.Popen` for what a test ends by SIGINT.
FOREGROUND: dict[str, Any] = {} if sys.platform == "win32" else {"preexec_fn": _default_sigint}
