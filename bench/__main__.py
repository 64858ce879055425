"""`python -m bench`: build, measure, print, and write `bench/build/results.json` and `results.html`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, page, report
from bench.rounds import LONG, SHORT, Pace, Result, Runner
from bench.scenarios import SCENARIOS, Scenario
from bench.servers import NODE_PEERS, Site, create_account, fresh_key
from bench.toolchain import BUILD, Missing, Toolchain, prepare
from bench.valkey import Valkey


def main() -> int:
    options = _options()
    if options.list:
        say(*report.scenario_list())
        return 0
    pace = LONG if options.long else SHORT
    pace = replace(pace, rounds=options.rounds or pace.rounds, idle_s=options.idle or pace.idle_s)
    names = options.only or [name for name, scenario in SCENARIOS.items() if options.long or not scenario.long_only]
    try:
        tools = prepare(node=not options.without_node)
    except Missing as missing:
        sys.stderr.write(f"bench: {missing}\n")
        return 1
    if tools.node is None:
        say(f"without the Node peers: {tools.node_reason or 'as asked'}")
    described, versions = machine.description(), machine.versions(tools.node, tools.node_modules)
    say(", ".join(f"{name} {value}" for name, value in {**described, **versions}.items()))
    results = _measure([SCENARIOS[name] for name in names], tools, pace, options.peers)
    _write(results, pace, described, versions, options.out)
    for result in results:
        say(f"\n{result.scenario.title}: {result.scenario.unit}, median (rounds)", *report.median_table(result))
    say("\nTargets", *report.target_table(results), "", *report.disturbances(results))
    faults = [f"{result.scenario.name}: {fault}" for result in results for fault in result.faults]
    say(*(f"FAULTY {fault}" for fault in faults))
    return 1 if faults else 0


def say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def _measure(scenarios: list[Scenario], tools: Toolchain, pace: Pace, wanted: list[str] | None) -> list[Result]:
    server_core, load_core = machine.cores()
    results = []
    with tempfile.TemporaryDirectory(prefix="caddie-bench-") as name:
        folder = Path(name)
        with Valkey(folder, load_core) as valkey:
            site = Site(folder, tools, valkey.port, valkey.pid, fresh_key(), create_account(folder), server_core)
            runner = Runner(site, valkey, load_core, pace, say)
            for scenario in scenarios:
                peers = [peer for peer in scenario.peers if tools.node or peer not in NODE_PEERS]
                peers = [peer for peer in peers if not wanted or peer in wanted]
                if peers:
                    say(f"\n{scenario.name}: {scenario.title}")
                    results.append(runner.run(scenario, peers))
    return results


def _write(
    results: list[Result], pace: Pace, described: dict[str, object], versions: dict[str, str], folder: Path
) -> None:
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    folder.mkdir(parents=True, exist_ok=True)
    value = report.as_json(results, pace, date, described, versions)
    (folder / "results.json").write_text(json.dumps(value, indent=1) + "\n")
    (folder / "results.html").write_text(page.html(results, date, described, versions))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Delivery, measured against its peers.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="under three minutes, less steady (the default)")
    length.add_argument("--long", action="store_true", help="every scenario, five rounds of 4 s warm-up and 5 s")
    parser.add_argument("--only", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--list", action="store_true", help="the scenarios, their servers and targets; no measurement")
    parser.add_argument("--idle", type=float, metavar="S", help="length of idle-5000 in seconds (short 30, long 600)")
    parser.add_argument("--peers", nargs="+", metavar="PEER", help="only these servers")
    parser.add_argument("--rounds", type=int, help="measurements of each server")
    parser.add_argument("--without-node", action="store_true", help="leave the Node peers out")
    parser.add_argument("--out", type=Path, default=BUILD, help="folder of results.json and results.html")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
