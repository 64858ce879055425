"""Variables that live with their workflow.

Invariant: a change is made to the stored value under its row's lock, so that any number of executions may count in one
variable. Caller: the checkpoint, in its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from shared.errors import CaddieError
from shared.store.execution_records import VariableWrite
from shared.store.execution_tables import Execution, Variable, storable
from shared.store.inserts import insert_new
from shared.store.tables import Workflow, now

VALUE_MAX_BYTES = 1_048_576
_EMPTY: dict[str, Any] = {"number": 0, "text": "", "boolean": False, "list": [], "object": {}}
# Before the variable's row, or this and a deletion of the workflow would wait for one another.
_WORKFLOW = (
    select(Workflow.id)
    .join(Execution, Execution.workflow_id == Workflow.id)
    .where(Execution.id == bindparam("execution"))
    .with_for_update(read=True, key_share=True, of=Workflow)
)
_VALUES = select(Variable.name, Variable.value).where(Variable.workflow_id == bindparam("workflow"))
_VALUE = (
    select(Variable.value)
    .where(Variable.workflow_id == bindparam("workflow"), Variable.name == bindparam("called"))
    .with_for_update(key_share=True)
)
_CHANGE = update(Variable).where(Variable.workflow_id == bindparam("workflow"), Variable.name == bindparam("called"))
_CHANGE = _CHANGE.values(value=bindparam("new", type_=Variable.__table__.c.value.type), updated_at=bindparam("moment"))


def values(session: Session, workflow_id: str) -> dict[str, Any]:
    return {name: value for name, value in session.connection().execute(_VALUES, {"workflow": workflow_id})}


def write_variables(session: Session, execution_id: str, changes: Mapping[int, VariableWrite]) -> dict[int, Any]:
    """The new value of each change, by its number. Raises INVALID, TOO_LARGE, and FENCED without a workflow."""
    workflow_id = session.scalar(_WORKFLOW, {"execution": execution_id})
    if workflow_id is None:
        raise CaddieError("FENCED", "expected an execution of a workflow, got one whose workflow has gone")
    # By name, so that two executions never wait for one another; changes of one variable keep their order.
    ordered = sorted(changes.items(), key=lambda item: item[1].name)
    return {number: _write(session, workflow_id, change) for number, change in ordered}


def _write(session: Session, workflow_id: str, change: VariableWrite) -> Any:
    its = {"workflow": workflow_id, "called": change.name}
    connection = session.connection()
    found = connection.execute(_VALUE, its).one_or_none()
    if found is None:
        new = {"workflow_id": workflow_id, "name": change.name, "value": _initial(change), "updated_at": now()}
        insert_new(session, Variable, [new])
        found = connection.execute(_VALUE, its).one()
    value = storable(_changed(change, _initial(change) if found.value is None else found.value))
    if len(orjson.dumps(value)) > VALUE_MAX_BYTES:
        message = f"variable {change.name}: expected at most {VALUE_MAX_BYTES} bytes of JSON, got more"
        raise CaddieError("TOO_LARGE", message)
    connection.execute(_CHANGE, its | {"new": value, "moment": now()})
    return value


def _initial(change: VariableWrite) -> Any:
    return _EMPTY.get(change.type) if change.default is None else change.default


def _changed(change: VariableWrite, present: Any) -> Any:
    if change.operation == "set":
        return change.value
    if change.operation == "append":
        if not isinstance(present, list):
            raise _refused(change, "a list to append to", present)
        return [*present, change.value]
    if not _is_number(present):
        raise _refused(change, "a number to increment", present)
    if not _is_number(change.value):
        raise _refused(change, "a number to increment by", change.value)
    total = present + change.value
    if not abs(total) < 2**63:
        raise CaddieError("INVALID", f"variable {change.name}: expected a number of at most 63 bits, got a larger one")
    return total


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(change: VariableWrite, expected: str, got: object) -> CaddieError:
    return CaddieError("INVALID", f"variable {change.name}: expected {expected}, got {type(got).__name__}")
