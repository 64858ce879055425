"""Workers that die while they work on proposals."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.faults.conftest import Workers
from tests.product import Product, until
from tests.proposed import SEARCH

pytestmark = pytest.mark.faults
ASKED = 6


async def test_messages_are_answered_with_one_proposal_each_though_their_worker_dies(
    doors: Product, workers: Workers
) -> None:
    first = await workers()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        account = {"email": "ada@example.org", "password": "correct horse battery", "name": "Ada"}
        async with http.post(doors.url + "/api/auth/sign-up/email", json=account) as response:
            made = (await response.json())["data"]
        doors.org, user = made["org"]["id"], made["user"]["id"]
        names = []
        for _ in range(ASKED):
            names.append((await doors.store.workflows.create(doors.org, user, "News", definition=SEARCH)).id)

        async def ask(workflow: str) -> str:
            message = {"content": "Add a step to summarize the search results", "modelId": "gpt-4"}
            async with http.post(f"{doors.url}/api/workflows/{workflow}/messages", json=message) as response:
                answer = await response.json()
                assert response.status == 201, answer
                return str(answer["data"]["assistantMessage"]["proposal"]["id"])

        asking = [asyncio.create_task(ask(name)) for name in names]
        await until(lambda: _spoken(doors, user, names), 15)
        await first.kill()
        await workers()
        proposals = await asyncio.gather(*asking)
        assert len(set(proposals)) == ASKED
        restarts = 0
        for name, proposal in zip(names, proposals, strict=True):
            found = await doors.store.proposals.get(doors.org, proposal)
            assert found is not None and found.workflow_id == name
            kinds = Counter(event.type for event in await doors.events(found.conversation))
            assert kinds["proposal.created"] == kinds["run.finished"] == 1
            restarts += kinds["run.restarted"]
        assert restarts


async def _spoken(product: Product, user: int, workflows: list[str]) -> bool:
    """Whether a run of each workflow has said something."""
    page = await product.store.conversations.list(product.org, user, kinds=("workflow",))
    logs = [await product.entries(each.public_id) for each in page.items]
    return len(logs) == len(workflows) and all(len(log) > 4 for log in logs)
