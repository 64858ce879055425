"""No log line of any path holds a secret; lines are JSON with their fixed members."""

from __future__ import annotations

import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from shared import journal
from shared.redaction import MASK, is_secret_name, mask

URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
canaries = st.text(URL_SAFE, min_size=24, max_size=64).map(lambda text: f"Zq9{text}")
around = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
disguises = st.sampled_from(
    [
        "Authorization: Bearer {}",
        "authorization={}",
        "{{'Cookie': 'a=b; session={}'}}",
        "Set-Cookie: caddie={}; HttpOnly",
        "GET /socket.io/?EIO=4&token={}",
        "http://host/path?x={}#frag",
        "redis://user:{}@host:6379/0",
        "caddie_{}",
        "sk-ant-{}",
        "eyJhbGciOiJI.{}.{}",
        'password="{}"',
        "{{'api_key': '{}'}}",
        '{{"sessionToken": "{}"}}',
        '{{\\"apiKeyOverride\\": \\"{}\\"}}',
        "client_secret : {}",
        '40{{"token":"{}"}}',
    ]
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, journal.threading.excepthook)
    stream = io.StringIO()
    journal.configure("test", "debug", conceal=["a literal of this process"], stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, journal.threading.excepthook = hooks
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_level_role_and_ids(stream: io.StringIO) -> None:
    structlog.get_logger().info("run.started", run_id="r1", attempt=2)
    (line,) = lines(stream)
    assert line.pop("ts")
    assert line == {"level": "info", "role": "test", "event": "run.started", "run_id": "r1", "attempt": 2}


def test_a_line_break_in_a_value_does_not_forge_a_line(stream: io.StringIO) -> None:
    structlog.get_logger().info("x", name='a\n{"level":"info"}')
    assert len(lines(stream)) == 1


def test_level_is_respected_and_libraries_stay_at_warning(stream: io.StringIO) -> None:
    journal.configure("test", "warning", stream=stream)
    structlog.get_logger().info("not shown")
    for name in journal.QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    journal.configure("test", "debug", stream=stream)
    for name in (*journal.QUIET_LOGGERS, "engineio.client", "some.package"):
        logging.getLogger(name).info("packet with a token")
    assert lines(stream) == []
    logging.getLogger("shared.log").debug("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(canary=canaries, disguise=disguises, before=around, after=around)
def test_a_disguised_secret_leaves_on_no_path(
    stream: io.StringIO, canary: str, disguise: str, before: str, after: str
) -> None:
    stream.truncate(0)
    stream.seek(0)
    text = f"{before} {disguise.format(canary, canary)} {after}"
    structlog.get_logger().warning(text, note=text, deep=[{"a": (text, text.encode())}])
    logging.getLogger("aiohttp.server").error("failed on %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("somebody").exception("failed", stack_info=True)
    assert canary not in stream.getvalue()
    assert lines(stream)


@pytest.mark.parametrize(
    "name",
    [
        "token", "sessionToken", "session_token", "key", "apiKey", "API_KEY", "apiKeyOverride", "sealedKey", "password",
        "bootstrap_password", "secret", "clientSecret", "authorization", "Authorization", "cookie", "Set-Cookie",
        "credentials", "jwt",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["Zq9", b"Zq9", ["Zq9"], {"x": "Zq9"}, ("Zq9",), SecretStr("Zq9")])
def test_a_member_named_like_a_secret_is_masked_whatever_it_holds(
    stream: io.StringIO, name: str, value: object
) -> None:
    structlog.get_logger().info("x", **{name: value}, nested={"deep": [{name: value}]})
    assert "Zq9" not in stream.getvalue()


@pytest.mark.parametrize("name", ["token_id", "keyId", "monkey", "keyboard", "tokenizer", "conversation", "run_id"])
def test_ids_and_ordinary_names_stay_readable(name: str) -> None:
    assert not is_secret_name(name)


def test_a_number_of_tokens_is_no_secret(stream: io.StringIO) -> None:
    structlog.get_logger().info("model.answered", output_tokens=17)
    assert lines(stream)[0]["output_tokens"] == 17


def test_literal_secrets_are_concealed_inside_words(stream: io.StringIO) -> None:
    structlog.get_logger().info("xa literal of this processx")
    assert lines(stream)[0]["event"] == f"x{MASK}x"


def test_warnings_and_uncaught_exceptions_take_the_same_path(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        journal.configure("test", stream=stream)
        warnings.warn("password=Zq9Zq9Zq9", stacklevel=1)
    try:
        raise RuntimeError("Bearer Zq9Zq9Zq9")
    except RuntimeError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    found = lines(stream)
    assert "Zq9" not in stream.getvalue()
    assert found[-1]["level"] == "critical"
    assert "RuntimeError" in str(found[-1]["exception"])


def test_an_argument_that_cannot_be_written_costs_its_line_only(stream: io.StringIO) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("token=Zq9Zq9Zq9")

        __repr__ = __str__

    structlog.get_logger().info("x", thing=Broken())
    handler = next(handler for handler in logging.getLogger().handlers if isinstance(handler, journal.SinkHandler))
    handler.handle(logging.LogRecord("somebody", logging.ERROR, __file__, 1, "x %s", (Broken(),), None))
    assert len(lines(stream)) == 2
    assert "Zq9" not in stream.getvalue()


def test_a_reader_that_went_away_stops_nobody() -> None:
    closed = io.StringIO()
    sink = journal.Sink(closed)
    closed.close()
    sink.msg("nobody reads this")


def test_masking_is_bounded_on_hostile_text() -> None:
    for hostile in ("token" * 20_000, "a" * 200_000, "?" * 100_000, "ey" * 100_000, "://" * 60_000, 'key="' * 40_000):
        assert len(mask(hostile)) <= 33_000


def test_secrets_of_lists_what_settings_hold() -> None:
    assert journal.secrets_of({"a": SecretStr("x"), "b": "y", "c": None}) == ("x",)
