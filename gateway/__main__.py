"""`python -m gateway` serves; `python -m gateway openapi` and `… asyncapi` print the documents."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable

import orjson
import uvloop

from shared import journal
from shared.preflight import exit_on_eviction, exit_refused, read_settings, refusals
from shared.settings import Settings


async def _serve(settings: Settings) -> None:
    from gateway.app import serve

    await exit_on_eviction(settings)
    # What is loaded now stays: a full collection walks it for 150 ms while nobody is answered.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1_000)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, stop)


def main(arguments: list[str]) -> None:
    from gateway import app, asyncapi, table

    documents: dict[str, Callable[[], object]] = {
        "openapi": table.openapi,
        "asyncapi": lambda: asyncapi.document(table.version()),
    }
    if arguments:
        document = documents.get(arguments[0])
        if document is None or len(arguments) > 1:
            sys.exit(f"expected nothing or one of {', '.join(documents)}, got {' '.join(arguments)[:100]}")
        sys.stdout.write(orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    settings = read_settings()
    exit_refused([*refusals(settings), *app.missing(settings)])
    journal.configure("gateway", settings.log_level, settings.log_format, conceal=journal.secrets_of(vars(settings)))
    uvloop.run(_serve(settings))


if __name__ == "__main__":
    main(sys.argv[1:])
