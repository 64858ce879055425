"""`caddie bots`: options in, exit code out.

Invariant: 0 every invariant held, 1 one was broken, 2 unusable arguments or nobody there; stdout holds the table or the
JSON object and nothing else. Caller: ``caddie.cli``.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from typing import TextIO
from uuid import uuid4

import aiohttp
import orjson

from caddie.bots.bench import Bench, Options
from caddie.bots.faults import Faults
from caddie.bots.fleet import Fleet
from caddie.bots.issuer import Issuer
from caddie.bots.progress import Progress
from caddie.bots.report import html
from caddie.bots.statistics import Statistics
from caddie.bots.summary import Summary
from caddie.bots.transcript import Transcript
from caddie.signals import on_stop_signals
from shared.errors import CaddieError

EXIT_OK, EXIT_BROKEN, EXIT_UNUSABLE = 0, 1, 2
#: Files a bot may need at once: up to three tabs, a session call, and old sockets on their way out.
FILES_PER_BOT = 5
FILES_SPARE = 256
KEEP_ALIVE_S = 10.0


async def run(options: Options, out: TextIO = sys.stdout, err: TextIO = sys.stderr) -> int:
    """The exit code. Raises CaddieError for unusable options and when the product does not answer."""
    options.check()
    _allow_files(options.sessions * FILES_PER_BOT + FILES_SPARE)
    if options.report is not None:
        _write(options.report, "")
    with Transcript(options.transcript) as transcript:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as http:
            await _probe(http, options)
            statistics = Statistics()
            issuer = Issuer(http, options.url, options.api_key, statistics)
            bench = Bench(options, http, issuer, statistics, Faults(), transcript)
            fleet = Fleet(bench, Progress(err))
            with on_stop_signals(fleet.stop, fleet.kill):
                elapsed_s = await fleet.run()
    summary = Summary(bench, elapsed_s)
    if options.report is not None:
        _write(options.report, html(summary))
        err.write(f"report: {options.report}\n")
    if options.json:
        out.write(orjson.dumps(summary.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        out.write(summary.as_text())
    if not statistics.counts["connects"]:
        raise CaddieError("UNAVAILABLE", f"{options.url}: expected connections, got none")
    return EXIT_OK if summary.ok else EXIT_BROKEN


async def _probe(http: aiohttp.ClientSession, options: Options) -> None:
    """One session before the test: is somebody there, and does the key fit? Raises CaddieError."""

    async def wait(seconds: float) -> bool:
        if seconds > options.duration_s:
            return False
        await asyncio.sleep(seconds)
        return True

    await Issuer(http, options.url, options.api_key, Statistics()).issue({"conversationId": str(uuid4())}, wait)


def _allow_files(wanted: int) -> None:
    """Raise the soft limit of open files as far as the hard one allows. Raises CaddieError when that is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise CaddieError("INVALID", f"open files: expected a hard limit of at least {wanted}, got {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _write(path: object, text: str) -> None:
    """Before the test with nothing, so that a path that cannot be written is found at once."""
    try:
        with open(str(path), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CaddieError("INVALID", f"--report: cannot write {path}: {error.strerror}") from error
