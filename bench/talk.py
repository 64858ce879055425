"""The whole path: gateway, server and worker as processes, 200 conversations that the offline model answers.

Invariant: sessions come from the gateway's own session call, and every conversation has a canvas whose explanation
keeps the model speaking for some 14 seconds. Called by `bench.rounds`; the clients are `talk.c`.
"""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from bench.machine import answer_of
from bench.servers import PEERS, SESSION_PATH, WORDS_PER_S, Server, Site

MESSAGE = "What does this workflow do?"
NODES = 40
#: A conversation's answers begin anew every 14 s; warm-up lets them spread over that time in a long run.
WARM_TIMES, MEASURED_TIMES = 4, 3
SPREAD_SHARE = 0.85
CALL_LIMIT_S = 10.0
TALK_LIMIT_S = 120.0


def canvas() -> dict[str, Any]:
    """A workflow of many steps: its explanation has 17 words for each."""
    steps = {
        f"n{number}": {
            "type": "set-variable",
            "payload": {"name": f"value {number} of everything that one has to keep in mind later", "value": "1"},
            "children": [f"n{number + 1}"] if number + 1 < NODES else [],
        }
        for number in range(NODES)
    }
    return {"triggerNodeIds": ["root"], "nodes": {"root": {"type": "manual", "children": ["n0"]}, **steps}}


class Talk:
    """Server and worker, whose CPU is measured, have the measured core; the gateway is beside clients and Redis."""

    def __init__(self, site: Site, load_core: int) -> None:
        self._site, self._core = site, load_core

    def measured(self, conversations: int, warm_s: float, seconds: float) -> dict[str, Any]:
        """Raises RuntimeError, subprocess.TimeoutExpired."""
        beside = replace(self._site, core=self._core)
        with ExitStack() as stack:
            server = stack.enter_context(Server(PEERS["caddie"], self._site))
            gateway = stack.enter_context(Server(PEERS["gateway"], beside))
            worker = stack.enter_context(Server(PEERS["worker"], self._site))
            warm_s *= WARM_TIMES
            options = {
                "port": server.port, "pid": server.pid, "worker-pid": worker.pid, "redis-pid": self._site.redis_pid,
                "conns": conversations, "tokens": self._tokens(gateway.port, conversations), "message": MESSAGE,
                "warm": warm_s, "spread": warm_s * SPREAD_SHARE, "seconds": seconds * MEASURED_TIMES,
            }  # fmt: skip
            words = [text for name, value in options.items() for text in (f"--{name}", str(value))]
            row = answer_of([str(self._site.tools.talk), *words], self._core, TALK_LIMIT_S)
        return row | {"behind_percent": 100 - row["words_per_s"] * 100 / (conversations * WORDS_PER_S)}

    def _tokens(self, port: int, conversations: int) -> Path:
        """A session each, as a browser's backend asks for it."""
        headers = {"Authorization": f"Bearer {self._site.api_key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_LIMIT_S)
        tokens = []
        try:
            for _ in range(conversations):
                body = {"agentVersion": "v3", "conversationId": str(uuid4()), "definition": canvas()}
                connection.request("POST", SESSION_PATH, json.dumps(body), headers)
                answer = connection.getresponse()
                value = json.loads(answer.read())
                if answer.status != 200:
                    raise RuntimeError(f"session call: expected 200, got {answer.status}: {value.get('message', '')}")
                tokens.append(value["sessionToken"])
        finally:
            connection.close()
        path = self._site.folder / "tokens-talk"
        path.write_text("\n".join(tokens) + "\n")
        return path
