"""One step of a block, with its time limit and its further tries.

Invariant: a block cannot take longer than its limit, and what it gives back or raises is of the kinds the executor
knows. An effect is tried again only after a failure that says nothing has left the machine. Caller: the executor.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import structlog

from caddie.workflow.runner import Call, Result, Runner, StepError
from caddie.workflow.steps import RESULT_BYTES, size
from shared.errors import CaddieError

PAUSE_S, PAUSE_MAX_S = 1.0, 30.0
_log = structlog.get_logger()


async def attempted(runner: Runner, call: Call, pause_s: float = PAUSE_S) -> Result:
    """The block's result. Raises StepError when its last try has failed."""
    left = runner.retries(call.payload)
    while True:
        try:
            return checked(await _once(runner, replace(call, last_try=left <= 0)))
        except StepError as error:
            wait_s = max(error.retry_after_s or 0.0, pause_s * random.uniform(0.75, 1.25))
            if not error.retryable or left <= 0 or wait_s > PAUSE_MAX_S:
                raise
        left, pause_s = left - 1, min(pause_s * 2, PAUSE_MAX_S)
        await asyncio.sleep(wait_s)


async def _once(runner: Runner, call: Call) -> Result:
    try:
        async with asyncio.timeout(runner.time_s):
            return await runner.work(call)
    except StepError:
        raise
    except TimeoutError:
        raise StepError("TIMEOUT", f"expected an end within {runner.time_s:g} s, got none") from None
    except CaddieError as error:
        raise StepError(error.code, error.message) from error
    except Exception as error:
        raise crashed(call, error) from error


def computed(runner: Runner, call: Call) -> Result:
    """The result of a block that is done at once. Raises StepError."""
    assert runner.compute is not None
    try:
        return checked(runner.compute(call))
    except StepError:
        raise
    except CaddieError as error:
        raise StepError(error.code, error.message) from error
    except Exception as error:
        raise crashed(call, error) from error


def checked(result: Result) -> Result:
    """The result, when it is JSON of bearable size. Raises StepError."""
    try:
        taken = size(result)
    except (TypeError, ValueError) as error:
        raise StepError("RESULT_INVALID", f"expected a result that is JSON, got {error}"[:300]) from error
    if taken > RESULT_BYTES:
        raise StepError("RESULT_TOO_LARGE", f"expected a result of at most {RESULT_BYTES} bytes, got {taken}")
    return result


def crashed(call: Call, error: Exception) -> StepError:
    """A block's own mistake. Its text may hold what the payload held, so it is not told."""
    _log.error(
        "step.crashed", execution_id=call.origin.execution_id, node_id=call.node_id, block=call.type,
        error=type(error).__name__,
    )  # fmt: skip
    return StepError("BLOCK_FAILED", f"the block {call.type} failed unexpectedly ({type(error).__name__})")
