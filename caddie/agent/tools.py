"""The agent's tools: what the model may call in this turn, and what a call does to the workspace.

Invariant: a call never raises for what a model may get wrong; it answers with ok False and says expected and got. What
it answers has no hidden value in it. Callers: the turn.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import ValidationError

from caddie.agent.arguments import (
    Args,
    AskUser,
    EditWorkflow,
    GetBlock,
    GetExecution,
    ProposePlan,
    RunWorkflow,
    SearchBlocks,
    SearchTemplates,
    UseTemplate,
    ValidateWorkflow,
    schema,
)
from caddie.agent.asking import Question
from caddie.agent.changes import Editor
from caddie.agent.filling import filled
from caddie.agent.library import Library
from caddie.agent.mask import Mask
from caddie.agent.profile import Profile
from caddie.agent.workspace import Workspace
from caddie.models.model import ToolCall, ToolSpec
from shared.catalog import Block
from shared.edits import Change
from shared.errors import CaddieError
from shared.events import Mode
from shared.templates import Template
from shared.workflows import Definition

ARGS_BYTES = 65_536
RESULT_BYTES = 65_536
ISSUES = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did. changes: to nodes; question: the turn ends with it."""

    ok: bool
    value: Any
    changes: tuple[Change, ...] = ()
    question: Question | None = None


