"""The agent's tools: their arguments, what the model is told of them, and what they do to the workspace.

Invariant: a call never raises for what a model may get wrong; it answers with ok False and says expected and got.
Callers: the turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from caddie.agent.workspace import Workspace
from caddie.models.model import ToolCall, ToolSpec
from shared import edits, workflows
from shared.catalog import Catalog
from shared.edits import Change
from shared.errors import CaddieError
from shared.search import BlockSearch
from shared.workflows import Definition, VariableDef

ARGS_BYTES = 65_536
ISSUES = 50


class Args(BaseModel):
    """The arguments of one tool; the docstring is what the model is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    NAME: ClassVar[str]


class SearchBlocks(Args):
    """Find blocks for a purpose, best first."""

    NAME = "search_blocks"
    query: str = Field(min_length=1, max_length=500)
    limit: int = Field(5, ge=1, le=20)


class GetBlock(Args):
    """The payload and result schema of a block, with examples."""

    NAME = "get_block"
    type: str = Field(max_length=64)


class AddNode(Args):
    """Add a node. The first one is the trigger, called root. `after`: its parents; `inLoop`: the loop it begins in."""

    NAME = "add_node"
    nodeId: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    type: str = Field(max_length=64)
    payload: dict[str, JsonValue] = {}
    after: list[str] = Field([], max_length=20)
    branch: str | None = Field(None, max_length=64, description="then/else after if, resumed/timed_out after wait")
    inLoop: str | None = Field(None, max_length=64)
    trigger: bool = Field(False, description="a further trigger of a workflow that has one")
    description: str | None = Field(None, max_length=500)


class UpdateNode(Args):
    """Change a node. `payload` is merged member by member, null removes a member; edges stay."""

    NAME = "update_node"
    nodeId: str = Field(max_length=64)
    type: str | None = Field(None, max_length=64)
    payload: dict[str, JsonValue] | None = None
    description: str | None = Field(None, max_length=500)
    titleOverride: str | None = Field(None, max_length=200)


class RemoveNode(Args):
    """Remove a node; its parents lead to its children instead. A loop goes with its body."""

    NAME = "remove_node"
    nodeId: str = Field(max_length=64)


class ConnectNodes(Args):
    """Lead from one node to another."""

    NAME = "connect_nodes"
    source: str = Field(max_length=64)
    target: str = Field(max_length=64)
    branch: str | None = Field(None, max_length=64)
    inLoop: bool = False


class DisconnectNodes(Args):
    """Remove the edge between two nodes."""

    NAME = "disconnect_nodes"
    source: str = Field(max_length=64)
    target: str = Field(max_length=64)


class SetVariables(Args):
    """Declare the workflow's variables, all of them."""

    NAME = "set_variables"
    variables: list[VariableDef] = Field(max_length=100)


class ValidateWorkflow(Args):
    """Everything that is wrong (error) or left for the user to fill in (incomplete)."""

    NAME = "validate_workflow"


