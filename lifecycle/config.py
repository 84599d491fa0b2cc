"""What the installation was told from outside: the only module that reads the environment.

A value that cannot be used is refused at start with one sentence (`SettingsRefused`) that names the variable.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from lifecycle.core.logs import FORMATS, LogFormat

Environment = Literal["development", "testing", "production"]
FileStorage = Literal["database", "s3"]
ENVIRONMENTS: tuple[Environment, ...] = ("development", "testing", "production")

CHECKOUT = Path(__file__).resolve().parent.parent

SECRET_NAMES = frozenset(
    {
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "DATABASE_READER_URL",
        "REDIS_URL",
        "SMTP_URL",
        "SECRET_KEY",
        "EVIDENCE_KEY",
    }
)
SHORTEST_SECRET_KEY = 32
# 32 random hexadecimal digits have fewer different ones once in ten million times.
FEWEST_LETTERS = 8
# What may go unprotected over a network in production, where somebody says so (ALLOW_UNPROTECTED).
UNPROTECTED = ("web", "mail", "files")
FILE_STORAGES: tuple[FileStorage, ...] = ("database", "s3")
BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
BUCKET_PREFIX = re.compile(r"[A-Za-z0-9._/-]{0,200}")
SMS_PROVIDERS = ("twilio", "vonage")
# A number, a name of up to eleven letters, or a messaging service of Twilio's.
SMS_SENDER = re.compile(r"\+?[0-9]{3,15}|[A-Za-z0-9 ]{1,11}|MG[0-9a-f]{32}")
SHORTEST_METRICS_TOKEN = 16
EVIDENCE_KEY_BYTES = 32
DEFAULT_UPLOAD_LIMIT = 25 * 1024 * 1024
DEVELOPMENT_KEY = "development-only-key-never-used-in-production"


class SettingsRefused(ValueError):
    """The installation must not start like this. The message is one sentence for the person who starts it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the application may know about where it runs. Addresses and keys stay out of `repr`."""

    environment: Environment = "production"
    database_url: str = field(repr=False)
    database_owner_url: str | None = field(default=None, repr=False)
    database_reader_url: str | None = field(default=None, repr=False)
    redis_url: str = field(repr=False)
    smtp_url: str = field(repr=False)
    mail_from: str = "Lifecycle <lifecycle@localhost>"
    # Who carries SMS; without one, who prefers them gets mail.
    sms: SmsAccount | None = None
    # Hosts that a team channel may be at although they are not of the internet, with a port or without.
    channel_hosts_allowed: frozenset[str] = frozenset()
    secret_key: str = field(repr=False)
    # Signs the heads of the evidence log. Whoever owns the database must not have it.
    evidence_key: bytes | None = field(default=None, repr=False)
    # Where every signed head is mailed, besides being kept.
    evidence_heads_to: str | None = None
    base_url: str = "http://127.0.0.1:8000"
    data_dir: Path = CHECKOUT / "var"
    max_upload_bytes: int = DEFAULT_UPLOAD_LIMIT
    # Where the bytes of new files go, and the bucket, where those may be that were put there before.
    file_storage: FileStorage = "database"
    bucket: BucketAccount | None = None
    # The virus scanner: a command that reads a file and ends with 0 if it is clean (`records/files/scan.py`).
    scan_command: tuple[str, ...] = ()
    # PKCS#12, with which papers are signed; without one, one of our own in `data_dir`.
    signing_certificate: Path | None = None
    signing_password: str | None = field(default=None, repr=False)
    demo_password: str | None = field(default=None, repr=False)
    # How many reverse proxies of ours stand in front: only what they add to a request is believed.
    trusted_proxies: int = 0
    # Whoever reads /metrics must give it; without one only this machine may.
    metrics_token: str | None = field(default=None, repr=False)
    # Where the processes of one start keep what they count (see `core/metrics.py`).
    metrics_dir: Path | None = None
    # How each line of a process's log is written: for machines, or for people.
    log_format: LogFormat = "text"
    # A point of `core/killpoint.py` where a test wants this process dead; ignored outside of tests.
    kill_at: str | None = None
    # The file by which a test sets the product's clock (`core/clock.py`); refused outside of tests.
    clock_file: Path | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environ`, by default the process environment. Raises SettingsRefused.

        Without a DATABASE_URL, as in a shell beside a running ./dev up, what that one runs with is used.
        """
        given = os.environ if environ is None else environ
        if not given.get("DATABASE_URL"):
            given = _running_installation(given) | dict(given)
        environment = _environment(given)
        if environment == "production":
            _refuse_unsafe(given)
        return cls(
            environment=environment,
            database_url=_postgresql(given, "DATABASE_URL", required=True),
            database_owner_url=_postgresql(given, "DATABASE_OWNER_URL") or None,
            database_reader_url=_postgresql(given, "DATABASE_READER_URL") or None,
            redis_url=_address(given, "REDIS_URL", ("redis", "rediss", "unix"), required=True),
            smtp_url=_smtp(given, environment),
            mail_from=given.get("MAIL_FROM") or cls.mail_from,
            sms=_sms(given),
            channel_hosts_allowed=_hosts(given, "CHANNEL_HOSTS_ALLOWED"),
            secret_key=_secret_key(given, environment),
            evidence_key=_evidence_key(given),
            evidence_heads_to=_mail_address(given, "EVIDENCE_HEADS_TO"),
            base_url=(_address(given, "BASE_URL", ("http", "https")) or cls.base_url).rstrip("/"),
            data_dir=Path(given.get("LIFECYCLE_DATA") or cls.data_dir),
            max_upload_bytes=_bytes(given, "MAX_UPLOAD_BYTES", DEFAULT_UPLOAD_LIMIT),
            file_storage=_file_storage(given),
            bucket=_bucket(given),
            scan_command=_command(given, "SCAN_COMMAND"),
            signing_certificate=_certificate(given),
            signing_password=given.get("SIGNING_PASSWORD") or None,
            demo_password=given.get("LIFECYCLE_DEMO_PASSWORD") or None,
            trusted_proxies=_count(given, "TRUSTED_PROXIES"),
            metrics_token=_metrics_token(given),
            metrics_dir=Path(given["PROMETHEUS_MULTIPROC_DIR"])
            if given.get("PROMETHEUS_MULTIPROC_DIR")
            else None,
            log_format=_log_format(given, environment),
            kill_at=given.get("LIFECYCLE_KILL_AT") or None,
            clock_file=_clock_file(given, environment),
        )

    @property
    def is_https(self) -> bool:
        """Whether people reach the installation over TLS, so that cookies may be marked secure."""
        return self.base_url.startswith("https://")

    @property
    def smtp(self) -> SmtpServer:
        return SmtpServer.from_url(self.smtp_url)


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """A mail server's address, taken apart. `tls` is how the connection is protected, if at all."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Literal["none", "starttls", "implicit"] = "none"

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read smtp://user:password@host:port[?starttls=1] or smtps://… . Raises SettingsRefused."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
            parts = urlsplit("")
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SettingsRefused(
                "SMTP_URL must look like smtp://user:password@host:port (smtps:// for TLS)."
            )
        starttls = parse_qs(parts.query).get("starttls", ["0"])[-1] not in ("0", "", "false", "no")
        implicit = parts.scheme == "smtps"
        return cls(
            host=parts.hostname,
            port=port or (465 if implicit else 587 if starttls else 25),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls="implicit" if implicit else "starttls" if starttls else "none",
        )


@dataclass(frozen=True, kw_only=True)
class SmsAccount:
    """An account with a provider of SMS. `api_url` is where it answers, if not where everybody's does."""

    provider: str
    key: str
    secret: str = field(repr=False)
    sender: str
    # What Vonage signs its receipts with; Twilio signs with the secret.
    signature_secret: str | None = field(default=None, repr=False)
    api_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class BucketAccount:
    """A bucket of an S3-compatible service, and the key to it. `prefix` is "" or ends with a slash."""

    endpoint: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class OwnServices:
    """The services a person brings along when starting the product; None where it must bring its own."""

    database_url: str | None = field(default=None, repr=False)
    database_owner_url: str | None = field(default=None, repr=False)
    database_reader_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    evidence_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    environment: Environment = "development"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read what is given; nothing is required. Raises SettingsRefused for what could never work."""
        given = os.environ if environ is None else environ
        environment = _environment(given, default="development")
        if environment == "production":
            _refuse_unsafe(given)
        smtp_url = given.get("SMTP_URL") or None
        if smtp_url:
            SmtpServer.from_url(smtp_url)
        if given.get("DATABASE_OWNER_URL") and not given.get("DATABASE_URL"):
            raise SettingsRefused(
                "DATABASE_OWNER_URL is set without DATABASE_URL, the address of the app's role."
            )
        return cls(
            database_url=_postgresql(given, "DATABASE_URL") or None,
            database_owner_url=_postgresql(given, "DATABASE_OWNER_URL") or None,
            database_reader_url=_postgresql(given, "DATABASE_READER_URL") or None,
            redis_url=_address(given, "REDIS_URL", ("redis", "rediss", "unix")) or None,
            smtp_url=smtp_url,
            secret_key=_secret_key(given, environment) if given.get("SECRET_KEY") else None,
            evidence_key=given.get("EVIDENCE_KEY") if _evidence_key(given) else None,
            base_url=_address(given, "BASE_URL", ("http", "https")) or None,
            environment=environment,
        )


def process_environment() -> dict[str, str]:
    """This process's environment to hand on to a child, without addresses and keys: it is told its own."""
    return {name: value for name, value in os.environ.items() if name not in SECRET_NAMES}


