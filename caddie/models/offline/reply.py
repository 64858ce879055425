"""What the offline model gives back in one step: words, and tool calls.

Invariant: none. Callers: ``dialogue``, ``proposal``.
"""

from __future__ import annotations

from dataclasses import dataclass

from caddie.models.offline.plan import Edit


@dataclass(frozen=True, slots=True)
class Reply:
    text: str = ""
    calls: tuple[Edit, ...] = ()
