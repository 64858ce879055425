"""`python -m bench.evaluation`: run the cases with a model and print what it got right."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from typing import Any

from bench.evaluation.cases import KINDS, load
from bench.evaluation.judge import Verdict, judged


def main() -> int:
    options = _options()
    wanted = [
        case
        for case in load(files=options.file)
        if (not options.only or case.id in options.only)
        and (not options.kind or case.kind in options.kind)
        and (options.held is None or case.held is options.held)
    ]
    verdicts = asyncio.run(judged(wanted, options.model, options.parallel))
    say(json.dumps(_as_json(verdicts, options.model), indent=1) if options.json else _table(verdicts, options.brief))
    return 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _table(verdicts: list[Verdict], brief: bool) -> str:
    lines: list[str] = []
    for verdict in verdicts:
        if verdict.faults:
            lines.append(f"FAILED {verdict.case.id}: {verdict.case.say[-1]}")
            if not brief:
                lines += [f"    {fault}" for fault in verdict.faults]
    lines.append("")
    for kind in KINDS:
        lines += _score(kind, [each for each in verdicts if each.case.kind == kind])
    lines += _score("held out", [each for each in verdicts if each.case.held])
    lines += _score("all", verdicts)
    times = sorted(each.cpu_s * 1000 for each in verdicts)
    if times:
        lines.append(f"CPU of a turn: median {statistics.median(times):.0f} ms, slowest {times[-1]:.0f} ms")
    return "\n".join(lines)


def _score(name: str, verdicts: list[Verdict]) -> list[str]:
    good = sum(not each.faults for each in verdicts)
    return [f"{name:<10}{good:>4} of {len(verdicts):>3}  {100 * good / len(verdicts):5.1f} %"] if verdicts else []


def _as_json(verdicts: list[Verdict], model: str) -> dict[str, Any]:
    good = sum(not each.faults for each in verdicts)
    return {
        "model": model,
        "score": round(100 * good / max(1, len(verdicts)), 1),
        "cases": [
            {"id": each.case.id, "kind": each.case.kind, "held": each.case.held, "faults": each.faults,
             "cpuMs": round(each.cpu_s * 1000, 1), "text": each.said}
            for each in verdicts
        ],
    }  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.evaluation", description="What a model makes of requests.")
    parser.add_argument("--model", default="offline", help="an alias or provider/model; offline by default")
    parser.add_argument("--only", nargs="+", metavar="ID")
    parser.add_argument("--kind", nargs="+", choices=KINDS)
    parser.add_argument("--file", nargs="+", metavar="NAME", help="only the cases of these files, named without .json")
    held = parser.add_mutually_exclusive_group()
    held.add_argument("--held", action="store_true", default=None, help="only the cases held out")
    held.add_argument("--open", action="store_false", dest="held", help="only the others")
    parser.add_argument("--parallel", type=int, default=1, help="conversations at once, for models that are far away")
    parser.add_argument("--brief", action="store_true", help="failed cases without the reasons")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
