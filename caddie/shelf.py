"""The user's stored workflows, as a chat may look them up.

Invariant: workflows of anybody else do not exist here. Callers: the desk, which hands it to a chat's turn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from shared.events import timestamp
from shared.store import Store
from shared.store.records import WorkflowRecord

#: Of a user's workflows, the newest that are looked through.
LOOKED_THROUGH = 200
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class StoredWorkflows:
    store: Store
    org_id: int
    user_id: int

    async def search(self, query: str, limit: int) -> list[dict[str, Any]]:
        """Those with most words of the query, then the newest; without a query the newest."""
        page = await self.store.workflows.list(self.org_id, LOOKED_THROUGH, user_id=self.user_id)
        wanted = {word.lower() for word in _WORD.findall(query)}
        scored = [(_score(record, wanted), record) for record in page.items]
        found = [pair for pair in scored if pair[0] or not wanted]
        found.sort(key=lambda pair: (-pair[0], -pair[1].number))
        return [_told(record) for _, record in found[:limit]]


def _blocks(record: WorkflowRecord) -> list[str]:
    return list(dict.fromkeys(str(node.get("type")) for node in (record.definition.get("nodes") or {}).values()))


def _score(record: WorkflowRecord, wanted: set[str]) -> int:
    """A word in the name counts for more than one elsewhere; a word also counts as the beginning of a longer one."""
    name = [word.lower() for word in _WORD.findall(f"{record.name} {record.slug}")]
    rest = [word.lower() for word in _WORD.findall(f"{record.description} {' '.join(_blocks(record))}")]
    return sum(
        3 * any(each.startswith(word) for each in name) + any(each.startswith(word) for each in rest) for word in wanted
    )


def _told(record: WorkflowRecord) -> dict[str, Any]:
    return {
        "id": record.id, "slug": record.slug, "name": record.name, "description": record.description,
        "blocks": _blocks(record), "version": record.version, "updatedAt": timestamp(record.updated_at),
    }  # fmt: skip
