"""Log lines of every process: one JSON object a line on stderr, with `ts`, `level`, `role`, `event` and ids.

Invariant: no line leaves unredacted. Masking is part of the only path to the stream, for our own lines and for the
standard library's (other packages, tracebacks, warnings), so there is no setting that turns it off. Lines carry ids,
never message text. Each process calls `configure` once, before it opens anything.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Mapping, MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from shared.redaction import Redaction

# INFO of these prints packets, prompts or addresses, so also tokens.
QUIET_LOGGERS = (
    "aiohttp.access", "alembic", "anthropic", "docket", "engineio", "engineio.server", "httpcore2",
    "httpx", "httpx2", "openai", "redis", "socketio", "socketio.server", "sqlalchemy",
)  # fmt: skip
OWN_LOGGERS = ("caddie", "gateway", "shared")


def configure(
    role: str, level: str = "info", fmt: str = "json", *, conceal: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Routes structlog and the standard library's logging to `stream` (stderr).

    level: debug, info, warning or error, of our own lines; other packages stay at warning. fmt: `json` or `console`.
    conceal: literal secrets of this process (keys, passwords), masked wherever they turn up.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    sink = Sink(stream or sys.stderr)
    shape = _processors(role)
    last: list[Processor] = [Redaction(conceal), _in_order, _renderer(fmt)]
    structlog.configure(
        processors=[*shape, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=False,
    )
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = SinkHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shape], processors=[remove, *last]
        )
    )
    _route(handler, number)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def http_logger(role: str) -> logging.Logger:
    """For aiohttp's words about a connection, without what was no HTTP: that is answered 400, and its traceback
    quotes what the client sent.
    """

    def is_ours(record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or kind.__module__ != "aiohttp.http_exceptions"

    logger = logging.Logger(f"{role}.http")
    logger.parent = logging.getLogger(OWN_LOGGERS[0])
    logger.addFilter(is_ours)
    return logger


class Sink:
    """The stream, as structlog's logger. A reader that went away must not stop the process from draining."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def msg(self, line: str) -> None:
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                return

    debug = info = warning = warn = error = critical = fatal = exception = log = msg


class SinkHandler(logging.Handler):
    """The standard library's way to the same stream."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # an argument's own __str__ may raise anything; its text is not to be trusted
            line = f'{{"level":"error","event":"a log line could not be formatted","cause":"{type(error).__name__}"}}'
        self._sink.msg(line)


def _processors(role: str) -> list[Processor]:
    def add_role(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["role"] = role
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.add_log_level,
        add_role,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _in_order(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """People read the start of a line."""
    return {**{name: event[name] for name in ("ts", "level", "role", "event") if name in event}, **event}


def _renderer(fmt: str) -> Processor:
    if fmt == "console":
        return structlog.dev.ConsoleRenderer(timestamp_key="ts", colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()  # ASCII: U+0085 and U+2028 break lines too


def _route(handler: logging.Handler, own_level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in QUIET_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.WARNING)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(own_level)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("caddie").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def secrets_of(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Every literal secret among `settings.__dict__`, to be concealed."""
    revealed = (getattr(value, "get_secret_value", None) for value in settings.values())
    return tuple(reveal() for reveal in revealed if reveal is not None)
