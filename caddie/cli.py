"""The `caddie` command. Commands import what they need when they run, so that `--help` answers at once.

Invariant: a known error is one line on stderr and exit code 1, a refused configuration is 78, secrets are printed only
by the command that has just made them. The gateway is another package, reached by its own `python -m gateway`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.errors import CaddieError

if TYPE_CHECKING:
    from caddie.roles import RoleName
    from shared.settings import Settings

app = typer.Typer(
    name="caddie",
    help="Caddie: an AI chat that builds and runs workflows, in real time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
users = typer.Typer(help="People who may log in.", no_args_is_help=True)
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")

Owner = Annotated[str, typer.Option("--user", help="E-mail of a user; the first one if left out.")]


@app.command()
def up() -> None:
    """Everything on this machine: Valkey, database, gateway, Socket.IO server and worker. Ctrl-C drains and ends."""
    import uvloop

    from caddie.up import Up
    from shared import journal

    settings = _settings()
    if "CADDIE_LOG_FORMAT" not in os.environ and sys.stderr.isatty():
        settings = settings.model_copy(update={"log_format": "console"})
    journal.configure("up", settings.log_level, settings.log_format, conceal=journal.secrets_of(vars(settings)))

    async def run() -> int:
        return await Up(settings).run(asyncio.Event())

    raise typer.Exit(uvloop.run(run()))


@app.command()
def gateway() -> None:
    """The HTTP gateway alone."""
    from caddie.roles import complete
    from caddie.state import environment
    from shared.preflight import exit_refused, refusals

    settings = complete(_settings())
    exit_refused(refusals(settings))
    os.execve(sys.executable, [sys.executable, "-m", "gateway"], {**os.environ, **environment(settings)})


@app.command()
def server(
    with_worker: Annotated[bool, typer.Option("--with-worker", help="Carry out runs in this process too.")] = False,
) -> None:
    """The Socket.IO server alone."""
    _run_roles(("server", "worker") if with_worker else ("server",))


@app.command()
def worker() -> None:
    """The worker alone: carries out runs."""
    _run_roles(("worker",))


@app.command()
def migrate() -> None:
    """Brings the database's tables up to date."""
    from caddie import accounts

    asyncio.run(accounts.migrate(_completed()))
    typer.echo("the database is up to date")


@app.command()
def check() -> None:
    """Looks at configuration, versions, Redis, database, clock and disk; exit code 1 when something is wrong."""
    from caddie.checkup import findings

    found = asyncio.run(findings(_completed()))
    for finding in found:
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:<16} {finding.message}")
    raise typer.Exit(0 if all(finding.ok for finding in found) else 1)


@app.command()
def bots(
    url: Annotated[str, typer.Option(help="Address of the gateway; the one of the settings if left out.")] = "",
    api_key: Annotated[str, typer.Option(envvar="CADDIE_API_KEY", help="Key of a test user.")] = "",
    sessions: Annotated[int, typer.Option(help="How many bots, each with a conversation of its own.")] = 50,
    duration: Annotated[float, typer.Option(help="Seconds of talking; then runs may end.")] = 30.0,
    ramp: Annotated[float, typer.Option(help="Seconds over which the bots arrive.")] = 5.0,
    think: Annotated[float, typer.Option(help="Mean seconds between an answer and the next message.")] = 1.0,
    chaos: Annotated[bool, typer.Option("--chaos", help="Misbehave within the rules.")] = False,
    outages: Annotated[bool, typer.Option("--outages", help="Servers die meanwhile: closes are no fault.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same script.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout instead of the table.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with plots to this file.")] = None,
    transcript: Annotated[Path | None, typer.Option(help="Write every event seen to this file (JSON lines).")] = None,
) -> None:
    """Load test: bots talk, drop, resume and check what they get; exit code 1 when a promise is broken."""
    import uvloop

    from caddie.bots.bench import Options
    from caddie.bots.command import EXIT_UNUSABLE, run

    settings = _settings()
    if not api_key and settings.bootstrap_api_key is not None:
        api_key = settings.bootstrap_api_key.get_secret_value()
    host = f"[{settings.gateway_host}]" if ":" in settings.gateway_host else settings.gateway_host
    options = Options(
        url or f"http://{host}:{settings.gateway_port}", api_key, sessions, duration, ramp, think, chaos, outages, seed,
        json, report, transcript,
    )  # fmt: skip
    try:
        code = uvloop.run(run(options))
    except CaddieError as error:
        typer.echo(f"caddie: {error.message}", err=True)
        code = EXIT_UNUSABLE
    raise typer.Exit(code)


