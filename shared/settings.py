"""Every setting of every role, read once by a composition root and handed down.

Source: environment with the prefix ``CADDIE_``, then a ``.env`` file. `docs/operations.md` is generated from
this class, so a field's description is its documentation. Nothing here is read at import.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of one process. Units stand in the names: `_s` seconds, `_bytes` bytes."""

    model_config = SettingsConfigDict(env_prefix="CADDIE_", env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    env: Literal["development", "production"] = Field("development", description="`production` refuses to start on weak secrets, a wildcard origin, plain-http public URLs or an unprotected Redis off loopback.")
    state_dir: Path = Field(Path("~/.local/state/caddie"), description="SQLite file, Valkey data and socket, generated secrets (0600), blobs.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Level of our own log lines; libraries stay at warning.")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or coloured text.")

    gateway_host: str = Field("127.0.0.1", description="Address the HTTP gateway binds.")
    gateway_port: int = Field(8080, ge=0, le=65535, description="Port of the HTTP gateway; 0 lets the kernel choose.")
    public_url: str = Field("", description="Public URL of the gateway, for the addresses of webhooks. Empty: the URL under which their owner reaches it.")
    server_host: str = Field("127.0.0.1", description="Address the Socket.IO server binds.")
    server_port: int = Field(8081, ge=0, le=65535, description="Port of the Socket.IO server; 0 lets the kernel choose.")
    socket_url: str = Field("", description="Fixed public URL of the Socket.IO servers (behind a load balancer). Empty: the gateway picks the least loaded live server.")
    server_public_url: str = Field("", description="URL under which this Socket.IO server registers itself. Empty: http://host:port.")
    socket_path: str = Field("/socket.io/", description="Path of the Engine.IO endpoint.")
    admin_host: str = Field("127.0.0.1", description="Address of the admin port.")
    admin_port: int = Field(0, ge=0, le=65535, description="`/metrics`, `/healthz`, `/readyz` of this process; 0 is off.")

    redis_url: SecretStr | None = Field(None, description="`redis://`, `rediss://`, `unix://`, `redis+sentinel://`, `redis+cluster://`. Unset under `caddie up`: the embedded Valkey.")
    database_url: SecretStr | None = Field(None, description="`sqlite://` or `postgresql+psycopg://`. Unset under `caddie up`: the SQLite file of the state folder.")

    token_keys: SecretStr | None = Field(None, description="Session-token keys, JSON: `{kid: key}` or `{kid: {key, alg}}`; the first signs. Unset: generated in the state folder.")
    token_issuer: str = Field("caddie", description="`iss` of session tokens.")
    token_audience: str = Field("caddie-socket", description="`aud` of session tokens.")
    token_ttl_s: int = Field(900, ge=30, le=3600, description="Life of a session token.")
    seal_key: SecretStr | None = Field(None, description="Base64 of 32 bytes that seal secrets at rest. Unset: generated in the state folder.")

    model: str = Field("", description="Default model: an alias of `CADDIE_MODELS`, `offline`, or a provider's own name. Empty: Claude when `ANTHROPIC_API_KEY` is set, else `offline`.")
    models: str = Field("", description="Alias table, JSON: `{alias: \"provider/model\"}` with provider `anthropic`, `openai` or `offline`.")
    anthropic_api_key: SecretStr | None = Field(None, validation_alias=AliasChoices("ANTHROPIC_API_KEY", "CADDIE_ANTHROPIC_API_KEY"), description="`ANTHROPIC_API_KEY`: key of the Anthropic API. Unset: nothing leaves the machine.")
    anthropic_base_url: str = Field("", validation_alias=AliasChoices("CADDIE_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"), description="Another address for the Anthropic API.")
    openai_api_key: SecretStr | None = Field(None, description="Key of an OpenAI-compatible host.")
    openai_base_url: str = Field("", description="Address of an OpenAI-compatible host, also a local one.")
    offline_words_per_s: float = Field(60.0, ge=0, le=100_000, description="Rate at which the offline model streams its text; 0 is as fast as it can.")

    web_search_url: str = Field("", description="Search for `web_search`: an endpoint that answers `?q=…&format=json` with `{results: [{title, url, content}]}`, such as SearXNG's `/search`. Empty: the tool says that it is not configured.")
    outbound_networks: Annotated[tuple[str, ...], NoDecode] = Field((), description="Networks (CIDR) that outbound HTTP of users may reach besides the public internet, comma separated.")

    bootstrap_api_key: SecretStr | None = Field(None, description="Fixed first API key, 32–128 characters of `[A-Za-z0-9_-]`. Unset: generated and printed once.")
    bootstrap_email: str = Field("owner@caddie.local", description="Login of the first user.")
    bootstrap_password: SecretStr | None = Field(None, description="Password of the first user. Unset: generated and printed once.")

    sign_up: bool = Field(True, description="Whether visitors may sign up, each with an organisation of their own. Off: owners add the members.")
    default_agent_version: Literal["", "v1", "v2", "v3", "both"] = Field("", description="What an absent `agentVersion` means. Empty: v1 when `Accept` names text/event-stream, else v3.")
    origins: Annotated[tuple[str, ...], NoDecode] = Field((), description="Browser origins allowed besides the gateway's own, comma separated; `*` for any (refused in production).")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field((), description="Networks (CIDR) whose `X-Forwarded-For` is believed, comma separated.")

    log_retention_s: int = Field(86_400, ge=60, description="How long an event log outlives its last event.")
    log_retention_events: int = Field(20_000, ge=100, description="How many of the newest events a log keeps.")
    ring_events: int = Field(2_048, ge=16, description="Events a process keeps in memory per watched conversation.")
    ring_bytes: int = Field(1_048_576, ge=65_536, description="Bytes a process keeps in memory per watched conversation.")

    http_body_bytes: int = Field(48 * 1024 * 1024, description="Largest HTTP body.")
    http_body_timeout_s: float = Field(10.0, description="Time a client has to send its body.")
    rate_per_minute: int = Field(600, ge=1, description="HTTP requests a minute per API key.")
    rate_runs_per_minute: int = Field(120, ge=1, description="New runs a minute per user.")
    rate_per_address: int = Field(1_200, ge=1, description="HTTP requests a minute per client address.")

    connect_timeout_s: float = Field(10.0, description="Time a socket has to present a token.")
    connect_attempts: int = Field(3, ge=1, description="CONNECT attempts per transport.")
    commands_per_s: float = Field(20.0, description="Commands a second per socket.")
    commands_burst: int = Field(40, ge=1, description="Commands a socket may send at once.")
    frame_bytes: int = Field(65_536, description="Largest frame a client may send.")
    handshakes_per_s: float = Field(50.0, description="New transports a second per address.")
    handshakes_burst: int = Field(500, ge=1, description="New transports an address may open at once.")
    sockets_per_address: int = Field(2_000, ge=1, description="Open transports per address.")
    sockets_per_user: int = Field(200, ge=1, description="Authenticated sockets per user and server.")
    sockets_per_organisation: int = Field(20_000, ge=1, description="Authenticated sockets per organisation and server.")
    sockets_per_server: int = Field(50_000, ge=1, description="Open transports per server.")
    ping_interval_s: float = Field(25.0, description="Heartbeat interval.")
    ping_timeout_s: float = Field(20.0, description="Heartbeat timeout.")
    stall_timeout_s: float = Field(30.0, description="A reader that takes nothing for this long is cut.")
    drain_timeout_s: float = Field(25.0, description="Time a process has to finish its work after SIGTERM.")

    worker_concurrency: int = Field(500, ge=1, description="Runs one worker carries at once.")
    run_lease_s: float = Field(8.0, ge=1, description="A run whose worker is silent for this long is taken over.")
    run_attempts: int = Field(3, ge=1, le=10, description="Attempts before a run is failed.")
    run_timeout_s: float = Field(600.0, description="Longest run.")
    run_steps: int = Field(25, ge=1, description="Model calls one run may make.")
    run_tokens: int = Field(200_000, ge=1, description="Output tokens one run may use.")
    run_history_tokens: int = Field(24_000, ge=500, description="Tokens of earlier messages in a prompt; older ones are summarised.")
    input_ttl_s: int = Field(86_400, ge=60, description="How long a question to the user stays open.")
    proposal_ttl_s: int = Field(604_800, ge=60, description="How long a proposal can be decided.")

    @field_validator("origins", "trusted_proxies", "outbound_networks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("state_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()

    @property
    def redis_address(self) -> str:
        """Raises ValueError when unset."""
        return _needed(self.redis_url, "CADDIE_REDIS_URL")

    @property
    def database_address(self) -> str:
        """Raises ValueError when unset."""
        return _needed(self.database_url, "CADDIE_DATABASE_URL")

    @property
    def token_key_table(self) -> str:
        """Raises ValueError when unset."""
        return _needed(self.token_keys, "CADDIE_TOKEN_KEYS")

    @property
    def seal_key_text(self) -> str:
        """Raises ValueError when unset."""
        return _needed(self.seal_key, "CADDIE_SEAL_KEY")

    @property
    def model_name(self) -> str:
        """The default model's alias: never a silent outside call."""
        return self.model or ("claude" if self.anthropic_api_key else "offline")


def _needed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise ValueError(f"{name}: expected a value, got none (`caddie up` sets it by itself)")
    return secret.get_secret_value()
