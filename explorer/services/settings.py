"""Settings, read once from the environment and passed down."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from explorer.core.errors import InvalidParams

DEFAULT_MODEL = "smollm2-135m"
SHIPPED_MODEL = "tiny"
ANY_MODEL = "*"


@dataclass(frozen=True, slots=True)
class Settings:
    """What may differ between two machines.

    Attributes:
        model: the model the page opens with (EXPLORER_MODEL).
        cache: folder for models made ready once (EXPLORER_CACHE).
        host: address the page listens on (EXPLORER_HOST).
        port: its port (EXPLORER_PORT).
        max_new_tokens: most tokens a lane may ask for on the page (EXPLORER_MAX_NEW_TOKENS).
        max_run_s: longest run on the page, seconds (EXPLORER_MAX_RUN_S).
        pool_size: models held in memory at once (EXPLORER_POOL_SIZE).
        models: the only models that may be asked for, "*" for any; () lets `allowed_models`
            decide (EXPLORER_MODELS).
        on_space: serving as a Hugging Face Space (SPACE_ID).
    """

    model: str = DEFAULT_MODEL
    cache: Path = Path()
    host: str = "127.0.0.1"
    port: int = 7860
    max_new_tokens: int = 2048
    max_run_s: float = 600.0
    pool_size: int = 2
    models: tuple[str, ...] = ()
    on_space: bool = False

    @property
    def allowed_models(self) -> tuple[str, ...] | None:
        """The only models that the page and its endpoints load; None for any.

        Who can reach the page can name a model, and a name may be a path: where others than the
        owner of this machine can reach it, only the models it opens with are loaded.
        """
        if ANY_MODEL in self.models:
            return None
        if self.models:
            return tuple(dict.fromkeys([self.model, *self.models]))
        if self.on_space or not is_loopback(self.host):
            return tuple(dict.fromkeys([self.model, DEFAULT_MODEL, SHIPPED_MODEL]))
        return None


def is_loopback(host: str) -> bool:
    """True where only this machine can reach an address.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "my-pc")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of this process.

    Raises:
        InvalidParams: for a value that is no number where one is needed.
    """
    env = os.environ if environ is None else environ
    default = Settings()
    cache = env.get("EXPLORER_CACHE")
    # A Space serves on all addresses of its container.
    on_space = bool(env.get("SPACE_ID"))
    host = "0.0.0.0" if on_space else default.host
    models = tuple(filter(None, map(str.strip, env.get("EXPLORER_MODELS", "").split(","))))
    first = next((name for name in models if name != ANY_MODEL), default.model)
    return Settings(
        model=env.get("EXPLORER_MODEL") or first,
        cache=Path(cache).expanduser() if cache else user_cache_path("generation-explorer"),
        host=env.get("EXPLORER_HOST") or host,
        port=int(_number(env, "EXPLORER_PORT", default.port)),
        max_new_tokens=int(_number(env, "EXPLORER_MAX_NEW_TOKENS", default.max_new_tokens)),
        max_run_s=_number(env, "EXPLORER_MAX_RUN_S", default.max_run_s),
        pool_size=int(_number(env, "EXPLORER_POOL_SIZE", default.pool_size)),
        models=models,
        on_space=on_space,
    )


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise InvalidParams(f"{name}={text} is no positive number.", "Correct or unset it.")
    return value
