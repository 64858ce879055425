"""`python -m caddie.leash PARENT COMMAND…`: becomes COMMAND, which the kernel ends (SIGTERM) when its parent ends.

Invariant: a supervised process never outlives its supervisor, even one killed with SIGKILL; it then drains as for any
SIGTERM. Done after exec instead of in a fork hook, because a hook runs Python between fork and exec.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>; kept across execve


def main(argv: list[str]) -> None:
    parent, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the line above, so no signal will come
        raise SystemExit(0)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
