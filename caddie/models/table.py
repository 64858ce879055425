"""Which name means which model: aliases, keys, overrides.

Invariant: nothing leaves the machine unless a key or a host was configured or handed in for this call.
Callers: the worker's composition root (one table a process), which closes it.
"""

from __future__ import annotations

from pydantic import SecretStr

from caddie.models.anthropic import AnthropicHost, AnthropicModel
from caddie.models.failures import checked_key
from caddie.models.model import Model
from caddie.models.offline.model import OfflineModel
from caddie.models.openai import NO_KEY, OpenAIHost, OpenAIModel
from shared.errors import CaddieError
from shared.models import CLAUDE, ModelNames, shown
from shared.settings import Settings

__all__ = ["CLAUDE", "ModelTable"]


class ModelTable:
    """Opens models by name. `open` makes no call and takes no time; the hosts connect when first used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._anthropic = AnthropicHost(settings.anthropic_base_url)
        self._openai = OpenAIHost(settings.openai_base_url)
        self._names = ModelNames(settings)
        self.aliases = self._names.aliases

    def resolve(self, name: str | None) -> tuple[str, str]:
        """(provider, model) of a name. INVALID: neither an alias nor `provider/model`."""
        return self._names.resolve(name)

    def open(self, name: str | None, api_key: str | None = None, temperature: float | None = None) -> Model:
        """The model of a name. api_key, temperature: this call's overrides. INVALID: unknown, or a key is missing."""
        provider, model = self.resolve(name)
        settings = self._settings
        match provider:
            case "anthropic":
                key = _key(api_key, settings.anthropic_api_key, "ANTHROPIC_API_KEY", model)
                return AnthropicModel(self._anthropic, model, key, temperature)
            case "openai":
                if api_key is None and settings.openai_api_key is None and settings.openai_base_url:
                    return OpenAIModel(self._openai, model, NO_KEY, temperature)
                key = _key(api_key, settings.openai_api_key, "CADDIE_OPENAI_API_KEY", model)
                return OpenAIModel(self._openai, model, key, temperature)
            case _:
                return OfflineModel(settings.offline_words_per_s)

    async def close(self) -> None:
        try:
            await self._anthropic.close()
        finally:
            await self._openai.close()


def _key(override: str | None, configured: SecretStr | None, setting: str, model: str) -> str:
    if override is not None:
        return checked_key(override, "the API key override")
    if configured is None or not configured.get_secret_value():
        raise CaddieError("INVALID", f"expected {setting} to be set for the model {shown(model)}, got none")
    return checked_key(configured.get_secret_value(), setting)
