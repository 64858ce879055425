"""The benchmark measures what it says: the load client counts every fault, and the figures are put together right."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import hiredis
import pytest

from bench import machine, page, report, wire
from bench.rounds import SHORT, Pace, Result, Runner, faulty
from bench.scenarios import SCENARIOS, Scenario, Target
from bench.servers import PEERS, Site, create_account, fresh_key
from bench.toolchain import HERE, Missing, compiled, prepare
from bench.valkey import Valkey
from shared import keys
from shared.events import parse
from tests.bench.frames import HANDSHAKE, frame

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
INDEX = re.compile(rb'"index":(\d+)')
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
Frames = list[bytes]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build")


class Fake:
    """A Socket.IO server and the Redis in front of it in one; `spoil` sees each event's index and frames."""

    def __init__(self, spoil: Callable[[int, bytes], Frames]) -> None:
        self._spoil = spoil
        self._writers: list[asyncio.StreamWriter] = []

    async def socket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", request)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + GUID.encode()).digest())
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        writer.write(frame(HANDSHAKE))
        first = await reader.readexactly(2)
        size = first[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        packet = (await reader.readexactly(4 + size))[4:]
        assert packet.startswith(b'40{"token":')
        self._writers.append(writer)
        writer.write(frame(b'40{"sid":"x"}') + frame(b'42["ready",{"index":7}]'))
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async def redis(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(65_536):
            commands.feed(data)
            while (command := commands.gets()) is not False:
                payload = command[2]
                index = INDEX.search(payload)
                assert command[:2] == [b"PUBLISH", b"bench"] and index is not None
                for packet in self._spoil(int(index[1]) - wire.FIRST_INDEX, payload[8:]):
                    self._writers[int(payload[1:8])].write(frame(packet))
        writer.close()


@asynccontextmanager
async def served(fake: Fake) -> AsyncIterator[tuple[int, int]]:
    """Ports of the sockets and of Redis."""
    async with await asyncio.start_server(fake.socket, "127.0.0.1", 0) as sockets:
        async with await asyncio.start_server(fake.redis, "127.0.0.1", 0) as redis:
            yield sockets.sockets[0].getsockname()[1], redis.sockets[0].getsockname()[1]


async def measured(build: Path, folder: Path, spoil: Callable[[int, bytes], Frames]) -> dict[str, Any]:
    """What the load client says about one spoilt server."""
    (folder / "tokens").write_text("a.b.c\n" * 3)
    (folder / "template").write_bytes(wire.templates("0" * 40)["plain"])
    async with served(Fake(spoil)) as (port, redis_port):
        process = await asyncio.create_subprocess_exec(
            str(compiled("load.c", build)), "--port", str(port), "--redis-port", str(redis_port), "--conns", "3",
            "--tokens", str(folder / "tokens"), "--template", str(folder / "template"), "--window", "30",
            "--warm", "0.05", "--seconds", "0.1",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            out, _ = await process.communicate()
    assert process.returncode == 0
    row: dict[str, Any] = json.loads(out)
    return row


@needs_compiler
async def test_a_faultless_server_is_found_faultless(build: Path, tmp_path: Path) -> None:
    row = await measured(build, tmp_path, lambda _, packet: [packet])
    assert row["deliveries_per_s"] > 0 and row["server_waited"] == 0
    assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]
    assert not faulty(row)


@needs_compiler
async def test_a_missing_event_is_counted_as_lost(build: Path, tmp_path: Path) -> None:
    row = await measured(build, tmp_path, lambda index, packet: [] if index == 5 else [packet])
    assert (row["lost"], row["duplicates"], row["reordered"]) == (3, 0, 0)


@needs_compiler
async def test_a_doubled_event_is_counted(build: Path, tmp_path: Path) -> None:
    row = await measured(build, tmp_path, lambda index, packet: [packet] * (2 if index == 5 else 1))
    assert (row["lost"], row["duplicates"], row["reordered"]) == (0, 3, 0)


@needs_compiler
async def test_a_late_event_is_neither_lost_nor_doubled_but_out_of_order(build: Path, tmp_path: Path) -> None:
    held: list[bytes] = []

    def spoil(index: int, packet: bytes) -> Frames:
        if index == 5:
            held.append(packet)
            return []
        return [packet, held.pop(0)] if index == 6 else [packet]

    row = await measured(build, tmp_path, spoil)
    assert (row["lost"], row["duplicates"], row["reordered"]) == (0, 0, 3)


@needs_compiler
def test_our_server_and_the_floor_deliver_what_is_published(build: Path, tmp_path: Path) -> None:
    """The real processes, so that a change of the wire or of the log does not leave the benchmark behind."""
    core, load_core = machine.cores()
    said: list[str] = []
    with Valkey(tmp_path, load_core) as valkey:
        tools = prepare(build, node=False)
        site = Site(tmp_path, tools, valkey.port, valkey.pid, fresh_key(), create_account(tmp_path), core)
        runner = Runner(site, valkey, load_core, Pace(rounds=1, warm_s=0.1, seconds=0.2), said.append)
        scenario = Scenario("s", "S", ("caddie", "floor"), "cpu_us_per_event", "µs", conns=4)
        delivered = runner.run(scenario, scenario.peers)
        stored = runner.run(replace(scenario, durable=True), ["caddie"])
    assert not delivered.faults and not stored.faults and len(said) == 3
    found = [delivered.median("caddie", "deliveries_per_s"), stored.median("caddie", "deliveries_per_s")]
    assert all(value and value > 0 for value in found)


@needs_compiler
@pytest.mark.parametrize("source", ["floor.c", "requests.c"])
def test_the_other_programs_compile_and_are_not_compiled_again(build: Path, source: str) -> None:
    assert compiled(source, build) == compiled(source, build)


def test_a_machine_without_a_compiler_is_told_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(Missing, match="expected a C compiler"):
        compiled("load.c", tmp_path)


def words(raw: bytes) -> list[bytes]:
    reader = hiredis.Reader()
    reader.feed(raw)
    found: list[bytes] = reader.gets()
    return found


def test_our_events_are_published_as_the_append_script_publishes_them() -> None:
    name, channel, payload = words(wire.templates("0" * 40)["caddie"])
    header, body = payload.split(b"\n")
    assert (name, channel.decode()) == (b"PUBLISH", keys.channel(f"{wire.ORGANISATION}:{wire.ROOM}"))
    assert header == f"{wire.EPOCH} {wire.INDEX}".encode()
    assert parse(b'{"index":%d,%b' % (wire.INDEX, body)).type == "message.delta"


def test_every_server_gets_the_same_event() -> None:
    templates = wire.templates("0" * 40)
    assert json.loads(words(templates["plain"])[2][10:]) == ["event", wire.event()]
    assert json.loads(words(templates["stock"])[2])["data"] == [wire.event()]
    assert json.loads(words(templates["node-streams"])[-1])["packet"]["data"] == ["event", wire.event()]
    assert wire.INDEX.to_bytes(4, "big") in words(templates["node-redis"])[2]
    assert b"T" * 19 in words(templates["node-redis"])[2]


def test_msgpack_writes_what_the_specification_says() -> None:
    raw = wire.msgpack(["a", None, True, 7, 300, {"k": []}])
    assert raw == b"\x96\xa1a\xc0\xc3\x07\xce\x00\x00\x01\x2c\x81\xa1k\x90"
    with pytest.raises(ValueError, match="msgpack: expected"):
        wire.msgpack(1.5)


def test_scenarios_name_known_servers_and_compare_with_those_that_take_part() -> None:
    for scenario in SCENARIOS.values():
        assert set(scenario.peers) <= PEERS.keys()
        assert {target.against for target in scenario.targets} <= {*scenario.peers, None}


def result(**rounds: list[float]) -> Result:
    scenario = Scenario(
        "s", "S", ("caddie", "stock", "floor"), "cpu", "µs",
        targets=(Target("peer", "cpu", "stock", 4, 6), Target("floor", "cpu", "floor", 1.6, 1.1, inverse=True)),
    )  # fmt: skip
    return Result(scenario, {peer: [{"cpu": value} for value in values] for peer, values in rounds.items()})


def test_ratios_are_made_of_medians_and_judged_by_direction() -> None:
    rows = report.compared([result(caddie=[2.0, 9.0, 1.0], stock=[10.0], floor=[1.0])])
    assert [(row.ratio, row.verdict) for row in rows] == [(5.0, "reached"), (2.0, "missed")]


def test_a_faulty_measurement_counts_in_no_median() -> None:
    faults = result(caddie=[2.0, 4.0], stock=[])
    faults.rounds["caddie"][0]["lost"] = 1
    faults.rounds["stock"].append({"error": "it ended"})
    assert faults.median("caddie", "cpu") == 4.0
    assert faults.faults == ["caddie: 1 lost", "stock: it ended"]
    assert [row.verdict for row in report.compared([faults])] == ["not measured", "not measured"]


def test_a_measurement_beside_other_work_is_called_disturbed() -> None:
    calm = result(caddie=[2.0, 2.1])
    assert not report.disturbances([calm])
    calm.rounds["caddie"][1]["server_waited"] = 0.2
    assert report.disturbances([calm])[0].startswith("1 of 2 measurements were disturbed")


def test_results_become_json_text_and_a_page_without_addresses() -> None:
    results = [result(caddie=[2.0], stock=[10.0], floor=[])]
    value = report.as_json(results, SHORT, "2026-01-01", {"cores": 2}, {"python": "3"})
    assert json.loads(json.dumps(value))["scenarios"]["s"]["medians"]["caddie"] == {"cpu": 2.0}
    assert len(report.median_table(results[0])) == 3 and len(report.target_table(results)) == 2
    text = page.html(results, "2026-01-01", {"cores": 2}, {"python": "3"})
    assert text.count("<rect") == 2 and "not measured" in text
    assert not re.search(r"(?:https?:)?//|<script|<link|@import", text)


def test_the_lock_of_the_node_peers_fits_its_pins_and_holds_no_address() -> None:
    pins = json.loads((HERE / "peers" / "package.json").read_text())["dependencies"]
    text = (HERE / "peers" / "package-lock.json").read_text()
    lock = json.loads(text)["packages"]
    assert {name: lock[f"node_modules/{name}"]["version"] for name in pins} == pins
    assert all("integrity" in package for name, package in lock.items() if name)
    assert "://" not in text and '"resolved"' not in text
