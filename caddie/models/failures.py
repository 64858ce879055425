"""How a provider's failures become our codes, and how its library is kept from telling secrets.

Invariant: no message made here holds a key, a prompt or a provider's own wording, only a status and a type; errors
are raised `from None`, because the libraries' causes and request objects carry headers and bodies.
Callers: the provider modules beside.
"""

from __future__ import annotations

import logging
import re

from shared.errors import CaddieError

KEY = re.compile(r"[!-~]{20,256}")
_TYPE = re.compile(r"[a-z_]{1,60}")
_RETRY_AFTER_CAP_S = 3600


def checked_key(key: str, source: str) -> str:
    """A key fit for a header. A control character would end up whole in the client library's traceback."""
    if not KEY.fullmatch(key):
        raise CaddieError("INVALID", f"expected {source} to be 20–256 printable characters without spaces, got another")
    return key


def silenced(*loggers: str) -> None:
    """Pin library loggers at WARNING: below it they write prompts, headers and addresses."""
    for name in loggers:
        logging.getLogger(name).setLevel(logging.WARNING)


def retry_after(value: str | None) -> int | None:
    """Seconds of a `Retry-After` header; the date form is ignored."""
    if value is None or not re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
        return None
    return min(round(float(value)), _RETRY_AFTER_CAP_S)


def by_status(provider: str, status: int, kind: object = None, retry_after_s: int | None = None) -> CaddieError:
    """The error for a refused request: status and the `type` the provider gave it."""
    told = f" ({kind})" if isinstance(kind, str) and _TYPE.fullmatch(kind) else ""
    match status:
        case 401:
            return CaddieError("FORBIDDEN", f"{provider} refused the API key{told}")
        case 403:
            return CaddieError("FORBIDDEN", f"{provider} does not allow this key to use the model{told}")
        case 404:
            return CaddieError("INVALID", f"{provider} does not know this model{told}")
        case 429:
            return CaddieError("RATE_LIMITED", f"{provider} limits the rate{told}", retry_after_s=retry_after_s)
        case 408 | 409 | 500 | 502 | 503 | 504 | 529:
            return CaddieError("UNAVAILABLE", f"{provider} answered {status}{told}", retry_after_s=retry_after_s)
        case _:
            return CaddieError("MODEL_FAILED", f"{provider} answered {status}{told}", retryable=status >= 500)


def mid_stream(provider: str, kind: object) -> CaddieError:
    """The error for a stream that broke with an error event, after status 200."""
    if kind == "overloaded_error":
        return CaddieError("UNAVAILABLE", f"{provider} was overloaded in the middle of its answer")
    if kind == "rate_limit_error":
        return CaddieError("RATE_LIMITED", f"{provider} limited the rate in the middle of its answer")
    told = f" ({kind})" if isinstance(kind, str) and _TYPE.fullmatch(kind) else ""
    return CaddieError("MODEL_FAILED", f"{provider} failed in the middle of its answer{told}", retryable=True)


def dropped(provider: str) -> CaddieError:
    return CaddieError("UNAVAILABLE", f"the connection to {provider} broke in the middle of an answer")


def unreachable(provider: str) -> CaddieError:
    return CaddieError("UNAVAILABLE", f"{provider} cannot be reached")


def silent(provider: str, seconds: float) -> CaddieError:
    return CaddieError("UNAVAILABLE", f"{provider} sent nothing for {seconds:g} s")


def unfinished(provider: str) -> CaddieError:
    return CaddieError("MODEL_FAILED", f"{provider} ended its answer without saying why it stopped", retryable=True)
