"""The blocks that ask a language model: agent, summarize, extract-json, classify.

Invariant: what a block gives back is what its schema promises, or the step fails: a label of the list, data that
satisfies the schema, a summary within its words. Callers: the executor, through ``runners``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import JsonValue

from caddie.models import jobs
from caddie.workflow.completion import Ai, Completion, Spent, Thread
from caddie.workflow.runner import Call, Result, Runner, StepError
from caddie.workflow.schema import faults, whole
from shared.errors import CaddieError

#: The longest a step may take with all its model calls.
AGENT_S, JOB_S = 300.0, 120.0
RETRIES, RETRIES_MAX = 2, 5
#: Of a text for a model: about 100,000 tokens, which every current model takes.
TEXT_CHARS = 400_000
SCHEMA_CHARS = 20_000
FAULTS = 12
#: The catalog's names of blocks that the model has as tools under other names.
BLOCK_TOOLS = {"web-search": "web_search", "http-request": "http_get"}
_SENTENCE = re.compile(r"(?<=[.!?…])\s+|\n+")
#: What went wrong before a model could be called is a fault of the payload.
_CODES = {"INVALID": "INVALID_PAYLOAD"}


def runners(ai: Ai) -> dict[str, Runner]:
    """The blocks over ``ai``."""
    blocks = Blocks(ai)
    return {
        "agent": _runner(blocks.agent, AGENT_S),
        "summarize": _runner(blocks.summarize, JOB_S),
        "extract-json": _runner(blocks.extract, JOB_S),
        "classify": _runner(blocks.classify, JOB_S),
    }


def _runner(work: Callable[[Call], Awaitable[Result]], time_s: float) -> Runner:
    async def run(call: Call) -> Result:
        try:
            return await work(call)
        except CaddieError as error:
            raise StepError(
                _CODES.get(error.code, error.code), error.message,
                retryable=error.retryable, retry_after_s=error.retry_after_s if error.retryable else None,
            ) from error  # fmt: skip

    return Runner(run, kind=lambda payload: "repeatable", time_s=time_s, retries=_retries)


def _retries(payload: Mapping[str, JsonValue]) -> int:
    given = payload.get("retries")
    whole = isinstance(given, int) and not isinstance(given, bool)
    return min(max(int(str(given)), 0), RETRIES_MAX) if whole else RETRIES


class Blocks:
    def __init__(self, ai: Ai) -> None:
        self._ai = ai

    async def agent(self, call: Call) -> Result:
        tools = self._tools(call.payload)
        thread = await self._ai.thread(call) if call.origin.thread else Thread()
        given = call.payload.get("input")
        material = thread.message if given is None else _told(given, "input")
        remembers = call.payload.get("memory")
        found = await self._ai.complete(
            call,
            system=jobs.system("agent"),
            prompt=jobs.prompt({"instructions": _text(call, "prompt"), "input": material}),
            model=_name(call), temperature=_temperature(call), tools=tools,
            history=thread.history if remembers is not False else (),
        )  # fmt: skip
        return {"text": found.text, "usage": found.spent.wire()}

    async def summarize(self, call: Call) -> Result:
        text = _told(call.payload.get("text"), "text")
        if not text.strip() or text in ("[]", "{}"):
            return {"text": "", "usage": Spent().wire()}
        words = call.payload.get("maxWords")
        limit = words if isinstance(words, int) and not isinstance(words, bool) else None
        told = {"instructions": _instructions(call), "max_words": str(limit or ""), "text": text}
        found = await self._ask(call, "summarize", told)
        return {"text": shortened(found.text.strip(), limit), "usage": found.spent.wire()}

    async def extract(self, call: Call) -> Result:
        schema = call.payload.get("schema")
        if not isinstance(schema, dict):
            raise StepError("INVALID_PAYLOAD", "schema: expected a JSON Schema, got none")
        schema = whole(schema)
        shape = json.dumps(schema, ensure_ascii=False)
        if len(shape) > SCHEMA_CHARS:
            raise StepError("INVALID_PAYLOAD", f"schema: expected at most {SCHEMA_CHARS} characters, got {len(shape)}")
        told = {"instructions": _instructions(call), "schema": shape, "text": _text(call, "text")}
        found = await self._ask(call, "extract-json", told)
        data, wrong = _judged(found.text, schema)
        spent = found.spent
        if wrong:
            again = {**told, "earlier_answer": found.text[:4_000], "faults": "\n".join(wrong)}
            found = await self._ask(call, "extract-json", again)
            data, wrong = _judged(found.text, schema)
            spent += found.spent
        if wrong:
            raise StepError("EXTRACTION_FAILED", f"the text does not give the wanted data: {'; '.join(wrong)}")
        return {"data": data, "usage": spent.wire()}

    async def classify(self, call: Call) -> Result:
        given = call.payload.get("labels")
        labels = [each for each in given if isinstance(each, str) and each.strip()] if isinstance(given, list) else []
        if len(labels) < 2 or len(labels) > 50:
            raise StepError("INVALID_PAYLOAD", f"labels: expected 2 to 50 labels, got {len(labels)}")
        told = {
            "instructions": _instructions(call), "labels": json.dumps(labels, ensure_ascii=False),
            "text": _text(call, "text", empty="(empty)"),
        }  # fmt: skip
        found = await self._ask(call, "classify", told)
        label, spent = chosen(found.text, labels), found.spent
        if label is None:
            again = f"{told['instructions']}\nAnswer with one of the labels and nothing else.".strip()
            found = await self._ask(call, "classify", {**told, "instructions": again})
            label, spent = chosen(found.text, labels), spent + found.spent
        if label is None:
            raise StepError("CLASSIFICATION_FAILED", f"expected one of {', '.join(labels)[:300]}, got another answer")
        return {"label": label, "usage": spent.wire()}

    async def _ask(self, call: Call, job: jobs.JobName, parts: Mapping[str, str]) -> Completion:
        return await self._ai.complete(call, system=jobs.system(job), prompt=jobs.prompt(parts), model=_name(call))

    def _tools(self, payload: Mapping[str, JsonValue]) -> tuple[str, ...]:
        wanted = payload.get("tools")
        if wanted is None:
            return ()
        if not isinstance(wanted, list):
            raise StepError("INVALID_PAYLOAD", "tools: expected a list of names, got something else")
        found: dict[str, None] = {}
        for each in wanted:
            name = BLOCK_TOOLS.get(each, each) if isinstance(each, str) else ""
            if name not in self._ai.tools:
                known = ", ".join(self._ai.tools)
                raise StepError("INVALID_PAYLOAD", f"tools: expected one of {known}, got {str(each)[:64]}")
            found[name] = None
        return tuple(found)


def shortened(text: str, words: int | None) -> str:
    """A text of at most so many words: whole sentences while they fit, else its first words."""
    if words is None or len(text.split()) <= words:
        return text
    end = 0
    for found in _SENTENCE.finditer(text):
        if len(text[: found.start()].split()) > words:
            break
        end = found.start()
    # One short sentence of a long summary would say less than a cut one.
    if len(text[:end].split()) * 2 >= words:
        return text[:end].rstrip()
    return " ".join(text.split()[:words]).rstrip(" ,;:–-") + "…"


def chosen(answer: str, labels: list[str]) -> str | None:
    """The label an answer means: itself, or the only one it names."""
    plain = _plain(answer)
    if exact := next((label for label in labels if label == answer.strip()), None):
        return exact
    if same := [label for label in labels if _plain(label) == plain]:
        return same[0]
    named = [label for label in labels if re.search(rf"(?<!\w){re.escape(_plain(label))}(?!\w)", plain)]
    # "not urgent" names "urgent", too.
    longest = [label for label in named if not any(label != each and _plain(label) in _plain(each) for each in named)]
    return longest[0] if len({_plain(label) for label in longest}) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.lower().strip(" \t\r\n\"'`“”‘’.!*").split())


def _judged(answer: str, schema: dict[str, Any]) -> tuple[JsonValue, list[str]]:
    """(data, what is wrong with it) of a model's answer."""
    try:
        data = _parsed(answer)
    except (ValueError, RecursionError):
        return None, ["expected one JSON value, got something else"]
    wrong: list[str] = []
    for fault in faults(data, schema):
        wrong.append(fault)
        if len(wrong) == FAULTS:
            break
    return data, wrong


