"""A walk that is cut off, waits, or changes hands: what it ends with is what it would have ended with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from caddie.workflow.runner import Call, Result, Runner, StepError
from caddie.workflow.terms import Stopped
from shared.events import InputExpired, InputRequested, InputResolved
from tests.caddie.workflow.walker import Asked, Walker
from tests.product import until

ROOT = ("manual", {}, ["a"])
CONFIRM = ("human_confirmation", {"message": "Go on?"}, [])


def answer(walker: Walker, value: Any = "approve") -> None:
    for asked in walker.memory.asked.values():
        if asked.status == "pending":
            asked.status, asked.resolved_by, asked.value = "resolved", "7", value


def open_steps(walker: Walker) -> list[str]:
    return [step.node_id for step in walker.memory.steps.values() if step.status in ("running", "waiting")]


async def cut(walker: Walker, walking: asyncio.Task[Stopped], executor: Any) -> None:
    walking.cancel()
    await asyncio.gather(walking, return_exceptions=True)
    await executor.cut("CANCELLED", "the execution was cancelled")


async def test_a_failure_leaves_no_step_open() -> None:
    walker = Walker({
        "root": ("manual", {}, ["l", "w", "d"]), "l": ("for-each", {"items": [1]}, [], {"loopBody": ["b"]}),
        "b": ("do", {}, ["f"]), "f": ("fail", {}, []), "w": CONFIRM, "d": ("delay", {"seconds": 60}, []),
    })  # fmt: skip
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.node_id == "f" and not open_steps(walker)
    assert set(walker.events("failed")) == {"l:0/f:failed", "l:failed", "w:failed", "d:failed"}
    assert walker.memory.steps["", "w"].error_code == "CANCELLED"


async def test_an_effect_found_open_behind_a_failure_is_ended_too() -> None:
    async def fail_late(call: Call) -> Result:
        await walker.gates["f"].wait()
        raise StepError("BROKEN", "expected luck, got none")

    walker = Walker({
        "root": ("manual", {}, ["f", "x"]), "f": ("fail_late", {}, []), "x": ("say", {}, ["a"]), "a": ("do", {}, []),
    })  # fmt: skip
    walker.runners["fail_late"] = Runner(fail_late)
    walker.gates = {"a": asyncio.Event(), "f": asyncio.Event()}
    walking = asyncio.create_task(walker.walk())
    await until(lambda: "a" in walker.working)
    walker.gates["f"].set()
    await until(lambda: walker.memory.steps["", "f"].status == "failed")
    walking.cancel()
    await asyncio.gather(walking, return_exceptions=True)
    assert open_steps(walker) == ["a"]
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.node_id == "f" and not open_steps(walker) and not walker.effects


async def test_what_is_done_when_the_walk_is_cancelled_is_stored_and_told_once() -> None:
    walker = Walker({"root": ROOT, "a": ("do", {}, ["b"]), "b": ("do", {}, [])})
    executor = walker.executor()
    commit, reached = walker.memory.commit, asyncio.Event()

    async def slow(steps: Any, said: Any) -> Any:
        if any(step.key == ("", "a") and step.status == "success" for step in steps):
            reached.set()
            await asyncio.Event().wait()
        return await commit(steps, said)

    walker.memory.commit = slow  # type: ignore[method-assign]
    walking = asyncio.create_task(executor.run())
    await reached.wait()
    walker.memory.commit = commit  # type: ignore[method-assign]
    await cut(walker, walking, executor)
    assert walker.events() == ["root:success", "a:running", "a:success", "b:running", "b:failed"]
    assert walker.effects == ["a"] and not open_steps(walker)


async def test_a_block_that_is_done_when_the_walk_is_cancelled_has_succeeded() -> None:
    walker = Walker({"root": ("manual", {}, ["a", "b"]), "a": ("do", {}, []), "b": ("do", {}, [])})
    walker.gates = {"a": asyncio.Event(), "b": asyncio.Event()}
    executor = walker.executor()
    walking = asyncio.create_task(executor.run())
    await until(lambda: sorted(walker.working) == ["a", "b"])
    (task,) = [each for each in executor._tasks if executor._tasks[each].call.node_id == "a"]
    task.add_done_callback(lambda done: walking.cancel())
    walker.gates["a"].set()
    await asyncio.gather(walking, return_exceptions=True)
    await executor.cut("CANCELLED", "the execution was cancelled")
    assert walker.memory.steps["", "a"].status == "success" and walker.memory.steps["", "b"].error_code == "CANCELLED"


async def test_a_worker_that_leaves_hands_on_between_two_steps() -> None:
    walker = Walker({"root": ROOT, "a": ("do", {}, ["b"]), "b": ("do", {}, [])})
    walker.gates["a"] = asyncio.Event()
    walking = asyncio.create_task(walker.walk())
    await until(lambda: "a" in walker.working)
    walker.leaving = True
    walker.gates["a"].set()
    stopped = await walking
    assert stopped.waits and stopped.until == walker.now and walker.effects == ["a"] and not open_steps(walker)
    walker.leaving = False
    assert (await walker.walk()).output == {"did": "b"} and walker.effects == ["a", "b"]


async def test_an_effect_that_runs_is_waited_for_before_a_worker_leaves() -> None:
    walker = Walker({"root": ("manual", {}, ["a", "w"]), "a": ("do", {}, []), "w": ("delay", {"seconds": 3_600}, [])})
    walker.leaving = True
    assert (await walker.walk()).waits and not walker.memory.steps
    walker.leaving = False
    stopped = await walker.walk()
    assert stopped.waits and walker.effects == ["a"]
    walker.leaving = True
    walker.later(hours=2)
    assert (await walker.walk()).until == walker.now


async def test_a_loop_waits_in_the_middle_of_an_iteration_and_goes_on_there() -> None:
    walker = Walker({
        "root": ROOT, "a": ("for-each", {"items": list(range(9))}, ["z"], {"loopBody": ["i"]}),
        "i": ("if", {"yes": "{{$nodes.root.result.odd}}"}, ["w", "b"]),
        "w": ("human_confirmation", {"message": "{{$index}}?"}, ["b"], {"branch": "then"}),
        "b": ("do", {"name": "{{$item}}", "ok": "{{w.approved}}"}, []), "z": ("say", {"n": "{{a.count}}"}, []),
    })  # fmt: skip
    walker.trigger_result = {"odd": True}
    for number in range(9):
        stopped = await walker.walk()
        assert stopped.waits and len(walker.effects) == number
        answer(walker)
    stopped = await walker.walk()
    assert stopped.output == {"n": 9} and walker.effects == [str(number) for number in range(9)]
    assert walker.result("a")["items"][6] == {"did": "6", "ok": True}
    assert len([each for each in walker.memory.said if isinstance(each, InputRequested)]) == 9
    assert len([each for each in walker.memory.said if isinstance(each, InputResolved)]) == 9
    assert len(walker.events()) == len(set(walker.events()))


async def test_items_and_positions_are_the_same_after_a_takeover_within_nested_loops() -> None:
    nodes = {
        "root": ROOT, "a": ("for-each", {"items": [["x", "y"], ["z"]]}, [], {"loopBody": ["b"]}),
        "b": ("for-each", {"items": "{{$item}}"}, [], {"loopBody": ["w"]}), "w": ("delay", {"seconds": 60}, ["c"]),
        "c": ("say", {"v": "{{$item}} {{$index}} of {{$parent_item}}"}, []),
    }  # fmt: skip
    walker = Walker(nodes)
    for _ in range(3):
        assert (await walker.walk()).waits
        walker.later(minutes=2)
    await walker.walk()
    said = [walker.result("c", path)["v"] for path in ("a:0/b:0", "a:0/b:1", "a:1/b:0")]
    assert said == ['x 0 of ["x","y"]', 'y 1 of ["x","y"]', 'z 0 of ["z"]']


async def test_a_loop_goes_over_the_list_it_began_with_though_its_body_changes_it() -> None:
    walker = Walker(
        {
            "root": ROOT, "a": ("for-each", {"items": "{{$vars.todo}}"}, [], {"loopBody": ["s"]}),
            "s": ("set-variable", {"name": "todo", "operation": "append", "value": "{{$item}}!"}, ["w"]),
            "w": ("delay", {"seconds": 60}, ["b"]), "b": ("do", {"name": "{{$item}}"}, []),
        },
        variableDefs=[{"name": "todo", "type": "list", "default": ["one", "two" * 3_000, "three"]}],
    )  # fmt: skip
    while (await walker.walk()).waits:
        walker.later(minutes=2)
    assert walker.effects == ["one", "two" * 3_000, "three"]
    assert walker.result("a")["count"] == 3


async def test_a_payload_that_is_read_later_is_what_it_was_when_its_node_ran() -> None:
    walker = Walker(
        {
            "root": ROOT, "a": ("do", {"to": "{{$vars.n}}"}, ["s"]),
            "s": ("set-variable", {"name": "n", "value": 2}, ["w"]), "w": ("delay", {"seconds": 60}, ["b"]),
            "b": ("say", {"v": "{{a.payload.to}} {{$vars.n}}"}, []),
        },
        variableDefs=[{"name": "n", "type": "number", "default": 1}],
    )  # fmt: skip
    assert (await walker.walk()).waits
    walker.later(minutes=2)
    assert (await walker.walk()).output == {"v": "1 2"}


async def test_a_node_whose_payload_could_not_be_read_stays_failed_after_a_takeover() -> None:
    walker = Walker({
        "root": ROOT, "a": ("say", {"x": "{{root.}}"}, ["w"]), "w": ("delay", {"seconds": 60}, ["b"]),
        "b": ("say", {"why": "{{$nodes.a.error}}", "x": "{{a.payload.x}}"}, []),
    })  # fmt: skip
    assert (await walker.walk()).waits
    walker.later(minutes=2)
    stopped = await walker.walk()
    assert stopped.failure is None and "expected" in stopped.output["why"] and stopped.output["x"] is None  # type: ignore[index, call-overload]


async def test_an_answer_whose_step_is_stored_and_not_told_is_told_after_a_takeover() -> None:
    walker = Walker({"root": ROOT, "a": CONFIRM})
    assert (await walker.walk()).waits
    answer(walker)
    before = len(walker.memory.said)
    await walker.walk()
    lost = walker.memory.said[before:]
    del walker.memory.said[before:]
    await walker.walk()
    assert walker.memory.said[before:] == lost
    assert [type(each) for each in lost][:1] == [InputResolved]
    assert not [each for each in walker.memory.said if isinstance(each, InputExpired)]


async def test_a_question_that_has_gone_ends_with_its_time() -> None:
    walker = Walker({"root": ROOT, "a": CONFIRM})
    assert (await walker.walk()).waits
    walker.memory.asked.clear()
    walker.later(hours=1)
    assert (await walker.walk()).output == {"approved": False, "comment": "", "by": ""}


async def test_two_waits_end_each_in_its_time() -> None:
    walker = Walker({
        "root": ("manual", {}, ["a", "b"]), "a": ("delay", {"seconds": 60}, ["c"]),
        "b": ("wait", {"timeoutSeconds": 3_600}, ["d", "e"]), "c": ("do", {}, []),
        "d": ("do", {}, [], {"branch": "resumed"}), "e": ("do", {}, [], {"branch": "timed_out"}),
    })  # fmt: skip
    stopped = await walker.walk()
    assert stopped.waits and stopped.until and (stopped.until - walker.now).total_seconds() == 60
    walker.later(seconds=61)
    stopped = await walker.walk()
    assert stopped.waits and walker.effects == ["c"]
    answer(walker, {"paid": 1})
    await walker.walk()
    assert walker.effects == ["c", "d"] and walker.events("skipped") == ["e:skipped"]


async def test_a_wait_is_stored_with_the_time_it_took() -> None:
    walker = Walker({"root": ROOT, "a": ("delay", {"seconds": 3_600}, [])})
    began = walker.now
    await walker.walk()
    walker.later(hours=2)
    await walker.walk()
    step = walker.memory.steps["", "a"]
    assert step.started_at == began and 7_200_000 <= (step.duration_ms or 0) < 7_210_000


async def test_a_failure_within_a_loop_that_is_read_lets_the_loop_go_on() -> None:
    async def fussy(call: Call) -> Result:
        if call.payload["n"] == 1:
            raise StepError("BROKEN", "expected another number, got 1")
        return {"n": call.payload["n"]}

    walker = Walker({
        "root": ROOT, "a": ("for-each", {"items": [0, 1, 2]}, [], {"loopBody": ["b"]}),
        "b": ("fussy", {"n": "{{$item}}"}, ["c"]), "c": ("say", {"v": "{{$nodes.b.error || b.n}}"}, []),
    })  # fmt: skip
    walker.runners["fussy"] = Runner(fussy)
    await walker.walk()
    assert walker.result("a")["items"] == [{"v": 0}, {"v": "expected another number, got 1"}, {"v": 2}]


async def test_a_node_behind_several_parents_runs_when_one_of_them_leads_to_it() -> None:
    walker = Walker({
        "root": ("manual", {}, ["a", "b", "f"]), "a": ("if", {"yes": True}, ["c", "d"]),
        "b": ("if", {"yes": False}, ["c", "d"]), "c": ("do", {}, [], {"branch": "then"}),
        "d": ("do", {}, [], {"branch": "else"}), "f": ("fail", {}, ["g", "h"]), "g": ("do", {}, [], {"branch": "then"}),
        "h": ("say", {"why": "{{$nodes.f.error}}"}, []),
    })  # fmt: skip
    stopped = await walker.walk()
    assert stopped.failure is None and sorted(walker.effects) == ["c", "d", "g"]


async def test_what_the_walk_itself_says_asks_and_keeps_holds_no_secret() -> None:
    secret = "tell-nobody-1"
    walker = Walker(
        {
            "root": ROOT, "a": ("do", {"apiKey": secret}, ["r", "q", "s", "t", "p"]),
            "r": ("reply_chat", {"text": "key {{a.payload.apiKey}}"}, []),
            "q": ("human_confirmation", {"message": "use {{a.payload.apiKey}}?"}, []),
            "s": ("set-variable", {"name": "k", "value": "{{a.payload.apiKey}}"}, []),
            "t": ("trigger-workflow", {"workflow": "w", "input": {"k": "{{a.payload.apiKey}}"}}, []),
            "p": ("set-variable", {"name": "kept", "value": "{{a.payload.apiKey}}"}, []),
        },
        variableDefs=[{"name": "k", "type": "text"}, {"name": "kept", "type": "text", "lifetime": "persist"}],
    )  # fmt: skip
    walker.mask.note(secret)
    assert (await walker.walk()).waits
    assert secret not in repr(walker.memory) and walker.memory.kept == {"kept": "***"}
    assert all(isinstance(each, Asked) for each in walker.memory.asked.values())


async def test_what_an_expression_puts_into_a_sensitive_member_is_a_secret() -> None:
    walker = Walker(
        {
            "root": ROOT, "a": ("do", {"headers": {"X-Key": "{{root.key}}"}}, ["b"]),
            "b": ("say", {"echo": "{{a.headers}}"}, []),
        },
        sensitivePropKeys=["X-Key"],
    )  # fmt: skip
    walker.trigger_result = {"key": "tell-nobody-1"}
    await walker.walk()
    assert walker.memory.steps["", "a"].input == {"headers": {"X-Key": "***"}}
    assert walker.result("b") == {"echo": {"X-Key": "***"}}


@pytest.mark.parametrize("value", [2**62, 1e308])
async def test_a_number_that_grows_beyond_what_json_can_carry_fails_its_node(value: float) -> None:
    walker = Walker(
        {
            "root": ROOT, "a": ("set-variable", {"name": "n", "operation": "increment", "value": value}, ["b"]),
            "b": ("set-variable", {"name": "n", "operation": "increment", "value": value}, []),
        },
        variableDefs=[{"name": "n", "type": "number"}],
    )  # fmt: skip
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "INVALID_PAYLOAD"


async def test_what_a_block_has_done_is_stored_at_once_though_another_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caddie.workflow.ledger.UNSAVED_S", 60.0)
    walker = Walker({"root": ("manual", {}, ["a", "b"]), "a": ("do", {}, []), "b": ("do", {}, [])})
    walker.gates = {"a": asyncio.Event(), "b": asyncio.Event()}
    walking = asyncio.create_task(walker.walk())
    await until(lambda: sorted(walker.working) == ["a", "b"])
    walker.gates["a"].set()
    await until(lambda: walker.memory.steps["", "a"].status == "success")
    walker.gates["b"].set()
    assert (await walking).failure is None
