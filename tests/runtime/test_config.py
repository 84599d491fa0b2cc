"""P1: settings that cannot work are refused at start, in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lifecycle.config import OwnServices, Settings, SettingsRefused, SmtpServer, sqlalchemy_url

COMPLETE = {
    "LIFECYCLE_ENV": "production",
    "DATABASE_URL": "postgresql://app:pw@db/lifecycle",
    "REDIS_URL": "redis://queue:6379/0",
    "SMTP_URL": "smtps://mail",
    "SECRET_KEY": "bQ2wZ8rT5yU1iO4pA7sD0fG3hJ6kL9xC",
    "BASE_URL": "https://lifecycle.example/",
}


def test_a_complete_environment_is_read() -> None:
    settings = Settings.from_env(COMPLETE)
    assert settings.environment == "production"
    assert settings.base_url == "https://lifecycle.example"
    assert settings.is_https
    assert settings.max_upload_bytes == 25 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("LIFECYCLE_ENV", "staging", "LIFECYCLE_ENV"),
        ("DATABASE_URL", "mysql://db/x", "DATABASE_URL"),
        ("REDIS_URL", "", "REDIS_URL"),
        ("REDIS_URL", "http://queue", "REDIS_URL"),
        ("SMTP_URL", "", "SMTP_URL"),
        ("SMTP_URL", "mail.example:25", "SMTP_URL"),
        ("SMTP_URL", "smtp://mail:port", "SMTP_URL"),
        ("SECRET_KEY", "", "SECRET_KEY"),
        ("SECRET_KEY", "short", "SECRET_KEY"),
        ("BASE_URL", "lifecycle.example", "BASE_URL"),
        ("MAX_UPLOAD_BYTES", "25 MB", "MAX_UPLOAD_BYTES"),
        ("MAX_UPLOAD_BYTES", "0", "MAX_UPLOAD_BYTES"),
        ("SCAN_COMMAND", "no-such-scanner -", "SCAN_COMMAND"),
        ("SCAN_COMMAND", "scan 'half", "SCAN_COMMAND"),
    ],
)
def test_what_cannot_work_is_refused_by_name(name: str, value: str, word: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings.from_env(COMPLETE | {name: value})
    sentence = str(refused.value)
    assert word in sentence
    assert sentence.endswith(".")


TWILIO = {
    "SMS_PROVIDER": "twilio",
    "SMS_ACCOUNT": "AC123",
    "SMS_SECRET": "the auth token",
    "SMS_FROM": "+34600000000",
}


BUCKET = {
    "FILE_STORAGE": "s3",
    "S3_ENDPOINT": "https://s3.example",
    "S3_BUCKET": "files",
    "S3_ACCESS_KEY": "AKID",
    "S3_SECRET_KEY": "the secret of the key",
}


def test_files_go_to_a_bucket_only_where_that_is_said() -> None:
    assert (Settings.from_env(COMPLETE).file_storage, Settings.from_env(COMPLETE).bucket) == (
        "database",
        None,
    )
    settings = Settings.from_env(COMPLETE | BUCKET | {"S3_PREFIX": "/ours/"})
    assert settings.file_storage == "s3"
    assert settings.bucket
    assert (settings.bucket.name, settings.bucket.prefix) == ("files", "ours/")
    assert "the secret" not in repr(settings)
    kept = Settings.from_env(COMPLETE | BUCKET | {"FILE_STORAGE": ""})
    assert kept.file_storage == "database"
    assert kept.bucket, "what lies there stays readable"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"FILE_STORAGE": "cloud"}, "FILE_STORAGE"),
        ({"S3_ENDPOINT": "ftp://s3.example"}, "S3_ENDPOINT"),
        (
            {"S3_ENDPOINT": "", "S3_BUCKET": "", "S3_ACCESS_KEY": "", "S3_SECRET_KEY": ""},
            "there is no bucket",
        ),
        ({"S3_BUCKET": "../files"}, "S3_BUCKET"),
        ({"S3_SECRET_KEY": ""}, "S3_SECRET_KEY is not set"),
        ({"S3_PREFIX": "a b"}, "S3_PREFIX"),
    ],
)
def test_a_bucket_that_could_not_work_is_refused(given: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsRefused, match=word):
        Settings.from_env(COMPLETE | BUCKET | given)


def test_sms_is_off_unless_a_provider_is_named() -> None:
    assert Settings.from_env(COMPLETE).sms is None
    assert Settings.from_env(COMPLETE | {**TWILIO, "SMS_PROVIDER": ""}).sms is None
    account = Settings.from_env(COMPLETE | TWILIO).sms
    assert account is not None
    assert (account.provider, account.key, account.sender) == ("twilio", "AC123", "+34600000000")
    assert "the auth token" not in repr(account)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"SMS_PROVIDER": "carrier pigeon"}, "SMS_PROVIDER"),
        ({"SMS_ACCOUNT": ""}, "SMS_ACCOUNT"),
        ({"SMS_SECRET": ""}, "SMS_SECRET"),
        ({"SMS_FROM": ""}, "SMS_FROM"),
        ({"SMS_FROM": "+34600000000\r\nX: y"}, "SMS_FROM"),
        ({"SMS_FROM": "A name that is too long"}, "SMS_FROM"),
        ({"SMS_PROVIDER": "vonage"}, "SMS_SIGNATURE_SECRET"),
        ({"SMS_API_URL": "ftp://api.example"}, "SMS_API_URL"),
        ({"SMS_API_URL": "http://api.example"}, "SMS_API_URL"),
    ],
)
def test_a_provider_of_sms_that_could_not_work_is_refused(given: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsRefused) as refused:
        Settings.from_env(COMPLETE | TWILIO | given)
    assert word in str(refused.value)
    assert "the auth token" not in str(refused.value)


def test_addresses_and_keys_are_not_in_a_printed_settings_object() -> None:
    printed = repr(Settings.from_env(COMPLETE))
    assert "pw@db" not in printed
    assert COMPLETE["SECRET_KEY"] not in printed


def test_a_shell_beside_a_running_product_uses_what_it_runs_with(tmp_path: Path) -> None:
    running = COMPLETE | {"LIFECYCLE_DATA": str(tmp_path)}
    (tmp_path / "services.json").write_text(json.dumps({"environment": running}))
    settings = Settings.from_env({"LIFECYCLE_DATA": str(tmp_path), "MAIL_FROM": "Us <us@demo.example>"})
    assert settings.database_url == COMPLETE["DATABASE_URL"]
    assert settings.mail_from == "Us <us@demo.example>"


def test_without_a_product_or_an_address_the_sentence_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=r"DATABASE_URL is not set: start with ./dev up"):
        Settings.from_env({"LIFECYCLE_DATA": str(tmp_path)})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail", SmtpServer(host="mail", port=25)),
        ("smtps://mail", SmtpServer(host="mail", port=465, tls="implicit")),
        ("smtp://mail?starttls=1", SmtpServer(host="mail", port=587, tls="starttls")),
        ("smtp://u%40x:p%2Fw@mail:26", SmtpServer(host="mail", port=26, username="u@x", password="p/w")),
    ],
)
def test_a_mail_address_is_taken_apart(url: str, expected: SmtpServer) -> None:
    assert SmtpServer.from_url(url) == expected


def test_starting_needs_nothing_given() -> None:
    assert OwnServices.from_env({}) == OwnServices(environment="development")


def test_an_owner_without_an_app_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="without DATABASE_URL"):
        OwnServices.from_env({"DATABASE_OWNER_URL": "postgresql://owner@db/lifecycle"})


def test_the_driver_is_named_for_sqlalchemy() -> None:
    assert sqlalchemy_url("postgresql://a@/b?host=/run") == "postgresql+psycopg://a@/b?host=/run"


def test_only_a_tests_installation_has_a_clock_that_can_be_set(tmp_path: Path) -> None:
    """The drill moves the clock of a running product; nobody can in production or on a laptop."""
    for environment in ("production", "development"):
        with pytest.raises(SettingsRefused, match="LIFECYCLE_CLOCK"):
            Settings.from_env(COMPLETE | {"LIFECYCLE_ENV": environment, "LIFECYCLE_CLOCK": str(tmp_path)})
    allowed = Settings.from_env(COMPLETE | {"LIFECYCLE_ENV": "testing", "LIFECYCLE_CLOCK": "/x/clock"})
    assert allowed.clock_file == Path("/x/clock")


def test_hosts_that_channels_may_be_at_are_named_one_by_one() -> None:
    """E14: a pattern would open more than whoever writes it sees."""
    given = COMPLETE | {"CHANNEL_HOSTS_ALLOWED": "Chat.company.local:8443, 10.1.2.3"}
    assert Settings.from_env(given).channel_hosts_allowed == {"chat.company.local:8443", "10.1.2.3"}
    assert Settings.from_env(COMPLETE).channel_hosts_allowed == frozenset()
    for host in ("*.company.local", "https://chat.company.local/"):
        with pytest.raises(SettingsRefused, match="CHANNEL_HOSTS_ALLOWED"):
            Settings.from_env(COMPLETE | {"CHANNEL_HOSTS_ALLOWED": host})
