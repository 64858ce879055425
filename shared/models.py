"""What a model's name means: aliases, providers, and which of them can be called as things are configured.

Invariant: a name means the same model to the gateway, which checks requests, and to the worker, which opens models.
Callers: the gateway (surface 002 and 003), ``caddie.models.table``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from shared.errors import CaddieError, Fault
from shared.settings import Settings

#: The Claude model behind the alias `claude`.
CLAUDE = "claude-sonnet-5-5"
OFFLINE = "offline/offline"
PROVIDERS = ("anthropic", "openai", "offline")


@dataclass(frozen=True, slots=True)
class Named:
    """An alias, what it stands for, and why it cannot be used right now (empty: it can)."""

    id: str
    provider: str
    model: str
    lacks: str


class ModelNames:
    """Names of one configuration. Raises INVALID when `CADDIE_MODELS` is no table."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.aliases: dict[str, str] = {"offline": OFFLINE, "claude": f"anthropic/{CLAUDE}", **_parse(settings.models)}
        # Surface 002's sample names a model its maker has retired: it means the configured default.
        self.aliases.setdefault("gpt-4", self._target(settings.model_name))

    def resolve(self, name: str | None) -> tuple[str, str]:
        """(provider, model) of a name. INVALID: neither an alias nor `provider/model`."""
        target = self._target(name or self._settings.model_name)
        provider, _, model = target.partition("/")
        if provider not in PROVIDERS or not model:
            known = ", ".join(sorted(self.aliases))
            raise CaddieError("INVALID", f"expected a model: one of {known}, or provider/model; got {shown(target)}")
        return provider, model

    def lacks(self, name: str | None) -> str:
        """What has to be configured before the model can be called, if anything. Raises INVALID like ``resolve``."""
        settings = self._settings
        match self.resolve(name)[0]:
            case "anthropic" if not settings.anthropic_api_key:
                return "ANTHROPIC_API_KEY"
            case "openai" if not settings.openai_api_key and not settings.openai_base_url:
                return "CADDIE_OPENAI_API_KEY"
            case _:
                return ""

    def require(self, name: str, field: str = "modelId") -> None:
        """Raises INVALID, naming the field, for a model that does not exist or cannot be called."""
        try:
            lacks = self.lacks(name)
        except CaddieError as error:
            raise CaddieError(
                "INVALID", f"{field}: {error.message}", faults=(Fault(field, error.message),)
            ) from error
        if lacks:
            text = f"expected {lacks} to be set for the model {shown(name)}, got none"
            raise CaddieError("INVALID", f"{field}: {text}", faults=(Fault(field, text),))

    def listed(self) -> list[Named]:
        """Every alias, by name."""
        return [Named(name, *self.resolve(name), self.lacks(name)) for name in sorted(self.aliases)]

    def _target(self, name: str) -> str:
        target = self.aliases.get(name, name)
        if "/" not in target:
            target = self.aliases.get(target, target)
        return f"anthropic/{target}" if target.startswith("claude-") and "/" not in target else target


def shown(name: str) -> str:
    """A name in a message, cut."""
    return repr(name if len(name) <= 60 else name[:57] + "…")


def _parse(text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if not isinstance(table, dict) or not all(isinstance(value, str) and value for value in table.values()):
        raise CaddieError(
            "INVALID", 'expected CADDIE_MODELS to be JSON {"alias": "provider/model"}, got something else'
        )
    return dict(table)
