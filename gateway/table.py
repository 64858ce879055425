"""The one route table, and the document made from it.

Invariant: every route of the gateway stands here; more specific paths come before patterns that match them too.
Callers: ``gateway.app`` serves it, `python -m gateway openapi` prints it.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

from gateway.openapi import document
from gateway.routes.chat import Chat
from gateway.routes.chat_export import ChatExport
from gateway.routes.chat_messages import ChatMessages
from gateway.routes.chat_sse import ChatSse
from gateway.routes.chat_stream import ChatStream
from gateway.routes.chat_workflow import ChatWorkflows
from gateway.routes.chats import Chats
from gateway.routes.connectors import Connectors
from gateway.routes.executions import ExecutionRoutes
from gateway.routes.hooks import Hooks
from gateway.routes.identity import Identity
from gateway.routes.keys import Keys
from gateway.routes.library import Library
from gateway.routes.members import Members
from gateway.routes.models import Models
from gateway.routes.operations import Operations
from gateway.routes.own_connectors import OwnConnectors
from gateway.routes.slug_chat import SlugChat
from gateway.routes.slug_workflows import SlugWorkflows
from gateway.routes.user_workflows import UserWorkflows
from gateway.routes.watch import Watch
from gateway.routes.workflow_executions import WorkflowExecutions
from gateway.routes.workflow_messages import WorkflowMessages
from gateway.routes.workflows import WorkflowRoutes
from gateway.routing import Route, routes_of

OWNERS: tuple[type[Any], ...] = (
    ChatStream, ChatSse, Chat, WorkflowRoutes, Library, Keys, Connectors, OwnConnectors, Identity, Chats,
    ChatMessages, ChatExport, ChatWorkflows, UserWorkflows, WorkflowMessages, WorkflowExecutions, Models, Members,
    SlugChat, SlugWorkflows, ExecutionRoutes, Hooks, Watch, Operations,
)  # fmt: skip
TABLE: tuple[tuple[type[Any], Route], ...] = tuple((owner, entry) for owner in OWNERS for entry in routes_of(owner))


def version() -> str:
    """The installed version; `0` in a checkout that was never installed."""
    try:
        return installed_version("caddie")
    except PackageNotFoundError:
        return "0"


@cache
def openapi() -> dict[str, Any]:
    """The OpenAPI document of this gateway."""
    return document([entry for _, entry in TABLE], version())
