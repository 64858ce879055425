"""Tries a connector: does what a block would do with it, as little of it as shows that it works.

Invariant: what comes of it is told in words without secrets, within ``TRIAL_S``. Caller: the worker, for somebody who
waits (``shared.probes``).
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog

from caddie.outbound import Outbound
from caddie.workflow.accounts import Accounts
from caddie.workflow.blocks.messages import deliver_discord, deliver_slack
from caddie.workflow.blocks.search import hits
from caddie.workflow.mail import Post
from caddie.workflow.masking import Mask
from caddie.workflow.runner import Call, Origin, StepError
from shared.connectors import DiscordConfig, HttpConfig, SlackConfig, SmtpConfig, WebSearchConfig
from shared.errors import CaddieError
from shared.probes import TRIAL_S, Outcome
from shared.store.connectors import Connectors

TEST_LINE = "A test line: this connector of Caddie works."
TEST_QUERY = "test"
_log = structlog.get_logger()


class Trial:
    def __init__(self, stored: Connectors, accounts: Accounts, outbound: Outbound, post: Post) -> None:
        self._stored, self._accounts, self._outbound, self._post = stored, accounts, outbound, post

    async def __call__(self, org: int, user: int, connector_id: str) -> Outcome:
        """Of a connector of this user. Raises CaddieError UNAVAILABLE."""
        record = await self._stored.get(org, user, connector_id)
        if record is None:
            return Outcome(ok=False, message="expected a connector of this user, got an unknown id")
        mask = Mask()
        call = Call("", "", {}, str(uuid4()), Origin("", org, user, ""), hide=mask.note)
        try:
            async with asyncio.timeout(TRIAL_S):
                config = self._accounts.opened(record)
                for secret in config.secrets():
                    mask.note(secret)
                outcome = Outcome(ok=True, message=await self._tried(call, config))
        except StepError as error:
            outcome = Outcome(ok=False, message=mask.text(error.message))
        except TimeoutError:
            outcome = Outcome(ok=False, message=f"expected an answer within {TRIAL_S:g} s, got none")
        except CaddieError:
            raise
        except Exception as error:
            # Its text may hold what was tried with.
            _log.error("connector.trial_crashed", connector_id=connector_id, error=type(error).__name__)
            outcome = Outcome(ok=False, message=f"the trial failed unexpectedly ({type(error).__name__})")
        try:
            await self._stored.tested(record, outcome.ok)
        except CaddieError as error:
            if error.code != "NOT_FOUND":
                raise
        return outcome

    async def _tried(
        self, call: Call, config: SlackConfig | DiscordConfig | SmtpConfig | WebSearchConfig | HttpConfig
    ) -> str:
        match config:
            case SlackConfig():
                await deliver_slack(self._outbound, call, config, TEST_LINE)
                return "posted a test line"
            case DiscordConfig():
                await deliver_discord(self._outbound, call, config, TEST_LINE)
                return "posted a test line"
            case SmtpConfig():
                await self._post.greet(config)
                return "connected and logged in" if config.username else "connected"
            case WebSearchConfig():
                found = await hits(self._outbound, call, config, TEST_QUERY, 3)
                return f"searched for “{TEST_QUERY}”: {len(found)} results"
            case HttpConfig():
                return "nothing to test: it says who asks, and the address stands in each request"
