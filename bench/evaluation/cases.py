"""A case of the evaluation: what the user says, on which workflow, and what has to be true afterwards.

Invariant: a case names no model and no wording of an answer that only one model would choose. Callers: ``__main__``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

FOLDER = Path(__file__).resolve().parent / "cases"
Kind = Literal["build", "change", "repair", "explain", "ask"]
KINDS: tuple[Kind, ...] = ("build", "change", "repair", "explain", "ask")


class Case(BaseModel):
    """say: the messages, the checks hold after the last. earlier: messages that build what it starts from.

    workflow: a definition to start from, or the name of one in `workflows.json`. held: not looked at while the offline
    model is improved. check: each an object with one member, the name of a check and its argument.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    kind: Kind
    say: tuple[str, ...]
    check: tuple[dict[str, Any], ...]
    workflow: dict[str, Any] | str | None = None
    earlier: tuple[str, ...] = ()
    version: Literal["v1", "v2", "v3"] = "v3"
    mode: Literal["planning", "building", "repair", "conversation"] | None = None
    timezone: str = "Europe/Berlin"
    held: bool = False


_CASES = TypeAdapter(list[Case])


def load(folder: Path = FOLDER, files: Collection[str] | None = None) -> list[Case]:
    """Every case (of these files), in the order of the files. Raises ValueError when two carry one id."""
    found: list[Case] = []
    for path in sorted(folder.glob("*.json")):
        if path.name != "workflows.json" and (files is None or path.stem in files):
            found += _CASES.validate_json(path.read_bytes())
    ids = [case.id for case in found]
    if double := sorted({each for each in ids if ids.count(each) > 1}):
        raise ValueError(f"expected every id once, got {', '.join(double)} again")
    return found


def workflows(folder: Path = FOLDER) -> dict[str, dict[str, Any]]:
    """The workflows cases start from, by name."""
    return TypeAdapter(dict[str, dict[str, Any]]).validate_json((folder / "workflows.json").read_bytes())
