"""The walk: order, branches, loops, failures, limits, and going on after a worker died."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from caddie.workflow import tries
from caddie.workflow.runner import Call, Result, Runner, StepError
from caddie.workflow.terms import Bounds
from tests.caddie.workflow.walker import Walker
from tests.product import until

ROOT = ("manual", {}, ["a"])


async def test_a_chain_runs_in_order_and_ends_with_its_last_result() -> None:
    walker = Walker({"root": ROOT, "a": ("say", {"x": "{{root.text}}"}, ["b"]), "b": ("say", {"y": "{{a.x}}!"}, [])})
    stopped = await walker.walk()
    assert stopped.output == {"y": "hello!"} and stopped.failure is None
    assert walker.events() == ["root:success", "a:success", "b:success"]


async def test_blocks_that_are_done_at_once_are_stored_together() -> None:
    nodes: dict[str, Any] = {"root": ("manual", {}, ["n0"])}
    nodes |= {f"n{i}": ("say", {"i": i}, [f"n{i + 1}"] if i < 49 else []) for i in range(50)}
    walker = Walker(nodes)
    await walker.walk()
    assert walker.memory.commits == 1 and len(walker.memory.steps) == 51


async def test_only_the_chosen_branch_runs_and_the_join_behind_both_runs_once() -> None:
    walker = Walker({
        "root": ROOT, "a": ("if", {"yes": True}, ["b", "c"]),
        "b": ("do", {}, ["d"], {"branch": "then"}), "c": ("do", {}, ["d"], {"branch": "else"}),
        "d": ("merge", {}, []),
    })  # fmt: skip
    await walker.walk()
    assert walker.effects == ["b"]
    assert walker.events("skipped") == ["c:skipped"]
    assert walker.result("d") == {"value": [{"did": "b"}]}


async def test_what_is_behind_a_skipped_node_is_skipped() -> None:
    walker = Walker({
        "root": ROOT, "a": ("if", {"yes": False}, ["b"]), "b": ("do", {}, ["c"], {"branch": "then"}),
        "c": ("do", {}, []),
    })  # fmt: skip
    stopped = await walker.walk()
    assert walker.events("skipped") == ["b:skipped", "c:skipped"] and stopped.failure is None


async def test_independent_branches_run_at_the_same_time() -> None:
    walker = Walker(
        {"root": ("manual", {}, ["a", "b"]), "a": ("do", {}, ["c"]), "b": ("do", {}, ["c"]), "c": ("merge", {}, [])}
    )
    walker.gates = {"a": asyncio.Event(), "b": asyncio.Event()}
    walking = asyncio.create_task(walker.walk())
    await until(lambda: sorted(walker.working) == ["a", "b"])
    walker.gates["b"].set()
    await until(lambda: walker.effects == ["b"])
    walker.gates["a"].set()
    await walking
    assert walker.result("c") == {"value": [{"did": "a"}, {"did": "b"}]}


async def test_a_loop_runs_its_body_for_every_item_in_order() -> None:
    walker = Walker({
        "root": ROOT, "a": ("for-each", {"items": "{{root.list}}"}, ["z"], {"loopBody": ["b"]}),
        "b": ("do", {"name": "{{$item.n}}"}, ["c"]), "c": ("say", {"v": "{{b.did}} {{$index}}"}, []),
        "z": ("say", {"all": "{{a.items}}"}, []),
    })  # fmt: skip
    walker.trigger_result = {"list": [{"n": "x"}, {"n": "y"}]}
    stopped = await walker.walk()
    assert walker.effects == ["x", "y"]
    assert walker.result("a") == {"items": [{"v": "x 0"}, {"v": "y 1"}], "count": 2}
    assert stopped.output == {"all": [{"v": "x 0"}, {"v": "y 1"}]}
    assert walker.events("success")[1:3] == ["a:0/b:success", "a:0/c:success"]


async def test_loops_nest_and_see_the_item_around_them() -> None:
    walker = Walker({
        "root": ROOT, "a": ("for-each", {"items": [[1, 2], [3]]}, [], {"loopBody": ["b"]}),
        "b": ("for-each", {"items": "{{$item}}"}, [], {"loopBody": ["c"]}),
        "c": ("say", {"v": "{{$item}} of {{$parent_item}}"}, []),
    })  # fmt: skip
    await walker.walk()
    assert walker.result("c", "a:0/b:1") == {"v": "2 of [1,2]"}
    assert walker.result("c", "a:1/b:0") == {"v": "3 of [3]"}


async def test_a_loop_ends_after_its_most_iterations() -> None:
    walker = Walker({
        "root": ROOT, "a": ("for-each", {"items": list(range(500)), "maxIterations": 3}, [], {"loopBody": ["b"]}),
        "b": ("say", {}, []),
    })  # fmt: skip
    await walker.walk()
    assert walker.result("a")["count"] == 3
    walker = Walker(
        {"root": ROOT, "a": ("for-each", {"items": list(range(500))}, [], {"loopBody": ["b"]}), "b": ("say", {}, [])}
    )
    await walker.walk()
    assert walker.result("a")["count"] == 100


async def test_an_empty_list_is_a_loop_that_is_over() -> None:
    walker = Walker(
        {
            "root": ROOT,
            "a": ("for-each", {"items": []}, ["c"], {"loopBody": ["b"]}),
            "b": ("do", {}, []),
            "c": ("do", {}, []),
        }
    )
    await walker.walk()
    assert walker.result("a") == {"items": [], "count": 0} and walker.effects == ["c"]


@pytest.mark.parametrize("items", ["text", 5, {"a": 1}, None])
async def test_a_loop_over_something_else_fails_and_says_what_it_got(items: Any) -> None:
    walker = Walker({"root": ROOT, "a": ("for-each", {"items": items}, [], {"loopBody": ["b"]}), "b": ("do", {}, [])})
    stopped = await walker.walk()
    assert (
        stopped.failure and stopped.failure.code == "INVALID_PAYLOAD" and "expected a list" in stopped.failure.message
    )


async def test_a_failure_begins_nothing_new_and_lets_what_runs_end() -> None:
    walker = Walker({
        "root": ("manual", {}, ["a", "b"]), "a": ("do", {}, ["c"]), "b": ("fail", {}, ["d"]), "c": ("do", {}, []),
        "d": ("do", {}, []),
    })  # fmt: skip
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.node_id == "b" and stopped.failure.code == "BROKEN"
    assert walker.effects == ["a"]


async def test_a_failure_that_another_node_reads_is_forgiven() -> None:
    walker = Walker({
        "root": ROOT, "a": ("fail", {"why": "no answer"}, ["b"]),
        "b": ("say", {"error": "{{$nodes.a.error}}", "body": "{{a.body}}"}, []),
    })  # fmt: skip
    stopped = await walker.walk()
    assert stopped.failure is None and walker.result("b") == {"error": "no answer", "body": None}


async def test_the_payload_of_a_node_can_be_referred_to_after_a_restart_too() -> None:
    walker = Walker(
        {"root": ROOT, "a": ("do", {"to": "{{root.text}}"}, ["b"]), "b": ("look", {"v": "{{a.payload.to}}"}, [])}
    )
    await walker.walk()
    assert walker.result("b")["v"] == "hello"
    del walker.memory.steps["", "b"]
    await walker.walk()
    assert walker.result("b")["v"] == "hello" and walker.effects == ["a", "b", "b"]


async def test_too_many_nodes_end_the_execution() -> None:
    walker = Walker(
        {"root": ROOT, "a": ("for-each", {"items": list(range(100))}, [], {"loopBody": ["b"]}), "b": ("say", {}, [])}
    )
    stopped = await walker.walk(bounds=Bounds(node_runs=50))
    assert stopped.failure and stopped.failure.code == "RUN_LIMIT"
    assert len(walker.memory.steps) <= 51


async def test_a_malformed_expression_fails_its_node() -> None:
    walker = Walker({"root": ROOT, "a": ("say", {"x": "{{root.}}"}, [])})
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "EXPRESSION_INVALID" and stopped.failure.node_id == "a"


async def test_a_block_nobody_knows_fails() -> None:
    walker = Walker({"root": ROOT, "a": ("teleport", {}, [])})
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "BLOCK_UNKNOWN"


async def test_a_result_that_is_too_large_fails_its_node() -> None:
    walker = Walker({"root": ROOT, "a": ("big", {}, [])})
    walker.runners["big"] = Runner(_big, kind=lambda payload: "repeatable")
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "RESULT_TOO_LARGE"


async def _big(call: Call) -> Result:
    return {"text": "x" * 1_048_577}


async def test_a_block_that_crashes_tells_nothing_of_its_payload() -> None:
    async def crash(call: Call) -> Result:
        raise KeyError(call.payload["secret"])

    walker = Walker({"root": ROOT, "a": ("crash", {"secret": "s3cr3t-value"}, [])})
    walker.runners["crash"] = Runner(crash)
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "BLOCK_FAILED" and "s3cr3t" not in stopped.failure.message


async def test_secrets_are_masked_in_results_errors_inputs_and_what_follows() -> None:
    walker = Walker(
        {
            "root": ROOT,
            "a": ("do", {"key": "tell-nobody-1"}, ["b"]),
            "b": ("fail", {"why": "got {{a.key}} tell-nobody-1"}, []),
        }
    )
    walker.mask.note("tell-nobody-1")
    stopped = await walker.walk()
    assert walker.result("a") == {"did": "a", "key": "***"}
    assert "tell-nobody-1" not in repr(walker.memory) and "***" in repr(stopped)


async def test_a_failure_that_may_pass_is_tried_again_as_often_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    async def flaky(call: Call) -> Result:
        tried.append(call.step_id)
        if len(tried) < 3:
            raise StepError("BUSY", "expected an answer, got 503", retryable=True, retry_after_s=0.0)
        return {"ok": True}

    monkeypatch.setattr(tries, "PAUSE_S", 0.001)
    walker = Walker({"root": ROOT, "a": ("flaky", {}, [])})
    walker.runners["flaky"] = Runner(flaky, retries=lambda payload: 2)
    monkeypatch.setattr("caddie.workflow.executor.attempted", lambda runner, call: tries.attempted(runner, call, 0.001))
    stopped = await walker.walk()
    assert stopped.failure is None and len(tried) == 3 and len(set(tried)) == 1
    tried.clear()
    walker = Walker({"root": ROOT, "a": ("flaky", {}, [])})
    walker.runners["flaky"] = Runner(flaky, retries=lambda payload: 1)
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "BUSY" and len(tried) == 2


async def test_a_block_that_takes_too_long_fails() -> None:
    walker = Walker({"root": ROOT, "a": ("slow", {}, [])})
    walker.runners["slow"] = Runner(lambda call: asyncio.sleep(60, {}), time_s=0.01)
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "TIMEOUT"


async def test_a_step_that_is_stored_is_not_run_again() -> None:
    walker = Walker({"root": ROOT, "a": ("do", {}, ["b"]), "b": ("do", {}, ["c"]), "c": ("do", {}, [])})
    walker.gates["c"] = asyncio.Event()
    walking = asyncio.create_task(walker.walk())
    await until(lambda: "c" in walker.working)
    walking.cancel()
    await asyncio.gather(walking, return_exceptions=True)
    assert walker.effects == ["a", "b"]
    stopped = await walker.walk()
    assert stopped.failure and stopped.failure.code == "IN_DOUBT" and walker.effects == ["a", "b"]


async def test_a_block_that_changes_nothing_outside_is_run_again() -> None:
    walker = Walker({"root": ROOT, "a": ("do", {}, ["b"]), "b": ("look", {}, [])})
    walker.gates["b"] = asyncio.Event()
    walking = asyncio.create_task(walker.walk())
    await until(lambda: "b" in walker.working)
    walking.cancel()
    await asyncio.gather(walking, return_exceptions=True)
    walker.gates["b"].set()
    stopped = await walker.walk()
    assert stopped.failure is None and walker.effects == ["a", "b"]
    assert walker.events("success") == ["root:success", "a:success", "b:success"]


async def test_what_the_log_lacks_is_told_after_a_restart() -> None:
    walker = Walker({"root": ROOT, "a": ("do", {}, ["b"]), "b": ("do", {}, [])})
    await walker.walk()
    lost = walker.memory.said.pop()
    await walker.walk()
    assert walker.memory.said[-1] == lost and len(walker.effects) == 2


async def test_an_attempt_that_takes_over_ends_as_the_first_would_have() -> None:
    """Cut off after every single commit, a workflow with loops, branches and joins ends with the same steps."""
    nodes = {
        "root": ("manual", {}, ["a", "x"]), "a": ("for-each", {"items": [1, 2]}, ["j"], {"loopBody": ["b"]}),
        "b": ("look", {"name": "b{{$item}}"}, ["c"]), "c": ("say", {"v": "{{b.did}}"}, []),
        "x": ("if", {"yes": True}, ["y", "z"]), "y": ("look", {}, ["j"], {"branch": "then"}),
        "z": ("look", {}, ["j"], {"branch": "else"}), "j": ("merge", {}, []),
    }  # fmt: skip
    whole = Walker(nodes)
    await whole.walk()
    cuts = [(cut, stored) for cut in range(whole.memory.commits) for stored in (False, True)]
    for cut, stored in cuts:
        walker = Walker(nodes)
        commit, left = walker.memory.commit, cut

        async def dying(
            steps: Any, said: Any, commit: Any = commit, walker: Walker = walker, stored: bool = stored
        ) -> Any:
            nonlocal left
            if not left:
                await commit(steps if stored else (), ())
                raise ConnectionError
            left -= 1
            return await commit(steps, said)

        walker.memory.commit = dying  # type: ignore[method-assign]
        with pytest.raises(ConnectionError):
            await walker.walk()
        walker.memory.commit = commit  # type: ignore[method-assign]
        executor = walker.executor()
        stopped = await executor.run()
        assert stopped.failure is None and executor.node_runs == 9
        ended = {key: (step.status, step.result) for key, step in walker.memory.steps.items()}
        assert ended == {key: (step.status, step.result) for key, step in whole.memory.steps.items()}
        assert sorted(walker.events("success", "skipped")) == sorted(whole.events("success", "skipped"))


async def test_a_loop_may_gather_no_more_than_an_expression_can_fill_in() -> None:
    nodes = {
        "root": ROOT,
        "a": ("for-each", {"items": list(range(10))}, [], {"loopBody": ["b"]}),
        "b": ("say", {"x": "{{root.big}}"}, []),
    }
    walker = Walker(nodes)
    walker.trigger_result["big"] = "x" * 600_000
    stopped = await walker.walk()
    assert stopped.failure and (stopped.failure.code, stopped.failure.node_id) == ("RESULT_TOO_LARGE", "a")


async def test_results_of_one_execution_have_a_bound_together() -> None:
    names = [f"n{number}" for number in range(20)]
    nodes = {
        "root": ("manual", {}, names[:1]),
        **{
            name: ("say", {"x": "{{root.big}}"}, [after])
            for name, after in zip(names, [*names[1:], "none"], strict=True)
        },
    }
    walker = Walker(nodes)
    walker.trigger_result["big"] = "x" * 100_000
    stopped = await walker.walk(bounds=Bounds(result_bytes=1_000_000))
    assert stopped.failure and (stopped.failure.code, stopped.failure.node_id) == ("RUN_LIMIT", "n8")
    again = await walker.walk(bounds=Bounds(result_bytes=1_000_000))
    assert again.failure == stopped.failure