def _parsed(answer: str) -> JsonValue:
    """The JSON of an answer, also within a code fence or after some words."""
    text = answer.strip()
    if fenced := re.search(r"```(?:json)?\s*\n?(.*?)```", text, re.S):
        text = fenced[1].strip()
    try:
        return _read(text)
    except ValueError:
        starts = [at for at in (text.find("{"), text.find("[")) if at >= 0]
        ends = max(text.rfind("}"), text.rfind("]"))
        if not starts or ends < min(starts):
            raise
        return _read(text[min(starts) : ends + 1])


def _read(text: str) -> JsonValue:
    def refuse(name: str) -> None:
        raise ValueError(f"expected JSON, got {name}")

    value: JsonValue = json.loads(text, parse_constant=refuse)
    return value


def _text(call: Call, name: str, empty: str = "") -> str:
    value = call.payload.get(name)
    text = _told(value, name) if value is not None else ""
    if not text.strip():
        if empty:
            return empty
        raise StepError("INVALID_PAYLOAD", f"{name}: expected a text, got none")
    return text


def _told(value: JsonValue, name: str) -> str:
    """A value as text for the model; lists and objects as JSON."""
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False, indent=1)
    if len(text) > TEXT_CHARS:
        raise StepError("INVALID_PAYLOAD", f"{name}: expected at most {TEXT_CHARS} characters, got {len(text)}")
    return text


def _instructions(call: Call) -> str:
    return _told(call.payload.get("instructions"), "instructions")


def _name(call: Call) -> str | None:
    value = call.payload.get("model")
    return value if isinstance(value, str) and value else None


def _temperature(call: Call) -> float | None:
    value = call.payload.get("temperature")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
