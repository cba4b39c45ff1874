"""Settings, read once from the environment and passed down."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from platformdirs import user_cache_path

from explorer.core.errors import InvalidParams

DEFAULT_MODEL = "smollm2-135m"
SHIPPED_MODEL = "tiny"
ANY_MODEL = "*"
ALL_ADDRESSES = "0.0.0.0"
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Settings:
    """What may differ between two machines; `SETTINGS` says what each is.

    Attributes:
        model: the model the page opens with.
        models: the only models that may be asked for, "*" for any; () lets `allowed_models`
            decide.
        cache: folder for models made ready once.
        host: address the page listens on.
        port: its port.
        pool_size: models held in memory at once.
        max_prompt_chars: of a prompt or a text to score, characters.
        max_new_tokens: of a lane.
        max_lanes: side by side in one run.
        max_run_s: of a run, seconds.
        max_top: alternatives kept a token.
        max_upload_bytes: of one request and of a trace file.
        max_visitor_runs: of one visitor at once.
        mcp: answers assistants that speak the Model Context Protocol.
        cuda_graphs: steps are recorded and replayed where a CUDA device is.
        on_space: serving as a Hugging Face Space.
    """

    model: str = DEFAULT_MODEL
    models: tuple[str, ...] = ()
    cache: Path = Path()
    host: str = "127.0.0.1"
    port: int = 7860
    pool_size: int = 2
    max_prompt_chars: int = 200_000
    max_new_tokens: int = 2048
    max_lanes: int = 8
    max_run_s: float = 600.0
    max_top: int = 50
    max_upload_bytes: int = 64 * MIB
    max_visitor_runs: int = 8
    mcp: bool = False
    cuda_graphs: bool = True
    on_space: bool = False

    @property
    def is_public(self) -> bool:
        """True where others than the owner of this machine can reach the page."""
        return self.on_space or not is_loopback(self.host)

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
        if self.is_public:
            return tuple(dict.fromkeys([self.model, DEFAULT_MODEL, SHIPPED_MODEL]))
        return None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: where it is read from, and what it does.

    Attributes:
        field: of `Settings`.
        variable: of the environment.
        limits: what it decides, in words.
        public: its value where others reach the page; None for the same.
        most: highest value of a number.
    """

    field: str
    variable: str
    limits: str
    public: int | float | None = None
    most: float = 1e9


SETTINGS = (
    Setting("model", "EXPLORER_MODEL", "the model the page opens with"),
    Setting(
        "models",
        "EXPLORER_MODELS",
        "models that may be asked for, separated by commas; `*` for any. Unset, any may be named"
        " on a page that only this machine reaches; elsewhere only the one it opens with,"
        f" `{DEFAULT_MODEL}` and `{SHIPPED_MODEL}`",
    ),
    Setting("cache", "EXPLORER_CACHE", "folder where models made ready once are kept"),
    Setting("host", "EXPLORER_HOST", f"address the page listens on; on a Space {ALL_ADDRESSES}"),
    Setting("port", "EXPLORER_PORT", "port the page listens on", most=65_535),
    Setting("pool_size", "EXPLORER_POOL_SIZE", "models held in memory at once", most=64),
    Setting(
        "max_prompt_chars",
        "EXPLORER_MAX_PROMPT_CHARS",
        "characters of a prompt, or of a text to score or to go on with",
        public=20_000,
    ),
    Setting("max_new_tokens", "EXPLORER_MAX_NEW_TOKENS", "new tokens of a lane", public=1024),
    Setting("max_lanes", "EXPLORER_MAX_LANES", "lanes of a run, at most 8", most=8),
    Setting(
        "max_run_s",
        "EXPLORER_MAX_RUN_S",
        "seconds of a run, a lab, a fork or a proof, from its first step on",
        public=180.0,
    ),
    Setting("max_top", "EXPLORER_MAX_TOP", "alternatives kept a token", public=20, most=1000),
    Setting(
        "max_upload_bytes",
        "EXPLORER_MAX_UPLOAD_BYTES",
        "bytes of a request, and of a trace file",
        public=16 * MIB,
    ),
    Setting(
        "max_visitor_runs",
        "EXPLORER_MAX_VISITOR_RUNS",
        "runs under way of one visitor (a tab, or a program's session) at once",
        public=2,
        most=64,
    ),
    Setting(
        "mcp",
        "EXPLORER_MCP",
        "whether assistants may call the app by the Model Context Protocol; needs the extra `mcp`",
    ),
    Setting(
        "cuda_graphs",
        "EXPLORER_CUDA_GRAPHS",
        "whether steps are recorded once and replayed where a CUDA device is; off, each is done"
        " from Python",
    ),
)
"""All settings, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as it stands in this process.

    Attributes:
        name: variable of the environment.
        value: as it is used.
        origin: "environment", "default", or "default where others reach the page".
        limits: what it decides.
    """

    name: str
    value: str
    origin: str
    limits: str