class Option(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    value: str = Field(max_length=500)
    label: str = Field(max_length=200)


class AskUser(Args):
    """Ask the user something only they know. It ends your turn; the answer begins the next."""

    NAME = "ask_user"
    question: str = Field(min_length=1, max_length=2000)
    options: list[Option] = Field([], max_length=10)
    allowText: bool = Field(True, description="the user may write an answer of their own")
    kind: Literal["question", "plan"] = "question"


EDITS: tuple[type[Args], ...] = (AddNode, UpdateNode, RemoveNode, ConnectNodes, DisconnectNodes, SetVariables)
READS: tuple[type[Args], ...] = (SearchBlocks, GetBlock, ValidateWorkflow)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did. changes: to nodes; question: the turn ends with it."""

    ok: bool
    value: Any
    changes: tuple[Change, ...] = ()
    question: AskUser | None = None


class Tools:
    """The tools of one turn. v1: edits only; v2: everything but questions; v3: everything."""

    def __init__(self, workspace: Workspace, catalog: Catalog, search: BlockSearch, version: str) -> None:
        self._workspace, self._catalog, self._search = workspace, catalog, search
        offered = EDITS if version == "v1" else (*READS, *EDITS)
        self._offered = {each.NAME: each for each in (*offered, *((AskUser,) if version == "v3" else ()))}

    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(ToolSpec(name, each.__doc__ or "", _schema(each)) for name, each in self._offered.items())

    def run(self, call: ToolCall) -> Outcome:
        """Do what the call says."""
        model = self._offered.get(call.name)
        if model is None:
            return Outcome(False, f"expected one of {', '.join(self._offered)}, got {call.name[:64]}")
        if call.args is None:
            return Outcome(False, "expected the arguments to be one JSON object, got something else")
        try:
            if len(orjson.dumps(call.args)) > ARGS_BYTES:
                return Outcome(False, f"expected at most {ARGS_BYTES} bytes of arguments, got more")
            args = model.model_validate(call.args)
        except ValidationError as error:
            return Outcome(False, "; ".join(_told(each) for each in error.errors(include_url=False)[:5]))
        except (TypeError, ValueError):
            return Outcome(False, "expected arguments that are JSON, got numbers or text that are not")
        try:
            return self._do(args)
        except CaddieError as error:
            return Outcome(False, error.message)

    def _do(self, args: Args) -> Outcome:
        match args:
            case SearchBlocks(query=query, limit=limit):
                return Outcome(
                    True,
                    {
                        "query": query,
                        "blocks": [self._summary(hit.type, hit.score) for hit in self._search.search(query, limit)],
                    },
                )
            case GetBlock(type=block_type):
                return self._block(block_type)
            case ValidateWorkflow():
                return self._validate()
            case AskUser():
                return Outcome(True, {"asked": args.question}, question=args)
            case _:
                return self._edit(args)

    def _summary(self, block_type: str, score: float) -> dict[str, Any]:
        block = self._catalog.get(block_type)
        return {
            "type": block_type,
            "title": block.title if block else "",
            "summary": block.summary if block else "",
            "score": score,
        }

    def _block(self, block_type: str) -> Outcome:
        block = self._catalog.get(block_type)
        if block is None:
            known = ", ".join(each.type for each in self._catalog.all())
            return Outcome(False, f"expected one of {known}; got {block_type}")
        return Outcome(True, block.wire())

    def _validate(self) -> Outcome:
        if not self._workspace.current.nodes:
            return Outcome(
                True,
                {
                    "valid": False,
                    "errors": [{"type": "empty_nodes", "message": "the workflow has no nodes yet"}],
                    "incomplete": [],
                },
            )
        issues = self._workspace.issues(self._catalog)
        told = [issue.model_dump(exclude_none=True, exclude={"severity"}) for issue in issues]
        errors = [each for each, issue in zip(told, issues, strict=True) if issue.severity == "error"]
        open_ = [each for each, issue in zip(told, issues, strict=True) if issue.severity != "error"]
        return Outcome(True, {"valid": not errors, "errors": errors[:ISSUES], "incomplete": open_[:ISSUES]})

    def _edit(self, args: Args) -> Outcome:
        if isinstance(args, AddNode) and self._catalog.get(args.type) is None:
            return self._block(args.type)
        changes = tuple(self._workspace.change(_edited(self._workspace.current, args)))
        told = [{"action": action, "nodeId": node_id} for action, node_id, _ in changes]
        return Outcome(True, {"changed": told}, changes)


def _edited(now: Definition, args: Args) -> Definition:
    """The definition after an edit. Errors: CaddieError INVALID."""
    match args:
        case AddNode():
            node = workflows.parse_node({"type": args.type, "payload": args.payload, "description": args.description})
            # A body's first node comes after nothing: models often name the loop itself as its parent.
            first = args.inLoop is not None and args.after in ([], [args.inLoop])
            after = None if first else args.after
            return edits.add_node(now, args.nodeId, node, after, args.branch, args.inLoop, trigger=args.trigger)
        case UpdateNode():
            patch = args.model_dump(exclude={"nodeId", "payload"}, exclude_none=True)
            if args.payload is not None:
                patch["payload"] = args.payload
            return edits.update_node(now, args.nodeId, patch)
        case RemoveNode():
            return edits.remove_node(now, args.nodeId)
        case ConnectNodes():
            return edits.connect(now, args.source, args.target, args.branch, in_loop=args.inLoop)
        case DisconnectNodes():
            return edits.disconnect(now, args.source, args.target)
        case SetVariables():
            return edits.set_variables(now, args.variables)
        case _:
            raise CaddieError("INVALID", f"expected an edit, got {args.NAME}")


def _schema(model: type[Args]) -> dict[str, Any]:
    """The JSON Schema without pydantic's titles: they cost tokens and say nothing."""
    bare = _untitled(model.model_json_schema())
    assert isinstance(bare, dict)
    bare.pop("description", None)
    return bare


def _untitled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _untitled(each) for key, each in value.items() if not (key == "title" and isinstance(each, str))}
    return [_untitled(each) for each in value] if isinstance(value, list) else value


def _told(error: Any) -> str:
    return f"{'.'.join(str(part) for part in error['loc']) or 'arguments'}: {error['msg']}"