@app.command()
def verify(transcript: Annotated[Path, typer.Argument(help="What `caddie bots --transcript` wrote.")]) -> None:
    """Checks a transcript: order, gaps, duplicates, one terminal event per run; exit code 1 when one is broken."""
    from caddie.bots.verify import verify

    try:
        verifier = verify(transcript)
    except CaddieError as error:
        typer.echo(f"caddie: {error.message}", err=True)
        raise typer.Exit(2) from None
    faults = verifier.faults
    typer.echo(f"{verifier.seen}: {f'{faults.total:,} faults' if faults.total else 'every promise was kept'}")
    for fault in faults.first:
        typer.echo(str(fault))
    raise typer.Exit(1 if faults.total else 0)


@app.command()
def openapi() -> None:
    """Prints the OpenAPI 3.1 document."""
    os.execv(sys.executable, [sys.executable, "-m", "gateway", "openapi"])


@app.command()
def asyncapi() -> None:
    """Prints the AsyncAPI 3 document."""
    os.execv(sys.executable, [sys.executable, "-m", "gateway", "asyncapi"])


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    scopes: Annotated[str, typer.Option(help="Comma separated: read, write, decide, eval, admin.")] = "read,write",
    user: Owner = "",
) -> None:
    """Makes an API key and prints it, once."""
    from caddie import accounts

    settings = _completed()
    wanted = frozenset(part.strip() for part in scopes.split(",") if part.strip())
    record, secret = asyncio.run(accounts.create_key(settings, user or settings.bootstrap_email, name, wanted))
    typer.echo(secret)
    typer.echo(f"key {record.id} ({', '.join(sorted(record.scopes))}), shown only this once", err=True)


@keys.command("list")
def keys_list(user: Owner = "") -> None:
    """Lists the keys of the user's organisation; secrets are not kept, so not shown."""
    from caddie import accounts

    settings = _completed()
    for key in asyncio.run(accounts.list_keys(settings, user or settings.bootstrap_email)):
        state = "revoked" if key.disabled_at else "active"
        cells = (key.id, f"{key.prefix}…", state, ",".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d}", key.name)
        typer.echo("\t".join(map(str, cells)))


@keys.command("revoke")
def keys_revoke(key_id: int, user: Owner = "") -> None:
    """Ends a key by the number `caddie keys list` shows."""
    from caddie import accounts

    settings = _completed()
    told = asyncio.run(accounts.revoke_key(settings, user or settings.bootstrap_email, key_id))
    soon = 2 if told else settings.token_ttl_s
    typer.echo(f"key {key_id} is revoked; its chat sessions end within {soon} s")


@users.command("create")
def users_create(
    email: str,
    name: Annotated[str, typer.Option(help="Shown name; the part before @ if left out.")] = "",
    organisation: Annotated[str, typer.Option(help="Own a new organisation of this name.")] = "",
    colleague: Annotated[str, typer.Option(help="Join this user's organisation; the first user's if left out.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Makes a user; prints a generated password once unless one is given."""
    from caddie import accounts

    settings = _completed()
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else ""
    if password_stdin and len(password) < 8:
        raise CaddieError("INVALID", f"password: expected at least 8 characters, got {len(password)}")
    made = accounts.create_user(
        settings, email, name or email.partition("@")[0], password or None, organisation or None,
        colleague or settings.bootstrap_email,
    )  # fmt: skip
    user, generated = asyncio.run(made)
    if generated:
        typer.echo(generated)
    typer.echo(f"user {user.email}, organisation {user.org_id}", err=True)


def main() -> None:
    """Entry point of the `caddie` script."""
    try:
        app()
    except CaddieError as error:
        typer.echo(f"caddie: {error.message}", err=True)
        raise SystemExit(1) from None


def _settings() -> Settings:
    from shared.preflight import read_settings

    return read_settings()


def _completed() -> Settings:
    from caddie.roles import complete

    return complete(_settings())


def _run_roles(names: tuple[RoleName, ...]) -> None:
    from caddie.roles import run

    run(names, _settings())