class Tools:
    """The tools of one turn. spoken: what the user wrote, in this turn and before."""

    def __init__(
        self, workspace: Workspace, library: Library, profile: Profile, mode: Mode, mask: Mask,
        spoken: Callable[[], str] = str,
    ) -> None:  # fmt: skip
        self._workspace, self._library, self._mask, self._mode = workspace, library, mask, mode
        self._offered = {each.NAME: each for each in profile.tools(mode)}
        self._withheld = {each.NAME for each in profile.offered} - self._offered.keys()
        self._editor = Editor(library.catalog, mask, workspace.accounts, spoken)

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(ToolSpec(name, each.__doc__ or "", schema(each)) for name, each in self._offered.items())

    async def run(self, call: ToolCall) -> Outcome:
        """Do what the call says."""
        args = self._parsed(call)
        if isinstance(args, str):
            return Outcome(False, args)
        try:
            outcome = await self._do(args)
        except CaddieError as error:
            return Outcome(False, self._mask.hide(error.message))
        value = self._mask.hide(outcome.value)
        if len(orjson.dumps(value, default=str)) > RESULT_BYTES:
            # A change that is made stays made; only the telling is cut.
            value = f"the answer takes more than {RESULT_BYTES} bytes and is left out: ask for less"
        return Outcome(outcome.ok, value, outcome.changes, outcome.question)

    @staticmethod
    def shown(call: ToolCall) -> dict[str, Any]:
        """The arguments as the log keeps them: nothing of what no tool would have taken."""
        # Not orjson: what it refuses, such as an integer beyond 64 bits, the log makes portable.
        return call.args if call.args is not None and len(json.dumps(call.args)) <= ARGS_BYTES else {}

    def _parsed(self, call: ToolCall) -> Args | str:
        """The arguments, or what is wrong with them."""
        model = self._offered.get(call.name)
        if model is None:
            if call.name in self._withheld:
                return f"expected no {call.name} in {self._mode} mode: describe the plan, the user decides"
            return f"expected one of {', '.join(self._offered)}, got {call.name[:64]}"
        if call.args is None:
            return "expected the arguments to be one JSON object, got something else"
        try:
            if len(orjson.dumps(call.args)) > ARGS_BYTES:
                return f"expected at most {ARGS_BYTES} bytes of arguments, got more"
            return model.model_validate(call.args)
        except ValidationError as error:
            return "; ".join(_told(each) for each in error.errors(include_url=False)[:5])
        except (TypeError, ValueError, RecursionError):
            return "expected arguments that are JSON, got numbers or text that are not"

    async def _do(self, args: Args) -> Outcome:
        match args:
            case SearchBlocks(query=query, limit=limit):
                hits = [self._block(hit.type, hit.score) for hit in self._library.blocks.search(query, limit)]
                return Outcome(True, {"query": query, "blocks": hits})
            case GetBlock(type=block_type):
                return Outcome(True, self._known(block_type).wire())
            case SearchTemplates(query=query, limit=limit):
                return Outcome(True, await self._templates(query, limit))
            case UseTemplate():
                return self._used(args)
            case EditWorkflow(changes=changes):
                return self._changed(self._editor.apply(self._workspace.current, changes))
            case ValidateWorkflow():
                return Outcome(True, self._report())
            case GetExecution(executionId=execution_id):
                return await self._execution(execution_id)
            case AskUser():
                return Outcome(True, {"asked": args.question}, question=args)
            case ProposePlan():
                return Outcome(True, {"proposed": args.summary}, question=args)
            case RunWorkflow():
                return self._asked_to_run(args)
        raise CaddieError("INVALID", f"expected a tool, got {args.NAME}")

    def _asked_to_run(self, args: RunWorkflow) -> Outcome:
        report = self._report()
        if report["errors"] or report["incomplete"]:
            return Outcome(False, {"expected": "a workflow that is whole before it is run", **report})
        triggers = self._workspace.current.triggerNodeIds
        if args.triggerNodeId is not None and args.triggerNodeId not in triggers:
            return Outcome(False, f"triggerNodeId: expected one of {', '.join(triggers)}")
        return Outcome(True, {"asked": "whether to run it"}, question=args)

    def _known(self, block_type: str) -> Block:
        block = self._library.catalog.get(block_type)
        if block is None:
            known = ", ".join(each.type for each in self._library.catalog.all())
            raise CaddieError("INVALID", f"expected one of {known}; got {block_type}")
        return block

    def _block(self, block_type: str, score: float) -> dict[str, Any]:
        block = self._library.catalog.get(block_type)
        title, summary = (block.title, block.summary) if block else ("", "")
        return {"type": block_type, "title": title, "summary": summary, "score": score}

    async def _templates(self, query: str, limit: int) -> dict[str, Any]:
        find, mode = self._library.template_search.find, self._library.mode
        # The first hybrid search reads its weights, which takes a second.
        found = await asyncio.to_thread(find, query, limit, mode) if mode == "hybrid" else find(query, limit, mode)
        told = {"query": query, "templates": [self._template(hit.type, hit.score) for hit in found.hits]}
        return told | ({"note": found.reason} if found.reason else {})

    def _template(self, template_id: str, score: float) -> dict[str, Any]:
        template = self._library.templates.get(template_id)
        told: dict[str, Any] = {"templateId": template_id, "score": score}
        if template is not None:
            told |= {"title": template.title, "summary": template.summary, "inputs": _inputs(template)}
            told["blocks"] = [node.type for node in template.definition.nodes.values()]
        return told

    def _used(self, args: UseTemplate) -> Outcome:
        template = self._library.templates.get(args.templateId)
        if template is None:
            return Outcome(False, f"expected the id of a template that search_templates found, got {args.templateId}")
        if self._workspace.current.nodes:
            return Outcome(False, "expected an empty canvas, got one with nodes: edit it, or remove them first")
        self._mask.refuse_reading(args.inputs)
        outcome = self._changed(filled(template, self._mask.restore(args.inputs, None)))
        value = {"template": template.title, "inputs": _inputs(template), **outcome.value}
        return Outcome(True, value, outcome.changes)

    def _changed(self, definition: Definition) -> Outcome:
        changes = tuple(self._workspace.change(definition))
        told = [{"action": action, "nodeId": node_id} for action, node_id, _ in changes]
        return Outcome(True, {"changed": told, **self._report()}, changes)

    def _report(self) -> dict[str, Any]:
        """What is still wrong, and what is left for the user."""
        if not self._workspace.current.nodes:
            empty = {"type": "empty_nodes", "message": "the workflow has no nodes yet"}
            return {"valid": False, "errors": [empty], "incomplete": []}
        issues = self._workspace.issues(self._library.catalog)
        told = {True: [], False: []}  # type: dict[bool, list[dict[str, Any]]]
        for issue in issues:
            told[issue.severity == "error"].append(issue.model_dump(exclude_none=True, exclude={"severity"}))
        return {"valid": not told[True], "errors": told[True][:ISSUES], "incomplete": told[False][:ISSUES]}

    async def _execution(self, execution_id: str | None) -> Outcome:
        found = await self._library.executions.get(execution_id)
        if found is None:
            got = "another id" if execution_id else "none so far"
            return Outcome(False, f"expected an execution of this workflow, got {got}")
        return Outcome(True, found)


def _inputs(template: Template) -> list[dict[str, Any]]:
    return [each.model_dump(include={"key", "label", "description", "required"}) for each in template.inputs]


def _told(error: Any) -> str:
    got = error.get("input")
    shown = f", got {got[:60]!r}" if isinstance(got, str) else ""
    return f"{'.'.join(str(part) for part in error['loc']) or 'arguments'}: {error['msg']}{shown}"
