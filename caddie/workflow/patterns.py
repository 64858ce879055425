"""Regular expressions that users write, matched within bounds of time and memory.

Invariant: no pattern blocks the process. A match gives up after its time and lets other threads run meanwhile; what a
pattern would grow to is bounded before it is compiled, because compiling cannot be interrupted; the threads are few
and used for nothing else. Callers: the blocks that take patterns.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, TypeVar

import regex  # type: ignore[import-untyped,unused-ignore]

from caddie.workflow.runner import StepError

PATTERN_CHARS = 2_000
TEXT_CHARS = 1_048_576
#: One use of a pattern may take so long. It also bounds what backtracking remembers, which grows by 600 MB a second.
MATCH_S = 0.3
#: All matches of one step together.
STEP_S = 1.0
#: A fixed number of repetitions is written out when a pattern is compiled, each with the next: 200,000 take 70 ms.
GROWTH = 200_000
THREADS = 2
_COUNT = re.compile(r"(?P<before>.?)\{\s*(?P<least>[0-9]+)", re.DOTALL)
#: Before a count, these may end a group. Taking an atom for a group costs nothing but room below GROWTH.
_ENDS: Final = frozenset(")}*+?")
T = TypeVar("T")


class Matching:
    """The matches of one step, which share a budget of time."""

    def __init__(self, budget_s: float = STEP_S) -> None:
        self._left_s = budget_s

    def search(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in the text. Raises StepError."""
        return next(self.every(pattern, text), None) is not None

    def every(self, pattern: str, text: str, *, ignore_case: bool = False) -> Iterator[Any]:
        """The matches in the text, from left to right. Raises StepError."""
        if len(text) > TEXT_CHARS:
            raise StepError("INVALID_PAYLOAD", f"expected a text of at most {TEXT_CHARS} characters, got {len(text)}")
        begun = time.monotonic()
        limit_s = min(MATCH_S, self._left_s)
        try:
            if limit_s <= 0:
                raise TimeoutError
            yield from compiled(pattern, ignore_case).finditer(text, timeout=limit_s, concurrent=True)
        except (TimeoutError, MemoryError):
            message = "expected a pattern that is through its texts in time, got one that needs a simpler form"
            raise StepError("TIMEOUT", message) from None
        finally:
            self._left_s -= time.monotonic() - begun


def compiled(pattern: str, ignore_case: bool = False) -> Any:
    """The pattern, ready to match. Raises StepError."""
    if len(pattern) > PATTERN_CHARS:
        message = f"expected a regular expression of at most {PATTERN_CHARS} characters, got {len(pattern)}"
        raise StepError("INVALID_PAYLOAD", message)
    if _growth(pattern) > GROWTH:
        raise StepError("INVALID_PAYLOAD", "expected a regular expression with fewer repetitions in repetitions")
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except regex.error as error:
        raise StepError("INVALID_PAYLOAD", f"expected a regular expression, got one with: {error}"[:300]) from None
    except RecursionError:
        raise StepError("INVALID_PAYLOAD", "expected a regular expression with fewer groups in groups") from None
    except (ValueError, OverflowError, KeyError, IndexError, TypeError, MemoryError) as error:
        message = f"expected a regular expression, got one that cannot be read ({type(error).__name__})"
        raise StepError("INVALID_PAYLOAD", message) from None


def _growth(pattern: str) -> int:
    """At least the number of parts the pattern has when its fixed repetitions are written out."""
    groups = atom = 1
    for count in _COUNT.finditer(pattern):
        digits, before = count["least"].lstrip("0"), count["before"]
        if len(digits) > len(str(GROWTH)):
            return GROWTH + 1
        least = max(1, int(digits or "0"))
        if not before or before.isspace() or before in _ENDS:
            groups = min(groups * least, GROWTH + 1)
        else:
            atom = max(atom, least)
    return groups * atom * max(1, len(pattern))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="pattern")


async def aside(work: Callable[[], T]) -> T:
    """The work's result, from a thread kept for patterns."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)
