"""The worker's process, which kills itself at a moment that a test has named: as `kill -9` does, and never late.

The file `moment` in its working directory holds `<step> <status> <before|after>`: before or after the step is stored
and told with this status. One process takes it and dies of it. Run as `python -m tests.faults.mortal worker`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from caddie.cli import main
from caddie.stepping import StoredJournal
from shared.events import Data
from shared.store.execution_records import StepWrite

MOMENT = Path("moment")
_commit = StoredJournal.commit


async def commit(self: StoredJournal, steps: Sequence[StepWrite], said: Sequence[Data]) -> Mapping[Any, Any]:
    named = [f"{step.path}{step.path and '/'}{step.node_id} {step.status}" for step in steps]
    _die(named, "before")
    values = await _commit(self, steps, said)
    _die(named, "after")
    return values


def _die(named: list[str], when: str) -> None:
    try:
        if MOMENT.read_text().strip() in [f"{each} {when}" for each in named]:
            MOMENT.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    except FileNotFoundError:
        return


if __name__ == "__main__":
    StoredJournal.commit = commit  # type: ignore[method-assign]
    main()