def sqlalchemy_url(url: str) -> str:
    """The same PostgreSQL address, naming the driver for SQLAlchemy."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgresql", "postgres") else url


def _running_installation(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of the product that runs on the data folder; empty when none does."""
    services = Path(given.get("LIFECYCLE_DATA") or CHECKOUT / "var") / "services.json"
    try:
        return dict(json.loads(services.read_text())["environment"])
    except (OSError, ValueError, KeyError):
        return {}


def _environment(given: Mapping[str, str], default: Environment = "production") -> Environment:
    name = given.get("LIFECYCLE_ENV") or default
    if name not in ENVIRONMENTS:
        raise SettingsRefused(f"LIFECYCLE_ENV must be one of {', '.join(ENVIRONMENTS)}, not {name!r}.")
    return name


def _refuse_unsafe(given: Mapping[str, str]) -> None:
    """Raise SettingsRefused for what each part could work with, and nobody should in production."""
    if given.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no"):
        raise SettingsRefused("FLASK_DEBUG is on: visitors could run programs here; unset it in production.")
    if given.get("LIFECYCLE_DEMO_PASSWORD"):
        raise SettingsRefused(
            "LIFECYCLE_DEMO_PASSWORD is set, and in production nobody may log in as the demo: start with "
            "--no-demo."
        )
    allowed = {each.strip() for each in given.get("ALLOW_UNPROTECTED", "").split(",") if each.strip()}
    if unknown := allowed - set(UNPROTECTED):
        raise SettingsRefused(
            f"ALLOW_UNPROTECTED may name {' and '.join(UNPROTECTED)}, not {min(unknown)!r}."
        )
    base_url = _address(given, "BASE_URL", ("http", "https"))
    if base_url.startswith("http://") and not _is_here(base_url) and "web" not in allowed:
        raise SettingsRefused(
            "BASE_URL is http:// on a network: passwords and clients' links could be read on their way; use "
            "https://, or say ALLOW_UNPROTECTED=web."
        )
    smtp_url = given.get("SMTP_URL", "")
    if (
        smtp_url
        and SmtpServer.from_url(smtp_url).tls == "none"
        and not _is_here(smtp_url)
        and "mail" not in allowed
    ):
        raise SettingsRefused(
            "SMTP_URL sends mail, with clients' links in it, unprotected over a network: use smtps:// or "
            "?starttls=1, or say ALLOW_UNPROTECTED=mail."
        )
    endpoint = given.get("S3_ENDPOINT", "")
    if endpoint.startswith("http://") and not _is_here(endpoint) and "files" not in allowed:
        raise SettingsRefused(
            "S3_ENDPOINT is http:// on a network: files could be read on their way; use https://, or say "
            "ALLOW_UNPROTECTED=files."
        )


