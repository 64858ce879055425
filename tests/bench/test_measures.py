"""What is measured beside delivery: publishing, the whole path, idle servers, session calls, and how it is judged."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from bench import machine, page, producer, report
from bench.rounds import Pace, Result, Runner, disturbed, faulty, growth
from bench.scenarios import OURS, SCENARIOS, Scenario, Target
from bench.servers import PEERS, Site, create_account, fresh_key, write_request
from bench.toolchain import Toolchain, compiled, prepare
from bench.valkey import Valkey
from shared.log import EventLog
from tests.bench.frames import HANDSHAKE, frame

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
TS = "2026-01-01T00:00:00.000Z"


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    return prepare(tmp_path_factory.mktemp("build"), node=False)


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path, machine.cores()[1]) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, tools: Toolchain, valkey: Valkey) -> Site:
    return Site(tmp_path, tools, valkey.port, valkey.pid, fresh_key(), create_account(tmp_path), machine.cores()[0])


@pytest.fixture
def runner(site: Site, valkey: Valkey) -> Runner:
    return Runner(site, valkey, machine.cores()[1], Pace(1, warm_s=0.1, seconds=0.2, idle_s=0.5), lambda _: None)


def test_every_producer_stores_what_it_counts(runner: Runner) -> None:
    scenario = SCENARIOS["publish"]
    result = runner.run(scenario, scenario.peers)
    assert not result.faults
    for peer in scenario.peers:
        row = result.rounds[peer][0]
        assert row["cpu_us_per_event"] > 0 and row["redis_us_per_event"] > 0 and row["events_per_s"] > 0


async def test_a_producer_whose_stream_lacks_doubles_or_swaps_events_is_faulty(valkey: Valkey) -> None:
    async with Redis(port=valkey.port) as redis:
        log = EventLog(redis, 60, 1_000)
        conversations = [producer.Conversation(number, log) for number in range(3)]
        for conversation in conversations:
            await producer.appending(3)(conversation)
        assert await producer.faults(redis, conversations) == {"lost": 0, "duplicates": 0, "reordered": 0}
        short, double, swapped = conversations
        short.sent += 1
        double.sent -= 1
        await redis.delete(producer.keys.log(swapped.key))
        for number in (2, 1, 3):
            body = producer.encode(producer.delta(number))
            await redis.xadd(producer.keys.log(swapped.key), {"b": body})
        found = await producer.faults(redis, conversations)
    assert (found["lost"], found["duplicates"], found["reordered"]) == (1, 1, 3)


def test_the_whole_path_delivers_what_the_offline_model_says(runner: Runner) -> None:
    result = runner.run(replace(SCENARIOS["whole-path"], conns=3), ["product"])
    assert not result.faults
    row = result.rounds["product"][0]
    assert row["deliveries_per_s"] > 0 and row["words_per_delta"] >= 1 and row["p99_ms"] > 0
    assert row["cpu_us_per_delta"] == pytest.approx(row["server_us_per_delta"] + row["worker_us_per_delta"], abs=0.1)


def test_an_idle_server_is_sampled_on_the_way(runner: Runner) -> None:
    row = runner.run(replace(SCENARIOS["idle-5000"], conns=20), [OURS]).rounds[OURS][0]
    assert not faulty(row) and len(row["samples"]) == 10
    assert row["drift_percent"] >= 0 and row["samples"][-1]["at_s"] >= 0.5


class Speaker:
    """Answers every `message` with the same events, indices going on; `spoken` are (from, index, words), relative."""

    def __init__(self, *spoken: tuple[int, int, str]) -> None:
        self._spoken = spoken
        self.requests: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(HANDSHAKE))
        index = 0
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while text := await self._text(reader):
                if text.startswith(b"40"):
                    writer.write(frame(b'40{"sid":"x"}') + frame(b'42["ready",{"head":0}]'))
                elif text.startswith(b"42"):
                    self.requests.append(json.loads(text[text.index(b"[") :])[1]["requestId"])
                    for first, last, words in self._spoken:
                        writer.write(self._event("message.delta", {"text": words}, index + last, index + first))
                    index += self._spoken[-1][1] + 1
                    writer.write(self._event("run.finished", {}, index, index))
        writer.close()

    def _event(self, kind: str, data: dict[str, str], index: int, start: int) -> bytes:
        event: dict[str, Any] = {"index": index, "type": kind, "ts": TS, "data": data}
        if start != index:
            event = {"index": index, "from": start, **event}
        return frame(b'42["event",' + json.dumps(event, separators=(",", ":")).encode() + b',"%d"]' % index)

    async def _text(self, reader: asyncio.StreamReader) -> bytes:
        size = (await reader.readexactly(2))[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        return (await reader.readexactly(4 + size))[4:]


@asynccontextmanager
async def listening(serve: Any) -> AsyncIterator[int]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def answer(*command: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert process.returncode == 0
    row: dict[str, Any] = json.loads(out)
    return row


async def talked(tools: Toolchain, folder: Path, speaker: Speaker) -> dict[str, Any]:
    (folder / "tokens").write_text("a.b.c\n" * 2)
    async with listening(speaker) as port:
        return await answer(
            str(tools.talk), "--port", str(port), "--conns", "2", "--tokens", str(folder / "tokens"),
            "--message", "Hi?", "--warm", "0.05", "--spread", "0.01", "--seconds", "0.2",
        )  # fmt: skip


async def test_a_delta_that_stands_for_several_counts_its_words_and_leaves_no_gap(
    tools: Toolchain, tmp_path: Path
) -> None:
    speaker = Speaker((1, 1, "one"), (2, 4, ' two\n"three"  four'))
    row = await talked(tools, tmp_path, speaker)
    assert not faulty(row) and row["runs_per_s"] > 0
    assert row["words_per_delta"] == pytest.approx(2, abs=0.1)
    assert len(set(speaker.requests)) == len(speaker.requests) > 2
    version_4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}")
    assert all(version_4.fullmatch(request) for request in speaker.requests)


async def test_a_gap_in_a_conversation_is_counted(tools: Toolchain, tmp_path: Path) -> None:
    row = await talked(tools, tmp_path, Speaker((1, 1, "one"), (3, 3, "three")))
    assert row["lost"] > 0 and "lost" in faulty(row)


async def test_session_calls_name_one_conversation_after_another(tools: Toolchain, tmp_path: Path) -> None:
    bodies: list[dict[str, str]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = re.search(rb"Content-Length: (\d+)", head)
                assert size is not None
                bodies.append(json.loads(await reader.readexactly(int(size[1]))))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    request = write_request(Site(tmp_path, tools, 0, 0, "", "key", 0))
    async with listening(serve) as port:
        row = await answer(
            str(tools.requests), "--port", str(port), "--request", str(request), "--warm", "0.01", "--seconds", "0.05",
            "--conversations", "3", "--conns", "2",
        )  # fmt: skip
    assert not faulty(row) and row["requests_per_s"] > 0
    assert {body["conversationId"][-12:] for body in bodies} == {f"{number:012d}" for number in range(3)}


def test_the_clients_are_built_again_when_what_they_include_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.toolchain.HERE", tmp_path)
    (tmp_path / "a.h").write_text("#define CODE 0\n")
    (tmp_path / "a.c").write_text('#include "a.h"\nint main(void) { return CODE; }\n')
    first = compiled("a.c", tmp_path / "build")
    (tmp_path / "a.h").write_text("#define CODE 1\n")
    assert compiled("a.c", tmp_path / "build") != first


def test_growth_leaves_out_the_first_sample_and_is_measured_against_what_the_connections_hold() -> None:
    samples = [
        {"at_s": 200.0, "rss_kb": 200, "cpu_ms": 9.0}, {"at_s": 400.0, "rss_kb": 205, "cpu_ms": 10.0},
        {"at_s": 600.0, "rss_kb": 210, "cpu_ms": 12.0},
    ]  # fmt: skip
    grown = growth({"memory_before_kb": 100, "samples": samples})
    assert grown == {"drift_percent": 10.0, "cpu_later_to_earlier": 2.0}
    assert growth({"memory_before_kb": 100, "samples": samples[::-1]})["drift_percent"] == 0


def result(name: str, targets: tuple[Target, ...] = (), **figures: float) -> Result:
    scenario = Scenario(name, name, (OURS,), "cpu", "µs", targets=targets)
    return Result(scenario, {OURS: [{"cpu": 1.0, "samples": [], **figures}]})


def test_a_figure_of_one_scenario_is_compared_with_that_of_another() -> None:
    target = Target("against N", "cpu", OURS, None, 3, inverse=True, base="few")
    many, few = result("many", (target,), cpu=8.0), result("few", cpu=2.0)
    assert [(row.ratio, row.verdict) for row in report.compared([many, few])] == [(4.0, "aim missed")]
    assert [row.verdict for row in report.compared([many])] == ["not measured"]


def test_a_figure_that_is_only_reported_is_held_against_its_aim_alone() -> None:
    target = Target("ms", "p99_ms", None, None, 20)
    assert (target.verdict(19.0), target.verdict(21.0), target.wanted) == ("aim reached", "aim missed", "aim ≤ 20")
    assert (
        report.compared([result("s", (Target("growth", "drift", None, 5, 1),), drift=0.0)])[0].verdict == "aim reached"
    )


def test_the_page_and_the_list_show_the_further_figures_and_every_scenario() -> None:
    shown = result("s", p99_us=1234.0)
    assert report.figure_table(shown) == (["p99 µs"], [[PEERS[OURS].title, "1,234"]])
    text = page.html([shown], "2026-01-01", {"cores": 2}, {"python": "3"})
    assert "<th>p99 µs" in text and "<td>1,234" in text
    assert {line.split()[0].rstrip("*") for line in report.scenario_list() if line[0] != " "} >= set(SCENARIOS)
    assert all(target.base in (None, *SCENARIOS) for each in SCENARIOS.values() for target in each.targets)


def test_a_worker_that_waits_for_its_core_disturbs_too() -> None:
    assert disturbed({"server_waited": 0.0, "worker_waited": 0.2}) and not disturbed({"server_waited": 0.01})
