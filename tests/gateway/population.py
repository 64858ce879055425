"""Two organisations with three users each, and one of everything that has an id for each of them.

Everything a user has carries the user's mark, in names, titles, messages, definitions, addresses and bytes, so that it
is seen wherever it shows up.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp

from gateway.auth import SCOPES_OF
from gateway.images import cid as cid_of
from gateway.routing import Route
from gateway.workflow_access import thread_id
from shared.executions import chat_thread
from shared.store import Store
from shared.store.execution_records import ExecutionEnding, ExecutionStart, StepWrite
from shared.store.records import InputRecord, Kind, MessageRecord, Role, UserRecord
from tests.gateway.conftest import Reply
from tests.proposed import SEARCH, proposed, step

UUIDS = (
    "workflow", "conversation", "chat", "thread", "run", "request", "proposal", "session", "uuid", "input", "connector",
    "execution",
)  # fmt: skip
#: Ids that nobody has, in the shape of those that somebody has.
ABSENT = {
    "number": "99999999", "slug": "zq00000000-news", "bot": "zq00000000-bot", "login": "0" * 64, "key": "99999999",
    "cid": cid_of(b"nobody's"), "user": "99999999", "create_session": "create-zq00000000",
} | {name: str(uuid4()) for name in UUIDS}
FAR = timedelta(hours=1)


@dataclass
class Actor:
    """A user with an API key, a browser's login, and things; `ids` by kind."""

    http: aiohttp.ClientSession
    url: str
    user: UserRecord
    mark: str
    key: str
    cookie: str
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def org(self) -> int:
        return self.user.org_id

    @property
    def owner(self) -> bool:
        return self.user.role == "owner"

    async def __call__(self, entry: Route, places: dict[str, Any]) -> Reply:
        """places: `path.x`, `query.x`, `body.x` and what stands there."""
        given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "body": {}}
        for name, value in places.items():
            where, _, member = name.partition(".")
            given[where][member] = value
        headers = {"Cookie": f"caddie={self.cookie}"} if entry.cookie else {"Authorization": f"Bearer {self.key}"}
        body = given["body"] if entry.body is not None else None
        path = entry.template.format(**given["path"])
        async with self.http.request(
            entry.method, self.url + path, headers=headers, params=given["query"], json=body
        ) as response:
            raw = await response.read()
            said = await response.json() if response.content_type == "application/json" else raw
            return Reply(response.status, response.headers, said)


