"""`caddie verify`: what it takes for a transcript, and what it finds in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from caddie.bots.verify import verify
from shared.errors import CaddieError

Line = dict[str, Any]


def seen(index: int, kind: str = "thinking", connection: str = "a.1", digest: str = "", start: int = 0) -> Line:
    line = {"conversation": "c", "connection": connection, "index": index, "type": kind, "runId": "r", "at": 1.5}
    return line | {"hash": digest or f"{index:016x}"} | ({"from": start} if start else {})


def marker(kind: str, connection: str = "a.1", **more: Any) -> Line:
    return {"conversation": "c", "connection": connection, "type": kind, "at": 1.0} | more


def written(path: Path, lines: list[Line]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return path


WHOLE = [
    marker("connected", after=0, epoch="e"),
    marker("accepted", "", runId="r"),
    seen(1, "run.started"),
    seen(4, "message.delta", start=2),
    marker("connected", "a.2", after=4, epoch="e"),
    seen(5, "run.finished", "a.2"),
]


@pytest.mark.parametrize(
    ("lines", "broken"),
    [
        (WHOLE, {}),
        ([], {}),
        (WHOLE[:5], {"unended": 1}),
        (WHOLE[:3] + WHOLE[4:], {}),
        ([*WHOLE[:4], marker("connected", "a.2", after=3, epoch="e"), seen(5, "run.finished", "a.2")], {"gap": 1}),
        ([*WHOLE, seen(5, "run.finished", "a.2")], {"duplicate": 1}),
        ([*WHOLE, seen(6, "run.failed", "a.2")], {"terminal": 1}),
        ([*WHOLE, seen(1, connection="b.1", digest="ff")], {"content": 1}),
        ([seen(7), seen(9), seen(8)], {"gap": 1, "inversion": 1}),
        ([*WHOLE, marker("resync", "a.2", after=40, epoch="e"), seen(41, connection="a.2")], {}),
    ],
)
def test_a_transcript_is_judged_line_by_line(tmp_path: Path, lines: list[Line], broken: dict[str, int]) -> None:
    assert dict(verify(written(tmp_path / "t.jsonl", lines)).faults.counts) == broken


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"not json\n", "line 1: "),
        (b"[]\n", "line 1: expected an object, got list"),
        (b'{"connection":"a.1","type":"thinking","index":1,"hash":"0"}\n', "expected the member 'conversation'"),
        (b'{"conversation":"c","connection":"a.1","type":"x"}\n', "expected an event with an index, or a marker"),
        (b'{"conversation":"c","connection":"a.1","type":"x","index":"1","hash":"0"}\n', "expected an integer"),
        (b'{"conversation":"c","connection":"a.1","type":"x","index":1,"hash":"zz"}\n', "invalid literal"),
    ],
)
def test_what_is_no_transcript_is_refused_with_its_line(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(raw)
    with pytest.raises(CaddieError) as refused:
        verify(tmp_path / "t.jsonl")
    assert message in refused.value.message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaddieError, match="cannot read"):
        verify(tmp_path / "nothing.jsonl")
