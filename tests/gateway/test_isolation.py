"""Nobody reaches what is another's: two organisations of three users each, every route, every id.

What is of another organisation is answered exactly as what does not exist; a colleague's things are refused as the
surface's document says. A route that is new needs a case here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from gateway.routing import Route
from gateway.table import TABLE
from tests.gateway.conftest import Reply
from tests.gateway.population import ABSENT, Actor, Population
from tests.product import Client, Product

ROUTES = {entry.name: entry for _, entry in TABLE}
WORKFLOW = ("workflow", "number", "slug")
MESSAGE = {"body.content": "hello", "body.modelId": "gpt-4"}
POST = MESSAGE | {"body.userId": "own user"}
SAME = "as if absent"
#: Differ between any two answers.
VOLATILE_HEADERS = {"date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset"}
VOLATILE = {"requestId", "runId", "sessionToken", "sessionId", "expiresAt", "conversationId", "data.requestId"}


@dataclass(frozen=True)
class Case:
    """What one route does with the ids of others.

    slot: where the id goes (`path.x`, `query.x`, `body.x`), of each of the ``kinds``. given: what goes elsewhere;
    `own x` is the caller's id, `same x` one of whoever's id is in the slot. own, colleague: statuses; SAME: exactly as
    an absent one; None: not asked here. owner: what an owner may do to a colleague. makes: the call makes what it does
    not find. shows: the answer to the owner of the thing carries the mark.
    """

    slot: str = ""
    kinds: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)
    own: int | None = 0
    member: int | None = None
    colleague: int | str | None = 0
    owner: int | None = None
    makes: bool = False
    shows: bool = False


def case(slot: str = "", *kinds: str, **options: Any) -> Case:
    return Case(slot, kinds, **options)


def path(name: str, *kinds: str, **options: Any) -> tuple[Case, ...]:
    return (Case(f"path.{name}", kinds, **options),)


def workflow(**options: Any) -> tuple[Case, ...]:
    return path("workflow", *WORKFLOW, **options)


def chat(**options: Any) -> tuple[Case, ...]:
    return path("chatId", "chat", **options) + path("chatId", "thread", own=404, colleague=SAME, **{
        name: value for name, value in options.items() if name in ("given",)
    })  # fmt: skip


def proposal(**options: Any) -> tuple[Case, ...]:
    return (
        case("path.workflowId", "workflow", given={"body.proposalId": "own proposal"}, own=None),
        case("path.workflowId", "workflow", given={"body.proposalId": "same proposal"}, own=None),
        case("body.proposalId", "proposal", given={"path.workflowId": "own workflow"}, colleague=SAME, **options),
    )


NOBODY_S = (case(),)
STREAM = {"body.agentVersion": "v3"}
CASES: dict[str, tuple[Case, ...]] = {
    "stream": (
        case("body.conversationId", "conversation", "chat", "thread", given=STREAM, colleague=404, makes=True),
        case("body.workflowId", *WORKFLOW, given=STREAM, colleague=SAME),
        case("body.requestId", "request", given=STREAM, colleague=SAME),
        case("body.requestId", "request", given={"body.agentVersion": "v2"}, colleague=SAME, shows=True),
        case("body.requestId", "request", given={**STREAM, "body.conversationId": "own chat"}, own=409, colleague=SAME),
    ),
    "chat_follow": (case("query.requestId", "request", colleague=SAME, shows=True),),
    "chat_history": (
        case("query.conversationId", "conversation", "chat", "thread", colleague=SAME),
        case("query.conversationId", "conversation", colleague=SAME, shows=True),
        case("query.workflowId", *WORKFLOW, colleague=SAME),
        case("query.sessionId", "create_session", colleague=SAME, shows=True),
    ),
    "chat_sessions": (
        case(shows=True),
        case("query.workflowId", *WORKFLOW, colleague=SAME, shows=True),
        case("query.sessionId", "create_session", colleague=SAME, shows=True),
    ),
    "chat_snapshot": (
        case("query.conversationId", "conversation", "chat", "thread", colleague=SAME),
        case("query.workflowId", *WORKFLOW, colleague=SAME),
        case("query.sessionId", "create_session", colleague=SAME),
    ),
    # Of a conversation whose run is over there is none to cancel.
    "chat_cancel": (
        case("body.conversationId", "conversation", own=404, colleague=SAME),
        case("body.conversationId", "conversation", given={"body.runId": "own run"}, colleague=SAME),
        case("body.runId", "run", colleague=SAME),
        case("body.runId", "run", given={"body.conversationId": "own conversation"}, colleague=SAME),
        case("body.runId", "run", given={"body.conversationId": "same conversation"}, colleague=SAME),
        case("body.requestId", "request", colleague=SAME),
    ),
    "conversation_export": (
        case("query.conversationId", "conversation", "chat", "thread", colleague=SAME, shows=True),
    ),
    "session_revoke": (
        case("path.sessionId", "session", colleague=SAME),
        case("path.sessionId", "login", own=404, colleague=SAME),
    ),
    "workflow_create": (case(given={"body.name": "own mark"}, shows=True),),
    "workflow_list": (case(shows=True),),
    "workflow_validate": (case(given={"body.definition": {"nodes": {}}}),),
    "workflow_get": workflow(colleague=SAME, shows=True),
    "workflow_update": workflow(colleague=SAME, given={"body.note": "x"}, shows=True),
    "workflow_delete": workflow(colleague=SAME),
    "workflow_versions": workflow(colleague=SAME),
    "workflow_version": workflow(colleague=SAME, given={"path.version": "1"}, shows=True),
    "workflow_restore": workflow(colleague=SAME, given={"body.version": 1}, shows=True),
    "block_list": NOBODY_S,
    "block_get": (case(given={"path.type": "agent"}),),
    "template_list": NOBODY_S,
    "template_get": (case(given={"path.id": "no-such-template"}, own=404),),
    "library_search": (case(given={"query.q": "slack"}),),
    # Whoever knows the digest of the bytes has had the bytes: within the organisation it is enough.
    "blob_get": path("cid", "cid", colleague=200, shows=True),
    "key_create": (case(given={"body.name": "own mark", "body.scopes": ["read"]}, member=403),),
    "key_list": (case(member=403, shows=True),),
    "key_disable": path("key", "key", member=403, colleague=403, owner=204),
    "own_key_create": (case(given={"body.name": "own mark"}, shows=True),),
    "own_key_list": (case(shows=True),),
    "own_key_disable": path("key", "key"),
    "connector_create": (
        case(given={"body.type": "http", "body.name": "own mark", "body.config": {"bearer": "x"}}, shows=True),
    ),
    "connector_list": (case(shows=True),),
    "connector_get": path("connectorId", "connector", colleague=SAME, shows=True),
    "connector_change": path(
        "connectorId", "connector", colleague=SAME, given={"body.config": {"bearer": "x"}}, shows=True
    ),
    "connector_delete": path("connectorId", "connector", colleague=SAME),
    "connector_test": path("connectorId", "connector", colleague=SAME),
    "connector_types": NOBODY_S,
    "own_connector_types": NOBODY_S,
    "own_connector_create": (
        case(
            given={
                "body.type": "slack", "body.name": "own mark", "body.config": {"webhookUrl": "https://example.com"},
            }, shows=True,
        ),
    ),
    "own_connector_list": (case(shows=True),),
    "own_connector_get": path("connectorId", "connector", colleague=SAME, shows=True),
    "own_connector_change": path(
        "connectorId", "connector", colleague=SAME, given={"body.config": {"bearer": "x"}}, shows=True
    ),
    "own_connector_delete": path("connectorId", "connector", colleague=SAME),
    "own_connector_test": path("connectorId", "connector", colleague=SAME),
    "sign_out": NOBODY_S,
    "auth_session": (case(shows=True),),
    "login_list": (case(shows=True),),
    "login_end_others": NOBODY_S,
    # Nobody is shown the ids of another's logins, so nobody can be told that one of them is a colleague's.
    "login_end": path("session", "login", colleague=SAME),
    "password_change": (case(given={"body.current": "x", "body.password": "another good one"}, own=400),),
    "chat_create": (case(given={"body.title": "own mark"}, shows=True),),
    "chat_list": (case(shows=True),),
    "user_chats": path("userId", "user", "uuid", shows=True),
    "chat_get": chat(shows=True),
    "chat_change": chat(given={"body.title": "own mark"}, shows=True),
    "chat_delete": chat(),
    "chat_session": chat(given={}),
    "message_stream": (
        *chat(given=POST),
        case("body.userId", "user", "uuid", given={**MESSAGE, "path.chatId": "own chat"}, colleague=SAME),
        # The chat may be busy with the message before.
        case("body.workflowId", "workflow", given={**POST, "path.chatId": "own chat"}, own=None, colleague=SAME),
    ),
    "message_follow": chat(),
    "message_create": (
        *chat(given=POST),
        case("body.userId", "user", "uuid", given={**MESSAGE, "path.chatId": "own chat"}, colleague=SAME),
        case("body.workflowId", "workflow", given={**POST, "path.chatId": "own chat"}, own=None, colleague=SAME),
    ),
    "message_list": chat(shows=True),
    "message_cancel": chat(),
    "chat_export": chat(shows=True),
    "user_workflow_create": (
        case("body.userId", "user", "uuid", given={"body.name": "own mark"}, colleague=SAME, shows=True),
    ),
    "user_workflow_list": path("userId", "user", "uuid", shows=True),
    "user_workflow_get": path("workflowId", "workflow", shows=True),
    "user_workflow_change": path("workflowId", "workflow", given={"body.name": "own mark"}, shows=True),
    "user_workflow_delete": path("workflowId", "workflow"),
    "workflow_message_create": path("workflowId", "workflow", given=MESSAGE),
    "workflow_message_list": path("workflowId", "workflow", shows=True),
    "proposal_apply": proposal(shows=True),
    "proposal_undo": proposal(shows=True),
    "proposal_reject": proposal(own=400),  # applied before
    "workflow_session": path("workflowId", "workflow"),
    "chat_workflow": chat(shows=True),
    "chat_workflow_keep": chat(shows=True),
    "chat_workflow_connect": chat(own=400, given={"body.connectors": {"no step": None}}),
    "workflow_execution_start": path("workflowId", "workflow"),
    "workflow_execution_list": path("workflowId", "workflow"),
    "workflow_execution_get": path("executionId", "execution", shows=True),
    "workflow_execution_cancel": path("executionId", "execution"),
    # What is asked in a chat is no execution's question.
    "workflow_execution_answer": (
        *path("executionId", "execution", given={"body.inputId": "own input", "body.value": 1}, own=404),
        case(
            "body.inputId", "input", given={"path.executionId": "own execution", "body.value": 1}, own=404,
            colleague=SAME,
        ),
    ),
    "workflow_execution_session": path("executionId", "execution"),
    "model_list": NOBODY_S,
    "tool_list": NOBODY_S,
    "liveness": NOBODY_S,
    "member_list": (case(shows=True),),
    "member_change": path("userId", "user", "uuid", given={"body.role": "member"}, own=None, member=403, owner=200),
    "member_remove": path("userId", "user", "uuid", own=None, member=403, owner=204),
    "slug_chat_send": path("slug", "bot", given={"body.text": "hello"}, colleague=SAME),
    "slug_chat_history": path("slug", "bot", colleague=SAME, shows=True),
    "slug_chat_clear": path("slug", "bot", colleague=SAME),
    "slug_workflow_list": (case(shows=True),),
    "slug_workflow_create": (case(given={"body.name": "own mark"}, shows=True),),
    "slug_workflow_get": path("slug", "slug", "bot", colleague=SAME, shows=True),
    "slug_workflow_change": path("slug", "slug", colleague=SAME, given={"body.description": "own mark"}, shows=True),
    "slug_workflow_delete": path("slug", "slug", colleague=SAME),
    "node_type_list": NOBODY_S,
    "execution_list": (case(shows=True), case("query.workflow", "slug", "bot", colleague=SAME)),
    "execution_start": (case("body.workflow", "slug", "bot", colleague=SAME, shows=True),),
    "execution_get": path("executionId", "execution", colleague=SAME, shows=True),
    "execution_cancel": path("executionId", "execution", colleague=SAME, shows=True),
    # It is over: nothing waits.
    "execution_resume": path("executionId", "execution", colleague=SAME, own=409),
    # No handshake; what a socket may watch: test_watching.py.
    "watch": (case(own=400),),
    "health": NOBODY_S,
    "openapi": NOBODY_S,
    "asyncapi": NOBODY_S,
    "docs": (case(own=None),),
    "index": NOBODY_S,
    "static": (case(given={"path.name": "no-such-file"}, own=404),),
}
#: Who signs up or in is nobody yet, and an address signs up once, whoever asks (test_identity.py, test_members.py).
#: Whoever has a hook's address may deliver: it is the secret (test_hooks.py).
ELSEWHERE = {"sign_up", "sign_in", "member_create", "hook_deliver"}
#: Of the catalog or the workflow beside it, a place between the caller's own messages, kept without a look-up.
NO_IDS = {
    "path.type", "path.id", "path.name", "path.version", "body.modelId", "query.beforeId", "stream body.sessionId",
    "stream body.failedRunId", "body.trigger_node_id", "body.node_id", "body.triggerNodeId",
}  # fmt: skip
#: Show colleagues, too: the organisation's members to each of them, its keys to those who may administrate it.
SHARED = {"member_list", "member_change", "key_list"}
LAST = ("login_end_others", "member_remove", "sign_out")


def slots(entry: Route) -> set[str]:
    """Where a route takes an id."""
    found = {f"path.{name}" for name, _ in entry.parameters}
    for where, model in (("query", entry.query), ("body", entry.body)):
        names = model.model_fields if model else ()
        found |= {f"{where}.{name}" for name in names if name.lower().endswith("id") or name == "workflow"}
    return {each for each in found if each not in NO_IDS and f"{entry.name} {each}" not in NO_IDS}


def test_every_route_has_a_case_for_every_place_of_an_id() -> None:
    assert set(ROUTES) == set(CASES) | ELSEWHERE
    for name, cases in CASES.items():
        assert slots(ROUTES[name]) == {case.slot for case in cases if case.slot}, name


@dataclass
class World:
    """Everybody, and what one of them sees when asking for the things of another."""

    population: Population
    actors: list[Actor]
    #: What a call has made under the id of another organisation must be gone before a colleague tries the same.
    making: asyncio.Lock = field(default_factory=asyncio.Lock)

    def of(self, actor: Actor, relation: str) -> list[Actor]:
        others = [each for each in self.actors if each is not actor]
        return [each for each in others if (each.org == actor.org) == (relation == "colleague")]

    async def ask(self, actor: Actor, name: str, case: Case, slot: str, whose: dict[str, str]) -> Reply:
        """slot: the id; whose: the ids of the one it belongs to."""
        places = {place: _given(value, actor, whose) for place, value in case.given.items()}
        if case.slot:
            places[case.slot] = slot
        reply = await actor(ROUTES[name], places)
        self.seen(actor, name, reply)
        return reply

    def seen(self, actor: Actor, name: str, reply: Reply) -> None:
        text = f"{reply.body!r} {dict(reply.headers)}"
        for other in self.actors:
            shared = name in SHARED and other.org == actor.org
            assert other is actor or shared or other.mark not in text or name == "blob_get", (name, actor, text)

    async def refused(self, actor: Actor, name: str, case: Case) -> None:
        """Foreign things as absent ones, a colleague's as documented."""
        async with self.making if case.makes else nullcontext():
            await self._refused(actor, name, case)

    async def _refused(self, actor: Actor, name: str, case: Case) -> None:
        first = next(each for each in CASES[name] if each.slot == case.slot)
        for kind in case.kinds:
            absent = await self.ask(actor, name, case, ABSENT[kind], ABSENT)
            await self._undo(actor, case, ABSENT[kind])
            # Everybody's once in each place; by other names or in other company one of each side's is enough.
            count = None if case is first and kind == case.kinds[0] else 1
            for other in self.of(actor, "foreign")[:count]:
                reply = await self.ask(actor, name, case, other.ids[kind], other.ids)
                await self._undo(actor, case, other.ids[kind])
                assert told(reply, other.ids[kind]) == told(absent, ABSENT[kind]), (name, case.slot, kind)
            if case.owner and actor.owner:
                continue
            for other in self.of(actor, "colleague")[:count]:
                reply = await self.ask(actor, name, case, other.ids[kind], other.ids)
                if case.colleague == SAME:
                    assert told(reply, other.ids[kind]) == told(absent, ABSENT[kind]), (name, case.slot, kind)
                else:
                    expected = case.colleague or (403 if ROUTES[name].cookie else 404)
                    assert reply.status == expected, (name, case.slot, kind, reply)

    async def _undo(self, actor: Actor, case: Case, conversation: str) -> None:
        if case.makes:
            await self.population.forget(actor, conversation)

    async def served(self, actor: Actor, name: str, case: Case) -> None:
        """Its owner gets it: nothing that was tried before has touched it."""
        entry = ROUTES[name]
        for kind in case.kinds or ("",):
            expected, ids = case.own or entry.status, actor.ids
            if case.owner and actor.owner:
                expected, ids = case.owner, await self._colleague_s(actor, kind)
            elif case.member and not actor.owner:
                expected = case.member
            elif case.own is None:
                return
            elif case.slot and entry.method == "DELETE" and expected < 400:
                ids = actor.ids | await self.population.thing(actor, kind)
            reply = await self.ask(actor, name, case, ids.get(kind, ""), ids)
            assert reply.status in {expected, 204 if 204 in entry.answers else expected}, (name, case, reply)
            if case.shows and reply.status < 300:
                assert actor.mark in f"{reply.body!r}", (name, kind, reply)

    async def _colleague_s(self, actor: Actor, kind: str) -> dict[str, str]:
        """Of somebody who is in nobody's way afterwards."""
        return (await self.population.actor(actor.org)).ids if kind != "key" else self.of(actor, "colleague")[0].ids


