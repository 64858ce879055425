"""What blocks that go outside are tried against."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from caddie.outbound import Outbound
from tests.caddie.workflow.blocks.counterparts import Cabinet, Receiver, reaching, receiving


@pytest.fixture
async def site() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with reaching("127.0.0.1/32") as found:
        yield found


@pytest.fixture
def cabinet() -> Cabinet:
    return Cabinet()
