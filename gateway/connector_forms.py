"""What each kind of connector is made of, in words for whoever fills it in: the forms a client can show.

Invariant: a form's values make a configuration that ``shared.connectors`` takes, and it marks as secret whatever is one
there. Callers: the connector routes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.connectors import ConnectorType

Kind = Literal["text", "url", "email", "number", "choice", "list"]


class Choice(BaseModel):
    value: str
    title: str


class FormField(BaseModel):
    """A member of the config. list: texts, which may be typed with commas between them."""

    model_config = ConfigDict(frozen=True)
    name: str
    title: str
    kind: Kind = "text"
    secret: bool = Field(False, description="To be typed unseen; no answer shows it again.")
    required: bool = True
    help: str = ""
    example: str = ""
    default: str | int | None = None
    choices: tuple[Choice, ...] = ()


class FormWay(BaseModel):
    """One of the ways to say who asks. config: what goes along, where no field says something else."""

    model_config = ConfigDict(frozen=True)
    name: str
    title: str
    config: dict[str, str] = {}
    fields: tuple[FormField, ...]


class ConnectorForm(BaseModel):
    """A kind of connector. test: what a test of it does; null: there is nothing to test."""

    model_config = ConfigDict(frozen=True)
    type: ConnectorType
    title: str
    help: str
    test: str | None
    ways: tuple[FormWay, ...]


class ConnectorForms(BaseModel):
    types: list[ConnectorForm]


def _webhook(example: str) -> tuple[FormWay, ...]:
    field = FormField(
        name="webhookUrl", title="Webhook address", kind="url", secret=True, example=example,
        help="Whoever has this address can post with it, so it is kept like a password.",
    )  # fmt: skip
    return (FormWay(name="webhook", title="Webhook", fields=(field,)),)


_MAIL = (
    FormField(name="host", title="Mail server", example="mail.example.com"),
    FormField(name="port", title="Port", kind="number", required=False, default=587),
    FormField(
        name="security", title="Encryption", kind="choice", required=False, default="starttls",
        help="Without encryption mail, and a password, travel in the clear.",
        choices=(
            Choice(value="starttls", title="STARTTLS (usually port 587)"),
            Choice(value="tls", title="TLS (usually port 465)"), Choice(value="none", title="None"),
        ),
    ),
    FormField(name="username", title="User name", required=False, help="With the password, or neither."),
    FormField(name="password", title="Password", secret=True, required=False),
    FormField(
        name="from", title="Sender", kind="email", example="robot@example.com", help="The address mail comes from."
    ),
)  # fmt: skip
_HOSTS = FormField(
    name="hosts", title="Only for these hosts", kind="list", required=False, example="api.example.com, *.example.org",
    help="Where it may be sent. Without any, to every address a workflow asks.",
)  # fmt: skip


def _search(provider: str, title: str, *fields: FormField) -> FormWay:
    return FormWay(name=provider, title=title, config={"provider": provider}, fields=fields)


def _key(site: str) -> FormField:
    return FormField(name="apiKey", title="API key", secret=True, help=f"From your account at {site}.")


FORMS: tuple[ConnectorForm, ...] = (
    ConnectorForm(
        type="slack", title="Slack", test="posts a test line to the channel",
        help="An incoming webhook of a Slack app posts to the channel it was made for. In Slack: your app, "
        "“Incoming Webhooks”, “Add New Webhook to Workspace”.",
        ways=_webhook("https://hooks.slack.com/services/…"),
    ),
    ConnectorForm(
        type="discord", title="Discord", test="posts a test line to the channel",
        help="A channel's webhook. In Discord: the channel's settings, “Integrations”, “Webhooks”.",
        ways=_webhook("https://discord.com/api/webhooks/…"),
    ),
    ConnectorForm(
        type="smtp", title="Mail server", test="logs in, and sends nothing",
        help="The server that takes your outgoing mail (SMTP).",
        ways=(FormWay(name="smtp", title="SMTP", fields=_MAIL),),
    ),
    ConnectorForm(
        type="web-search", title="Web search", test="searches once", help="Who answers the searches of your workflows.",
        ways=(
            _search("brave", "Brave Search", _key("brave.com/search/api")),
            _search("tavily", "Tavily", _key("tavily.com")),
            _search("searxng", "SearXNG", FormField(
                name="url", title="Address", kind="url", example="https://search.example.com/search",
                help="Of its search; it has to allow answers as JSON.",
            )),
        ),
    ),
    ConnectorForm(
        type="http", title="HTTP login", test=None, help="What an HTTP request shows to say who asks.",
        ways=(
            FormWay(name="bearer", title="Bearer token", fields=(
                FormField(name="bearer", title="Token", secret=True), _HOSTS,
            )),
            FormWay(name="header", title="A header of its own", fields=(
                FormField(name="header", title="Header", example="X-API-Key"),
                FormField(name="value", title="Value", secret=True), _HOSTS,
            )),
            FormWay(name="basic", title="User name and password", config={"password": ""}, fields=(
                FormField(name="username", title="User name"),
                FormField(name="password", title="Password", secret=True, required=False), _HOSTS,
            )),
        ),
    ),
)  # fmt: skip