def _is_here(url: str) -> bool:
    """Say whether an address is this machine's own, where nobody can listen on the way."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _metrics_token(given: Mapping[str, str]) -> str | None:
    token = given.get("METRICS_TOKEN", "").strip()
    if token and len(token) < SHORTEST_METRICS_TOKEN:
        raise SettingsRefused(f"METRICS_TOKEN must be {SHORTEST_METRICS_TOKEN} random characters or more.")
    return token or None


def _log_format(given: Mapping[str, str], environment: Environment) -> LogFormat:
    name = given.get("LOG_FORMAT") or ("json" if environment == "production" else "text")
    if name not in FORMATS:
        raise SettingsRefused(f"LOG_FORMAT must be one of {', '.join(FORMATS)}, not {name!r}.")
    return name


def _clock_file(given: Mapping[str, str], environment: Environment) -> Path | None:
    file = given.get("LIFECYCLE_CLOCK")
    if file and environment != "testing":
        raise SettingsRefused(
            "LIFECYCLE_CLOCK sets the clock for tests and is refused everywhere else: unset it."
        )
    return Path(file) if file else None


def _secret_key(given: Mapping[str, str], environment: Environment) -> str:
    key = given.get("SECRET_KEY", "")
    if environment != "production":
        return key or DEVELOPMENT_KEY
    if not key:
        raise SettingsRefused("SECRET_KEY is not set: sessions and links cannot be signed without one.")
    if len(key) < SHORTEST_SECRET_KEY or len(set(key)) < FEWEST_LETTERS or key == DEVELOPMENT_KEY:
        raise SettingsRefused(f"SECRET_KEY must be {SHORTEST_SECRET_KEY} random characters or more.")
    return key


def _evidence_key(given: Mapping[str, str]) -> bytes | None:
    text = given.get("EVIDENCE_KEY", "").strip()
    if not text:
        return None
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        key = b""
    if len(key) != EVIDENCE_KEY_BYTES:
        raise SettingsRefused(
            f"EVIDENCE_KEY must be {EVIDENCE_KEY_BYTES} random bytes in base64, safe for addresses."
        )
    return key


def _mail_address(given: Mapping[str, str], name: str) -> str | None:
    address = given.get(name, "").strip()
    if address and ("@" not in address or any(letter.isspace() or letter in "<>,;" for letter in address)):
        raise SettingsRefused(f"{name} must be one plain mail address.")
    return address or None


def _smtp(given: Mapping[str, str], environment: Environment) -> str:
    url = given.get("SMTP_URL", "")
    if not url and environment == "production":
        raise SettingsRefused("SMTP_URL is not set: invitations and reminders could not be sent.")
    url = url or "smtp://127.0.0.1:1025"
    SmtpServer.from_url(url)
    return url


def _sms(given: Mapping[str, str]) -> SmsAccount | None:
    provider = given.get("SMS_PROVIDER", "").strip().lower()
    if not provider:
        return None
    if provider not in SMS_PROVIDERS:
        raise SettingsRefused(f"SMS_PROVIDER must be {' or '.join(SMS_PROVIDERS)}, not {provider!r}.")
    key, secret = given.get("SMS_ACCOUNT", "").strip(), given.get("SMS_SECRET", "").strip()
    if not key or not secret:
        raise SettingsRefused(f"SMS_ACCOUNT and SMS_SECRET are not set: {provider} would not let us in.")
    sender = given.get("SMS_FROM", "").strip()
    if not SMS_SENDER.fullmatch(sender):
        raise SettingsRefused("SMS_FROM must be a number like +34612345678 or a name of up to 11 letters.")
    signature = given.get("SMS_SIGNATURE_SECRET", "").strip()
    if provider == "vonage" and not signature:
        raise SettingsRefused("SMS_SIGNATURE_SECRET is not set: Vonage's receipts could not be believed.")
    api_url = _address(given, "SMS_API_URL", ("http", "https")).rstrip("/")
    if api_url.startswith("http://") and not _is_here(api_url):
        raise SettingsRefused(
            "SMS_API_URL is http:// on a network: the account's secret could be read there."
        )
    return SmsAccount(
        provider=provider,
        key=key,
        secret=secret,
        sender=sender,
        signature_secret=signature or None,
        api_url=api_url or None,
    )


def _file_storage(given: Mapping[str, str]) -> FileStorage:
    name = given.get("FILE_STORAGE", "").strip().lower() or "database"
    if name not in FILE_STORAGES:
        raise SettingsRefused(f"FILE_STORAGE must be {' or '.join(FILE_STORAGES)}, not {name!r}.")
    if name == "s3" and _bucket(given) is None:
        raise SettingsRefused(
            "FILE_STORAGE is s3, and there is no bucket: set S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY and "
            "S3_SECRET_KEY."
        )
    return name


def _bucket(given: Mapping[str, str]) -> BucketAccount | None:
    """Return the bucket that is told of, also where new files do not go there: old ones may be in it."""
    needed = ("S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    told = {name: given.get(name, "").strip() for name in needed}
    if not any(told.values()):
        return None
    for name, value in told.items():
        if not value:
            raise SettingsRefused(f"{name} is not set, and others of the bucket's settings are.")
    if not BUCKET_NAME.fullmatch(told["S3_BUCKET"]):
        raise SettingsRefused("S3_BUCKET must be the bucket's name: letters, digits, dots and dashes.")
    prefix = given.get("S3_PREFIX", "").strip().strip("/")
    if not BUCKET_PREFIX.fullmatch(prefix):
        raise SettingsRefused("S3_PREFIX may have letters, digits, dots, dashes and slashes.")
    return BucketAccount(
        endpoint=_address(given, "S3_ENDPOINT", ("http", "https")).rstrip("/"),
        name=told["S3_BUCKET"],
        access_key=told["S3_ACCESS_KEY"],
        secret_key=told["S3_SECRET_KEY"],
        region=given.get("S3_REGION", "").strip() or BucketAccount.region,
        prefix=f"{prefix}/" if prefix else "",
    )


def _hosts(given: Mapping[str, str], name: str) -> frozenset[str]:
    hosts = frozenset(given.get(name, "").lower().replace(",", " ").split())
    for host in hosts:
        if "/" in host or "*" in host:
            raise SettingsRefused(
                f"{name} must list names of hosts like chat.company.local:8443, not {host!r}."
            )
    return hosts


def _postgresql(given: Mapping[str, str], name: str, *, required: bool = False) -> str:
    return _address(given, name, ("postgresql", "postgres"), required=required)


def _address(given: Mapping[str, str], name: str, schemes: tuple[str, ...], *, required: bool = False) -> str:
    url = given.get(name, "").strip()
    if not url and required:
        raise SettingsRefused(f"{name} is not set: start with ./dev up, or give the address.")
    if url and urlsplit(url).scheme not in schemes:
        raise SettingsRefused(f"{name} must begin with {' or '.join(scheme + '://' for scheme in schemes)}.")
    return url


def _command(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the words of a command; refused if there is no such program."""
    try:
        words = tuple(shlex.split(given.get(name, "")))
    except ValueError:
        raise SettingsRefused(f"{name} has a quotation mark without its other half.") from None
    if words and shutil.which(words[0]) is None:
        raise SettingsRefused(f"{name} names a program that is not here: {words[0]}.")
    return words


def _certificate(given: Mapping[str, str]) -> Path | None:
    name = given.get("SIGNING_CERTIFICATE")
    if not name:
        return None
    if not Path(name).is_file():
        raise SettingsRefused(
            "SIGNING_CERTIFICATE names no file: give the path of a PKCS#12 file (.p12 or .pfx)."
        )
    return Path(name)


def _count(given: Mapping[str, str], name: str) -> int:
    text = given.get(name) or "0"
    if not text.isdecimal() or int(text) > 10:
        raise SettingsRefused(f"{name} must be a number from 0 to 10, not {text!r}.")
    return int(text)


def _bytes(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise SettingsRefused(f"{name} must be a whole number of bytes above 0, not {text!r}.")
    return int(text)
