"""The sample requests of documents 000 and 001, word for word but for host and key. Their empty body is a 400.

The one in Go is the same request; a compiler for it is too much to ask of whoever runs the tests.
"""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import sys

import pytest

from tests.journeys.test_node_client import NODE
from tests.product import Product, until

CURL = """curl -X POST 'https://api.example.com/v1/ai/workflow/chat/stream' \\
  -H 'Authorization: Bearer YOUR_API_TOKEN' \\
  -H 'Content-Type: application/json' \\
  -d '{}'"""
JAVASCRIPT = """const response = await fetch('https://api.example.com/v1/ai/workflow/chat/stream', {
  method: 'POST',
  headers: {
    "Authorization": "Bearer YOUR_API_TOKEN",
    "Content-Type": "application/json"
  },
  body: JSON.stringify({})
});
const data = await response.json();
console.log(data);"""
PYTHON = """import requests
headers = {
    'Authorization': 'Bearer YOUR_API_TOKEN'
}
response = requests.post('https://api.example.com/v1/ai/workflow/chat/stream', headers=headers, json={})
print(response.json())"""


async def said(product: Product, sample: str, *command: str) -> str:
    """What the sample prints; it is given to the command on its standard input."""
    sample = sample.replace("https://api.example.com", product.url).replace("YOUR_API_TOKEN", product.api_key)
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(50):
            out, errors = await process.communicate(sample.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.parametrize("default", ["", "v1", "v2", "both"])
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_curl(product: Product, default: str) -> None:
    product.settings = product.settings.model_copy(update={"default_agent_version": default})
    await product.stop("gateway")
    await product.start("gateway")

    async def listens() -> bool:
        try:
            return (await product.get("/v1/blocks"))[0] == 200
        except OSError:
            return False

    await until(listens)
    answer = await said(product, CURL, "sh", "-s")
    assert '"code":400001' in answer and '"field":"message"' in answer


@pytest.mark.skipif(NODE is None, reason="needs node")
async def test_javascript(product: Product) -> None:
    answer = await said(product, JAVASCRIPT, str(NODE), "--input-type=module", "-")
    assert "code: 400001" in answer and "message: expected 1 to 10000 characters" in answer


@pytest.mark.skipif(importlib.util.find_spec("requests") is None, reason="needs requests")
async def test_python(product: Product) -> None:
    answer = await said(product, PYTHON, sys.executable, "-")
    assert "'code': 400001" in answer and "'field': 'message'" in answer
