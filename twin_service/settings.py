"""Every limit of the service, by name. Sources, strongest first: TWIN_* variables, the TOML file, the default here."""

from __future__ import annotations

import os
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from twin_service.outcome import Refusal, RefusalCode


def _of(default: Any, meaning: str, **limits: Any) -> Any:
    return Field(default=default, description=meaning, **limits)


class Settings(BaseSettings):
    """Settings of one server process; immutable. `TWIN_LISTEN=...` sets `listen`, and so on."""

    model_config = SettingsConfigDict(env_prefix="TWIN_", frozen=True, extra="forbid")

    listen: str = _of("127.0.0.1:50051", "address of the gRPC port; port 0 takes a free one")
    health_listen: str = _of(
        "", "address of a plain-text port that answers health only (probes under TLS); empty: none"
    )
    metrics_host: str = _of("127.0.0.1", "address of the Prometheus page")
    metrics_port: int = _of(9464, "port of the Prometheus page; -1: none, 0: a free one", ge=-1, le=65535)
    tls_certificate: Path | None = _of(None, "PEM chain of the server; none: plain text")
    tls_key: Path | None = _of(None, "PEM key of the server")
    tls_client_authority: Path | None = _of(None, "PEM authority of clients; set: clients must present a certificate")
    tls_client_names: Path | None = _of(None, "TOML table of client certificate names -> tenant, roles")
    tenant_tokens: Path | None = _of(None, "TOML table of SHA-256 of bearer token -> tenant, roles; for development")
    oidc_issuer: str = _of("", "issuer of the JSON web tokens callers present; empty: none are accepted")
    oidc_audience: str = _of("twin-service", "audience those tokens must name")
    oidc_jwks: str = _of("", "where the issuer's keys are (https://, JWKS)")
    oidc_tenant_claim: str = _of("tenant", "claim that names the caller's tenant")
    oidc_roles_claim: str = _of("roles", "claim that lists the caller's roles")
    allow_anonymous: bool = _of(False, "listen beyond loopback without identity; anyone may then do anything")
    reflection: bool = _of(True, "answer server reflection")

    database_url: str = _of("sqlite:///twin-data/twin.db", "SQLite file or PostgreSQL (postgresql+psycopg://...)")
    migrate_on_start: bool = _of(True, "bring the schema up to date when the server starts")
    keys: str = _of(
        "",
        "where the keys are that sign and seal what is stored: file:PATH, env:NAME, python:MODULE:FACTORY; "
        "empty: neither (development)",
    )
    encrypt: bool = _of(True, "seal what is said of patients with a key of their own, where there are keys")
    audit_flush_s: float = _of(0.2, "longest an entry of the access trail waits for its commit [s]", ge=0)
    audit_wait: bool = _of(False, "answer only once the entry of the access trail is durable")
    audit_backlog_max: int = _of(100_000, "entries kept in memory while the store cannot write", ge=1)
    group_commit_max: int = _of(256, "writes made durable by one commit", ge=1)
    write_queue_max: int = _of(4096, "writes waiting for a commit before new ones are refused", ge=1)
    write_timeout_s: float = _of(30.0, "longest wait for a commit [s]", gt=0)
    database_connections: int = _of(16, "read connections of PostgreSQL", ge=1)
    probe_timeout_s: float = _of(4.0, "longest wait for the commit of a health probe [s]", gt=0)
    disk_free_min_bytes: int = _of(64 * 1024 * 1024, "free space below which the store is told to be nearly full", ge=0)
    sweep_s: float = _of(1.5, "how often work left behind by others is looked for [s]", gt=0)
    lease_s: float = _of(4.0, "how long an operation is a server's own without a sign of life [s]", gt=0)
    snapshots_kept: int = _of(64, "stored anchors per twin at most, ever fewer the further back", ge=0)

    rpc_threads: int = _of(4, "threads for health and reflection", ge=2)
    read_threads: int = _of(8, "threads that answer reads", ge=1)
    read_queue_max: int = _of(64, "reads waiting for a thread; more are refused with a time to retry", ge=0)
    write_threads: int = _of(16, "threads that answer writes", ge=1)
    write_waiting_max: int = _of(64, "writes waiting for a thread before new ones are refused", ge=0)
    simulation_threads: int = _of(4, "threads that answer simulations", ge=1)
    simulation_queue_max: int = _of(12, "simulations waiting for a thread before new ones are refused", ge=0)
    long_threads: int = _of(16, "calls that wait for an operation at once", ge=1)
    watch_streams_max: int = _of(64, "watch streams open at once; each holds a thread", ge=1)
    ingest_streams_max: int = _of(16, "ingest streams open at once; each holds a thread", ge=1)
    caller_share_max: float = _of(1.0, "largest share of a lane's seats that one caller may hold", gt=0, le=1)
    doses_max: int = _of(20_000, "doses of one plan; a plan with more is refused before it is expanded", ge=1)
    call_bytes_max: int = _of(256 * 1024 * 1024, "estimated memory of one answer [bytes]", ge=1024)
    message_bytes_max: int = _of(4 * 1024 * 1024, "largest message received [bytes]", ge=1024)
    reply_bytes_max: int = _of(64 * 1024 * 1024, "largest message sent [bytes]", ge=1024)
    metadata_bytes_max: int = _of(16 * 1024, "largest header block of a call [bytes]", ge=1024)
    deadline_default_s: float = _of(30.0, "deadline of a call that sets none [s]", gt=0)
    deadline_max_s: float = _of(600.0, "longest deadline honored for one answer [s]", gt=0)
    stop_grace_s: float = _of(10.0, "time for calls in flight when the server stops [s]", ge=0)
    retry_after_s: float = _of(0.5, "time to retry told to a refused caller [s]", gt=0)
    watch_poll_s: float = _of(1.0, "how often a watch looks for changes by other servers [s]", gt=0)

    assimilation_workers: int = _of(2, "twins assimilated at once", ge=1)
    assimilation_budget_s: float = _of(120.0, "longest run for one twin before others have their turn [s]", gt=0)
    twins_in_memory_max: int = _of(2000, "folded twins kept in memory", ge=1)

    operation_workers: int = _of(1, "long-running operations at once", ge=1)
    operation_threads: int = _of(2, "threads of one operation", ge=1)
    operation_budget_s: float = _of(24 * 3600.0, "longest run of one operation [s]", gt=0)
    operations_waiting_max: int = _of(256, "operations accepted and not begun before new ones are refused", ge=1)

    events_per_request_max: int = _of(1000, "events in one batch", ge=1)
    events_per_twin_max: int = _of(100_000, "events of one twin", ge=1)
    future_tolerance_h: float = _of(24.0, "how far ahead of the server's clock an event may lie [h]", ge=0)
    # the longest life on record is 122.45 a (Robine & Allard 1998, Science 279:1834); 1900-01-01 is a date not known
    past_tolerance_y: float = _of(122.5, "how far back an event may lie [a]", gt=0)
    duplicate_window_min: float = _of(30.0, "the same dose or level again within this time is asked about [min]", ge=0)
    page_size_default: int = _of(100, "rows of a page when none are asked for", ge=1)
    page_size_max: int = _of(1000, "rows of a page at most", ge=1)

    what_ifs_max: int = _of(32, "plans in one simulation", ge=1)
    horizon_max_h: float = _of(5 * 8766.0, "longest forecast [h]", gt=0)
    grid_points_max: int = _of(20_000, "time points of one trajectory", ge=2)
    members_default: int = _of(256, "belief members behind bands and probabilities", ge=8)
    members_max: int = _of(4096, "belief members at most", ge=8)
    trial_subjects_max: int = _of(100_000, "subjects in one trial question", ge=1)

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _of("INFO", "least severe line written")
    log_format: Literal["json", "text"] = _of("json", "shape of log lines")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what `load` read from the file."""
        return env_settings, init_settings


# Read elsewhere, each by one command: data of others, trained models, compiled kernels, a client's token.
OTHERS = frozenset(f"TWIN_{n}" for n in ("REFERENCE_DIR", "MODEL_DIR", "CACHE_DIR", "NODE_MODULES", "TOKEN"))


class EffectiveSetting(NamedTuple):
    """A setting in force: its name, value, and where it comes from."""

    name: str
    value: str
    source: str


def load(path: Path | None = None) -> Settings:
    """Settings from the environment and, where given, the TOML file at `path`.

    Raises Refusal that names each setting that is unknown or out of range, TWIN_ variables included.
    """
    given = _from_file(path)
    keys = given.get("keys") or os.environ.get("TWIN_KEYS", "")
    held = {str(keys).removeprefix("env:")} if str(keys).startswith("env:") else set()
    names = {f"TWIN_{n.upper()}" for n in Settings.model_fields} | OTHERS | held
    unknown = sorted(v for v in os.environ if v.startswith("TWIN_") and v not in names)
    if unknown:
        near = get_close_matches(unknown[0], sorted(names), 1)
        hint = f"; did you mean {near[0]}?" if near else "; `twin config` lists all"
        said = f"{', '.join(unknown)}: no such setting{hint}"
        raise Refusal(RefusalCode.INVALID, said, field=unknown[0], reason="SETTINGS")
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Refusal(RefusalCode.INVALID, f"settings: {wrong}", field="settings", reason="SETTINGS") from None


def effective(path: Path | None = None) -> list[EffectiveSetting]:
    """Every setting in force, by name; a password in a URL is not shown. Raises Refusal as `load` does."""
    settings, given = load(path), _from_file(path)
    found = []
    for name in Settings.model_fields:
        variable = f"TWIN_{name.upper()}"
        source = variable if variable in os.environ else str(path) if name in given else "default"
        value = str(getattr(settings, name))
        found.append(EffectiveSetting(name, re.sub(r"(://[^:/@]+):[^@]+@", r"\1:***@", value), source))
    return found


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Refusal(RefusalCode.INVALID, f"settings file: {error}", field=str(path), reason="SETTINGS") from None


def described() -> list[tuple[str, str, str]]:
    """(variable, default, meaning) of every setting, for documentation."""
    return [(f"TWIN_{n.upper()}", str(f.default), f.description or "") for n, f in Settings.model_fields.items()]