def is_loopback(host: str) -> bool:
    """True where only this machine can reach an address.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "my-pc")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def read_settings(environ: Mapping[str, str] | None = None, **chosen: str | int | None) -> Settings:
    """Settings of this process.

    Args:
        environ: the environment; None for this process's.
        chosen: fields given on the command line, which stand before the environment.

    Raises:
        InvalidParams: for a value that is no number where one is needed, or one out of bounds; and
            for a switch that is neither on nor off.
    """
    env = dict(os.environ if environ is None else environ)
    env |= {_variable(name): str(value) for name, value in chosen.items() if value is not None}
    default = Settings()
    on_space = bool(env.get("SPACE_ID"))
    # A Space serves on all addresses of its container.
    host = env.get("EXPLORER_HOST") or (ALL_ADDRESSES if on_space else default.host)
    is_public = Settings(host=host, on_space=on_space).is_public
    models = tuple(filter(None, map(str.strip, env.get("EXPLORER_MODELS", "").split(","))))
    first = next((name for name in models if name != ANY_MODEL), default.model)
    cache = env.get("EXPLORER_CACHE")
    numbers: dict[str, float] = {}
    for setting in SETTINGS:
        usual = getattr(default, setting.field)
        if isinstance(usual, bool) or not isinstance(usual, (int, float)):
            continue
        if is_public and setting.public is not None:
            usual = setting.public
        numbers[setting.field] = type(usual)(_number(env, setting, usual))
    return Settings(
        model=env.get("EXPLORER_MODEL") or first,
        models=models,
        cache=Path(cache).expanduser() if cache else user_cache_path("generation-explorer"),
        host=host,
        mcp=_switch(env, "EXPLORER_MCP", default.mcp),
        cuda_graphs=_switch(env, "EXPLORER_CUDA_GRAPHS", default.cuda_graphs),
        on_space=on_space,
        **numbers,  # type: ignore[arg-type]  # each is of its default's own type
    )


def settings_rows(environ: Mapping[str, str] | None = None) -> tuple[SettingRow, ...]:
    """Every setting as it stands, with where it comes from.

    Raises:
        InvalidParams: as `read_settings`.
    """
    env = os.environ if environ is None else environ
    settings = read_settings(env)
    rows = []
    for setting in SETTINGS:
        origin = "default"
        if env.get(setting.variable):
            origin = "environment"
        elif settings.is_public and setting.public is not None:
            origin = "default where others reach the page"
        rows.append(SettingRow(setting.variable, _shown(settings, setting), origin, setting.limits))
    return tuple(rows)


def settings_table() -> str:
    """The table of docs/hosting.md; `make docs` writes it."""
    default = Settings()
    lines = ["| variable | default | where others reach the page | what it decides |"]
    lines.append("|---|---|---|---|")
    for setting in SETTINGS:
        usual = getattr(default, setting.field)
        shown = _IN_TABLE.get(setting.field)
        if isinstance(usual, bool):
            shown = "on" if usual else "off"
        shown = shown or (f"{usual:,}" if setting.public is not None else f"`{usual}`")
        public = "" if setting.public is None else f"{setting.public:,}"
        lines.append(f"| `{setting.variable}` | {shown} | {public} | {setting.limits} |")
    return "\n".join(lines)


_IN_TABLE = {"cache": "the user's cache folder", "models": "see right"}


def _variable(field: str) -> str:
    return next(setting.variable for setting in SETTINGS if setting.field == field)


def _shown(settings: Settings, setting: Setting) -> str:
    value = getattr(settings, setting.field)
    if setting.field == "models":
        allowed = settings.allowed_models
        return "any" if allowed is None else ", ".join(allowed)
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _switch(env: Mapping[str, str], variable: str, usual: bool) -> bool:
    text = env.get(variable, "").strip().lower()
    if not text:
        return usual
    if text not in _SWITCHES:
        raise InvalidParams(
            f"{variable}={env[variable]} is neither on nor off.", "Give on or off, or unset it."
        )
    return _SWITCHES[text]


_SWITCHES = dict.fromkeys(("1", "on", "true", "yes"), True)
_SWITCHES |= dict.fromkeys(("0", "off", "false", "no"), False)


def _number(env: Mapping[str, str], setting: Setting, default: float) -> float:
    text = env.get(setting.variable)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    is_whole = isinstance(default, float) or value.is_integer()
    if not (0 < value < 1e9 and is_whole):
        kind = "positive number" if isinstance(default, float) else "positive whole number"
        raise InvalidParams(f"{setting.variable}={text} is no {kind}.", "Correct or unset it.")
    if value > setting.most:
        raise InvalidParams(
            f"{setting.variable}={text} is too high.", f"At most {setting.most:,.0f}."
        )
    return value


assert {setting.field for setting in SETTINGS} == {f.name for f in fields(Settings)} - {"on_space"}
