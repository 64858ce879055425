"""The arguments of the agent's tools; a docstring is what the model is told of its tool.

Invariant: what parses here is of bearable size and has no member nobody reads. Callers: the tools.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.workflows import Connector, InputField, VariableDef

CHANGES = 50
_Id = Annotated[str, Field(max_length=64)]


class Args(BaseModel):
    """The arguments of one tool."""

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
    type: _Id


class SearchTemplates(Args):
    """Find ready workflows for a purpose, best first, with the inputs each wants."""

    NAME = "search_templates"
    query: str = Field(min_length=1, max_length=500)
    limit: int = Field(3, ge=1, le=10)


class UseTemplate(Args):
    """Put a template on the empty canvas. `inputs`: its values by key; leave out what only the owner knows."""

    NAME = "use_template"
    templateId: str = Field(max_length=128)
    inputs: dict[str, JsonValue] = Field({}, max_length=50)


class AddNode(BaseModel):
    """The first node is the trigger, called root. `after`: its parents; `inLoop`: the loop whose body it begins."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["add_node"]
    nodeId: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    type: _Id
    payload: dict[str, JsonValue] = {}
    after: list[_Id] = Field([], max_length=20)
    branch: _Id | None = Field(None, description="then/else after if, resumed/timed_out after wait")
    inLoop: _Id | None = None
    trigger: bool = Field(False, description="a further trigger of a workflow that has one")
    description: str | None = Field(None, max_length=500)
    titleOverride: str | None = Field(None, max_length=200)
    connector: Connector | None = Field(None, description="only an account that a node of this workflow has already")


class UpdateNode(BaseModel):
    """`payload` is merged member by member, null removes a member; edges stay."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["update_node"]
    nodeId: _Id
    type: _Id | None = None
    payload: dict[str, JsonValue] | None = None
    description: str | None = Field(None, max_length=500)
    titleOverride: str | None = Field(None, max_length=200)
    connector: Connector | None = Field(None, description="as in add_node; null disconnects")


class RemoveNode(BaseModel):
    """Its parents lead to its children instead; a loop goes with its body."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["remove_node"]
    nodeId: _Id


class ConnectNodes(BaseModel):
    """Lead from source to target; `inLoop`: as the start of the body of the loop source."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["connect"]
    source: _Id
    target: _Id
    branch: _Id | None = None
    inLoop: bool = False


class DisconnectNodes(BaseModel):
    """Remove the edge."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["disconnect"]
    source: _Id
    target: _Id


class SetVariables(BaseModel):
    """The workflow's variables, all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["set_variables"]
    variables: list[VariableDef] = Field(max_length=100)


class SetInputs(BaseModel):
    """The inputs a run is started with, all of them; read as {{$inputs.key}}."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    op: Literal["set_inputs"]
    inputs: list[InputField] = Field(max_length=100)


Edit = AddNode | UpdateNode | RemoveNode | ConnectNodes | DisconnectNodes | SetVariables | SetInputs


class EditWorkflow(Args):
    """Change the workflow: all changes in order, or none when one is refused. Says what is still wrong afterwards."""

    NAME = "edit_workflow"
    changes: list[Annotated[Edit, Field(discriminator="op")]] = Field(min_length=1, max_length=CHANGES)


class ValidateWorkflow(Args):
    """Everything that is wrong (errors) or left for the user to fill in (incomplete)."""

    NAME = "validate_workflow"


class GetExecution(Args):
    """How an execution of this workflow went, step by step; without an id the failed or the last one."""

    NAME = "get_execution"
    executionId: str | None = Field(None, max_length=128)


class RunWorkflow(Args):
    """Run this workflow now. The user is asked first; your turn ends with that. `inputs`: values for the trigger."""

    NAME = "run_workflow"
    inputs: dict[str, JsonValue] = Field({}, max_length=50)
    triggerNodeId: str | None = Field(None, max_length=64)


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


class PlanStep(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = Field(min_length=1, max_length=200)
    block: str | None = Field(None, max_length=64, description="the block's type, when it is clear")
    detail: str | None = Field(None, max_length=500)


class ProposePlan(Args):
    """Show the user a plan to approve or change. It ends your turn; build only after the approval."""

    NAME = "propose_plan"
    summary: str = Field(min_length=1, max_length=1000)
    steps: list[PlanStep] = Field(min_length=1, max_length=50)


@cache
def schema(model: type[Args]) -> dict[str, Any]:
    """The JSON Schema without pydantic's titles, which cost tokens and say nothing, and OpenAPI's `discriminator`."""
    bare = _bare(model.model_json_schema())
    assert isinstance(bare, dict)
    bare.pop("description", None)
    return bare


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _bare(each)
            for key, each in value.items()
            if key != "discriminator" and not (key == "title" and isinstance(each, str))
        }
    return [_bare(each) for each in value] if isinstance(value, list) else value
