"""Steps as they are shown: with their inputs and results as far as there is room for them.

Invariant: what is read is of bounded size, whatever an execution has made: a large value never leaves the database.
Called by ``Executions``.
"""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import ColumnElement, LargeBinary, Select, Text, case, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from shared.store.execution_records import StepRecord
from shared.store.execution_tables import Step

#: All inputs and results of an execution together; one of them at least and at most, in bytes of JSON.
TOTAL_BYTES, LEAST_BYTES, MOST_BYTES = 4_194_304, 256, 16_384
#: How a value that is too large begins.
BEGINNING_CHARS = 1_000
_CUT = ("input", "result")
_PLAIN = [column for column in Step.__table__.columns if column.name not in _CUT]
_ORDER = (Step.position, Step.path, Step.node_id)


def read_previews(session: Session, execution_id: str) -> list[StepRecord]:
    """In the order they began; a value that is too large is ``{"truncated": true, "bytes", "preview"}``."""
    its = Step.execution_id == execution_id
    count = session.scalar(select(func.count()).where(its)) or 0
    limit = max(LEAST_BYTES, min(MOST_BYTES, TOTAL_BYTES // (2 * max(1, count))))
    found = session.execute(_cut(session, limit).where(its).order_by(*_ORDER))
    return [_record(list(row), limit) for row in found]


def read_telling(session: Session, execution_id: str, last: int, limit: int) -> list[StepRecord]:
    """Those that say most, in the order they began: the last ones and those that failed, twice as many at most.

    limit: the most bytes of an input or a result.
    """
    its = Step.execution_id == execution_id
    newest = [column.desc() for column in _ORDER]
    from_here = select(Step.position).where(its).order_by(*newest).offset(last - 1).limit(1).scalar_subquery()
    wanted = or_(Step.position >= func.coalesce(from_here, 0), Step.status == "failed")
    found = session.execute(_cut(session, limit).where(its, wanted).order_by(*newest).limit(2 * last)).all()
    return [_record(list(row), limit) for row in reversed(found)]


def _cut(session: Session, limit: int) -> Select[Any]:
    """Steps, with the size of each value and no more of it than the limit."""
    postgres = session.get_bind().dialect.name == "postgresql"
    shown = [part for name in _CUT for part in _parts(getattr(Step, name), limit, postgres)]
    return select(*_PLAIN, *shown)


def _parts(column: InstrumentedAttribute[Any], limit: int, postgres: bool) -> tuple[ColumnElement[Any], ...]:
    """The size of a value's JSON in bytes, and that JSON or its beginning."""
    text = cast(column, Text)
    size: ColumnElement[int] = func.octet_length(text) if postgres else func.length(cast(text, LargeBinary))
    return size, case((size <= limit, text), else_=func.substr(text, 1, min(limit, BEGINNING_CHARS)))


def _record(row: list[Any], limit: int) -> StepRecord:
    names = [column.name for column in _PLAIN]
    values = dict(zip(names, row, strict=False))
    for place, name in enumerate(_CUT):
        size, text = row[len(names) + 2 * place : len(names) + 2 * place + 2]
        values[name] = _value(size, text, limit)
    return StepRecord(**values)


def _value(size: int | None, text: str | None, limit: int) -> Any:
    if size is None or text is None:
        return None
    return orjson.loads(text) if size <= limit else {"truncated": True, "bytes": size, "preview": text}