def _given(value: Any, actor: Actor, whose: dict[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    who, _, kind = value.partition(" ")
    if who == "own" and kind:
        return actor.mark if kind == "mark" else actor.ids[kind]
    return whose[kind] if who == "same" and kind else value


def told(reply: Reply, named: str) -> tuple[int, Any, dict[str, str]]:
    """An answer without what differs between any two answers, and without the id it is about."""
    headers = {name.lower(): value for name, value in reply.headers.items() if name.lower() not in VOLATILE_HEADERS}
    if reply.status < 400:
        headers.pop("content-length", None)
    return reply.status, _plain(reply.body, named), headers


def _plain(value: Any, named: str) -> Any:
    if isinstance(value, dict):
        return {name: "…" if name in VOLATILE and each else _plain(each, named) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, named) for each in value]
    return re.sub(re.escape(named), "…", value) if isinstance(value, str) and named else value


@pytest.fixture
async def world(product: Product) -> AsyncIterator[World]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        population = Population(product.store, http, product.url)
        actors = [actor for _ in range(2) for actor in await population.organisation()]
        yield World(population, actors)


async def test_nobody_reaches_what_is_another_s_and_everybody_what_is_theirs(world: World) -> None:
    async def knock(actor: Actor) -> None:
        for name, cases in CASES.items():
            for case in cases:
                await world.refused(actor, name, case)

    async def enter(actor: Actor, names: list[str]) -> None:
        for name in names:
            for case in CASES[name]:
                await world.served(actor, name, case)

    await asyncio.gather(*map(knock, world.actors))
    ending = [name for name in CASES if ROUTES[name].method == "DELETE" and name not in LAST]
    living = [name for name in CASES if name not in ending and name not in LAST]
    for names in (living, ending, list(LAST)):
        await asyncio.gather(*(enter(actor, names) for actor in world.actors))


async def test_a_socket_commands_its_own_conversation_only(world: World) -> None:
    """Another conversation of the same user is as unknown to it as a stranger's."""
    me = world.actors[0]
    elsewhere = await world.population.thing(me, "conversation") | await world.population.thing(me, "workflow")
    client = await opened(me)
    stranger = await opened(world.actors[-1])
    others = [elsewhere, *(actor.ids for actor in world.actors[1:])]
    for command, member, kind, more in COMMANDS:
        absent = await client.call(command, {member: ABSENT[kind], **more})
        assert (absent["ok"], absent["code"]) == (False, "NOT_FOUND")
        for ids in others:
            assert await client.call(command, {member: ids[kind], **more}) == absent
    for token in (stranger.session["sessionToken"], (await session_of(me, elsewhere["conversation"]))["sessionToken"]):
        assert (await client.call("refresh", {"token": token}))["code"] == "FORBIDDEN"
    for command, member, kind, more in COMMANDS:
        reply = await client.call(command, {member: me.ids[kind], **more})
        assert reply["ok"], (command, reply)
    assert (await client.call("replay", {"after": 0}))["ok"]
    await client.ended()
    for socket, actor in ((client, me), (stranger, world.actors[-1])):
        told = f"{socket.events} {socket.control}"
        assert not [other.mark for other in world.actors if other is not actor and other.mark in told]
        await socket.socket.disconnect()
    assert stranger.events == []


#: command, the member that takes an id, of what, and what else it needs.
COMMANDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("cancel", "runId", "run", {}),
    ("cancel", "requestId", "request", {}),
    ("decide", "proposalId", "proposal", {"decision": "apply"}),
    ("answer", "inputId", "input", {"value": "this one"}),
)


async def session_of(actor: Actor, conversation: str) -> dict[str, Any]:
    places = {"body.agentVersion": "v3", "body.conversationId": conversation}
    session: dict[str, Any] = (await actor(ROUTES["stream"], places)).body
    return session


async def opened(actor: Actor) -> Client:
    client = Client(await session_of(actor, actor.ids["conversation"]))
    await client.connect(0)
    await client.ready()
    return client
