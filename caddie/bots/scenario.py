"""What a bot says, how long it thinks, and how it misbehaves within the rules.

Invariant: everything comes from the bot's own seeded generator, so a seed gives the same script again (what the
network makes of it differs). Caller: ``caddie.bots.bot``.
"""

from __future__ import annotations

from enum import Enum
from random import Random

_SITES = ("rates", "orders", "tickets", "stock", "weather", "news", "invoices", "visits")
_CHANNELS = ("fx", "ops", "support", "sales", "alerts", "finance")
_PEOPLE = ("ada", "boss", "billing", "team", "grace")
_TIMES = ("every morning at {hour}", "every hour", "every weekday at {hour}", "every Monday at {hour}",
          "every {minutes} minutes")  # fmt: skip
_ORDERS = (
    "{time} fetch https://example.com/{site} and post it to Slack #{channel}",
    "{time} fetch https://example.com/{site}, and if the total is above {number} email {person}@example.com",
    "When the webhook arrives, summarize the body and send it to {person}@example.com by email",
    "When someone writes in the chat, translate it to Spanish and reply",
    "{time} search the web for {site}, summarize the results and post them to #{channel} on Slack",
    "When a form is submitted, extract the name and the amount and send an email to {person}@example.com",
    "For each item in https://api.example.com/{site} post the name to Slack #{channel}",
    'Please notify #{channel} when https://example.com/{site} exceeds {number}, saying "Look at {site}"',
)
_TALK = (
    "Hello there", "What can you do?", "Explain what this workflow does", "How do I connect Slack?",
    "Post to Slack", "Send an email", "also post it to Discord",
)  # fmt: skip
_ANSWERS = ("#{channel}", "{person}@example.com", "{number}", "https://example.com/{site}", "every hour")
LONG_PAUSE = 4.0


class Move(Enum):
    """What a bot does while a run goes on; the value is what the report calls it."""

    DROP = "drops"
    ABORT = "aborts"
    REST = "slow reads"
    CANCEL = "cancels"
    REFRESH = "token refreshes"


class Scenario:
    """One bot's script. think_s: mean time between an answer and the next message."""

    def __init__(self, seed: int, number: int, chaos: bool, think_s: float) -> None:
        self._dice = Random(seed * 1_000_003 + number)
        self._chaos, self._think_s = chaos, think_s

    def message(self) -> str:
        """An order three times of four, else small talk, or one that lacks something so that the agent asks."""
        return self._filled(self._dice.choice(_ORDERS if self._dice.random() < 0.75 else _TALK))

    def answer(self, options: list[str], may_write: bool) -> str:
        """To a question: one of its options, or words of one's own."""
        if options and (not may_write or self._dice.random() < 0.8):
            return self._dice.choice(options)
        return self._filled(self._dice.choice(_ANSWERS))

    def think_s(self) -> float:
        return min(self._dice.expovariate(1 / self._think_s), self._think_s * LONG_PAUSE) if self._think_s else 0.0

    def pause_s(self, most: float) -> float:
        """A moment, from right away to `most` seconds."""
        return self._dice.uniform(0, most)

    def moves(self) -> list[Move]:
        """What happens during the next run, in this order."""
        if not self._chaos:
            return [Move.DROP] if self._dice.random() < 0.3 else []
        weights = {Move.DROP: 0.3, Move.ABORT: 0.25, Move.REST: 0.15, Move.CANCEL: 0.12, Move.REFRESH: 0.08}
        chosen = [move for move, weight in weights.items() if self._dice.random() < weight]
        self._dice.shuffle(chosen)
        return chosen

    def tabs(self) -> int:
        """How many tabs look at the conversation."""
        return self._dice.choices((1, 2, 3), (6, 3, 1))[0] if self._chaos else 1

    def copies(self) -> int:
        """How often a message is posted with one requestId."""
        return self._dice.choices((1, 2, 3), (8, 1, 1))[0] if self._chaos else 1

    def recovers(self) -> bool:
        """Whether to come back as a browser's connection-state recovery does, else with the last index."""
        return self._dice.random() < 0.5

    def goodbye(self) -> bool:
        """Whether a drop is announced to the server."""
        return self._dice.random() < 0.3

    def starts_over_http(self) -> bool:
        """Whether the first message travels in the session call."""
        return self._dice.random() < 0.25

    def cancels_by_request(self) -> bool:
        return self._dice.random() < 0.5

    def pick(self, number: int) -> int:
        return self._dice.randrange(number)

    def _filled(self, text: str) -> str:
        dice = self._dice
        text = text.replace("{time}", dice.choice(_TIMES))
        filled = text.format(
            site=dice.choice(_SITES), channel=dice.choice(_CHANNELS), person=dice.choice(_PEOPLE),
            number=dice.randrange(2, 500), hour=dice.randrange(24), minutes=dice.choice((5, 10, 15, 30)),
        )  # fmt: skip
        return filled[0].upper() + filled[1:]