class Population:
    """Makes users and their things, through the store."""

    def __init__(self, store: Store, http: aiohttp.ClientSession, url: str) -> None:
        self._store, self._http, self._url = store, http, url

    async def organisation(self) -> list[Actor]:
        """An owner and two members."""
        org = await self._store.accounts.create_organisation("Organisation")
        roles: tuple[Role, ...] = ("owner", "member", "member")
        return [await self.actor(org.id, role) for role in roles]

    async def actor(self, org: int, role: Role = "member") -> Actor:
        mark = f"zq{secrets.token_hex(4)}"
        store = self._store
        user = await store.accounts.create_user(org, f"{mark}@example.org", f"Name {mark}", role=role)
        _, key = await store.accounts.create_api_key(org, user.id, f"key {mark}", SCOPES_OF[role])
        actor = Actor(self._http, self._url, user, mark, key, await store.logins.open(user, f"agent {mark}"))
        actor.ids |= {"user": str(user.id), "uuid": user.uuid, "email": user.email}
        for kind in ("workflow", "bot", "conversation", "chat", "session", "login", "key", "cid", "connector", "hook"):
            actor.ids |= await self.thing(actor, kind)
        return actor

    async def thing(self, actor: Actor, kind: str) -> dict[str, str]:
        """One more of what the user has: its ids by kind. A workflow comes with a proposal and its thread."""
        store, org, user, mark = self._store, actor.org, actor.user.id, actor.mark
        match kind:
            case "workflow" | "number" | "slug" | "proposal" | "thread":
                return await self._workflow(actor)
            case "bot" | "execution":
                return await self._bot(actor)
            case "conversation" | "run" | "request" | "create_session":
                return await self._said(actor, "builder", "conversation")
            case "chat":
                return {"chat": (await self._said(actor, "chat", "chat"))["chat"]}
            case "session":
                until = datetime.now(UTC) + FAR
                made = await store.sessions.create(org, user, actor.ids["conversation"], ["read"], until)
                return {"session": made.id}
            case "login":
                secret = await store.logins.open(actor.user, f"agent {mark}")
                return {"login": hashlib.sha256(secret.encode()).hexdigest()}
            case "key":
                record, _ = await store.accounts.create_api_key(org, user, f"key {mark}", ["read"])
                return {"key": str(record.id)}
            case "connector":
                name = f"{mark} {secrets.token_hex(4)}"
                return {"connector": (await store.connectors.create(org, user, "http", name, "sealed elsewhere")).id}
            case "hook":
                definition = {"nodes": {"root": {"type": "webhook", "payload": {}}}}
                made = await store.workflows.create(org, user, f"{mark} Hook", definition=definition)
                (hook,) = await store.triggers.hooks(org, made.id)
                secret = secrets.token_urlsafe(24)
                assert await store.triggers.give_address(hook, secret, "sealed elsewhere")
                return {"hook": secret}
            case "cid":
                content = f"image {mark}".encode()
                await store.blobs.put(org, cid_of(content), "image/png", content)
                return {"cid": cid_of(content)}
        raise KeyError(kind)

    async def _bot(self, actor: Actor) -> dict[str, str]:
        """A workflow with a chat trigger, and an execution of it that has answered in the user's thread."""
        store, org, user, mark = self._store, actor.org, actor.user.id, actor.mark
        definition = {"nodes": {"root": {"type": "trigger_chat", "payload": {}}}}
        made = await store.workflows.create(org, user, f"{mark} Bot", definition=definition)
        start = ExecutionStart(
            org, user, made.id, made.version, "chat", "root", {"text": mark}, thread=chat_thread(made.id, user),
            text=f"Asked {mark}",
        )  # fmt: skip
        execution, _ = await store.executions.create(start)
        claim = await store.runs.claim(execution.id, 3)
        assert claim is not None
        attempt = claim.run.attempt
        assert await store.executions.begin(execution.id, attempt)
        await store.executions.checkpoint(
            execution.id, attempt, [StepWrite("", "root", 1, "success", attempt, result={"text": mark})],
            node_runs=1, active_ms=1,
        )  # fmt: skip
        said = MessageRecord(str(uuid4()), "assistant", f"Answered {mark}", datetime.now(UTC))
        ending = ExecutionEnding("completed", {"text": mark}, thread_messages=(said,))
        assert await store.runs.finish(
            execution.id, attempt, status="finished", outcome="completed", execution=ending
        )
        return {"bot": made.slug, "execution": execution.id}

    async def forget(self, actor: Actor, conversation: str) -> None:
        """What a refused-looking call may have made under an id that is somebody else's elsewhere."""
        await self._store.erasure.conversation(actor.org, conversation)

    async def _workflow(self, actor: Actor) -> dict[str, str]:
        root = {**SEARCH["nodes"]["root"], "payload": {"note": actor.mark}}
        definition = {"nodes": {**SEARCH["nodes"], "root": root}}
        made = await self._store.workflows.create(
            actor.org, actor.user.id, f"{actor.mark} News", description=f"About {actor.mark}", definition=definition
        )
        thread = thread_id(made, actor.user.id)
        await self._store.conversations.ensure(
            actor.org, actor.user.id, thread, made.id, title=f"Thread {actor.mark}", kind="workflow"
        )
        after = step("step-2", "step-1", definition, text=actor.mark)
        proposal = await proposed(self._store, made, after, thread)
        return {
            "workflow": made.id, "number": str(made.number), "slug": made.slug, "proposal": proposal.id,
            "thread": thread,
        }  # fmt: skip

    async def _said(self, actor: Actor, kind: Kind, name: str) -> dict[str, str]:
        """A conversation with a run that is over."""
        store, mark = self._store, actor.mark
        conversation, request, session = str(uuid4()), str(uuid4()), f"create-{mark}"
        await store.conversations.ensure(
            actor.org, actor.user.id, conversation, actor.ids.get("workflow"), session, f"Title {mark}", kind
        )
        run, _ = await store.runs.submit(
            actor.org, actor.user.id, conversation, request, "turn", "-", {"text": f"Asked {mark}"}
        )
        claim = await store.runs.claim(run.id, 3)
        assert claim is not None
        moment = datetime.now(UTC)
        said = [
            MessageRecord(str(uuid4()), "user", f"Asked {mark}", moment),
            MessageRecord(str(uuid4()), "assistant", f"Answered {mark}", moment),
        ]
        asked = InputRecord(str(uuid4()), "question", {"question": f"Which {mark}?"}, moment + FAR)
        assert await store.runs.finish(
            run.id, claim.run.attempt, status="finished", outcome="completed", messages=said, inputs_new=[asked]
        )
        return {
            name: conversation, "run": run.id, "request": request, "create_session": session, "input": asked.id,
        }  # fmt: skip
