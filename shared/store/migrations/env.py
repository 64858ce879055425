"""Alembic's environment: runs inside the connection, transaction and lock of ``shared.store.migration``.

With Alembic's own command line (`alembic revision --autogenerate`) it opens `sqlalchemy.url` itself.
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection

from shared.store.database import open_backend, parse_url
from shared.store.tables import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_from_command_line() -> None:
    backend = open_backend(parse_url(context.config.get_main_option("sqlalchemy.url") or ""))
    await backend.write(lambda session: run(session.connection()))
    await backend.close()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_from_command_line())
