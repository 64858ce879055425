"""What the load client publishes: one RESP command per event, in the form each server reads from Redis.

Invariant: every server gets the same event, so what differs is the way. `load.c` fills in the marks: the conversation,
the index (1,000,000,001 and up, so that its length is fixed) and the time stamp, which is most of a delta's text.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from shared import keys
from shared.events import MessageDelta, encode, join
from shared.log import Entry

ORGANISATION = 1
ROOM = "r@@@@@@@"
INDEX = 1_777_777_777
FIRST_INDEX = 1_000_000_000
EPOCH = "0123456789ab"
_DELTA = MessageDelta(messageId="m_5f0c2a9b71de", text="@" + "T" * 19)
RETENTION_S, RETENTION_EVENTS = 86_400, 20_000


def room(number: int) -> str:
    """The conversation `load.c` calls by this number."""
    return f"r{number:07d}"


def body() -> bytes:
    """The event as our log keeps it: everything but the index."""
    return encode(_DELTA, run_id="run_0f3a9c1e77aa", ts="2026-01-01T00:00:00.000Z")


def event() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(join(INDEX, body()))
    return value


def packet() -> bytes:
    """The event as a ready Socket.IO packet, for servers that only pass it on."""
    return b"42" + _json(["event", event()])


def templates(append_sha: str) -> dict[str, bytes]:
    """wire name → command. `append_sha` names our append script on the server the command is for."""
    conversation = keys.conversation_key(ORGANISATION, ROOM)
    payload = f"{EPOCH} {INDEX}\n".encode() + body()
    message = {
        "method": "emit", "event": "event", "data": [event()], "binary": False, "namespace": "/", "room": ROOM,
        "skip_sid": None, "callback": None, "host_id": "bench",
    }  # fmt: skip
    packet_of_adapter = {"type": 2, "data": ["event", event()], "nsp": "/"}
    options = {"rooms": [ROOM], "except": [], "flags": {}}
    streamed = _json({"opts": options, "packet": packet_of_adapter})
    return {
        "caddie": command("PUBLISH", keys.channel(conversation), payload),
        "caddie-append": _append(append_sha, conversation),
        "stock": command("PUBLISH", "socketio", json.dumps(message)),
        "node-redis": command(
            "PUBLISH", f"socket.io#/#{ROOM}#", msgpack(["bench", packet_of_adapter, options])
        ),
        "node-streams": command(
            "XADD", "socket.io", "MAXLEN", "~", "10000", "*", "uid", "bench", "nsp", "/", "type", "3", "data", streamed
        ),
        "plain": command("PUBLISH", "bench", ROOM.encode() + packet()),
    }  # fmt: skip


def append_script() -> str:
    return (files("shared") / "scripts" / "append.lua").read_text()


def _append(sha: str, conversation: str) -> bytes:
    """Our durable append, by a writer without a run: stored and published in one step."""
    names = [keys.head(conversation), keys.log(conversation), keys.inputs(conversation), keys.run(conversation, "")]
    arguments = [str(RETENTION_S), str(RETENTION_EVENTS), EPOCH, keys.channel(conversation), "", "0", "0", "1"]
    return command("EVALSHA", sha, str(len(names)), *names, *arguments, Entry.of(_DELTA).operation, body())


def command(*words: str | bytes) -> bytes:
    """A RESP array of bulk strings."""
    raw = [word if isinstance(word, bytes) else word.encode() for word in words]
    return b"*%d\r\n" % len(raw) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in raw)


def msgpack(value: Any) -> bytes:
    """MessagePack of small JSON values; integers above 127 take 32 bits, which the load client patches too."""
    match value:
        case bool() | None:
            return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
        case int() if 0 <= value < 128:
            return bytes((value,))
        case int() if 0 <= value < 2**32:
            return b"\xce" + value.to_bytes(4, "big")
        case str():
            raw = value.encode()
            return (bytes((0xA0 | len(raw),)) if len(raw) < 32 else b"\xd9" + bytes((len(raw),))) + raw
        case list() if len(value) < 16:
            return bytes((0x90 | len(value),)) + b"".join(map(msgpack, value))
        case dict() if len(value) < 16:
            return bytes((0x80 | len(value),)) + b"".join(msgpack(k) + msgpack(v) for k, v in value.items())
    raise ValueError(f"msgpack: expected a small JSON value, got {value!r}")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
