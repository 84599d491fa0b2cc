"""A provider of SMS on loopback that speaks the protocol of Twilio or Vonage, and what it signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs

from flask import Flask
from werkzeug.test import TestResponse

from lifecycle.config import SmsAccount
from tests.loopback import serving

SID = "AC" + "0" * 32
TOKEN = "the auth token"
KEY = "abcd1234"
SIGNATURE = "what vonage signs with"
BASIC = {"twilio": f"{SID}:{TOKEN}", "vonage": f"{KEY}:{TOKEN}"}
PATHS = {"twilio": f"/2010-04-01/Accounts/{SID}/Messages.json", "vonage": "/v1/messages"}


@dataclass
class SmsServer:
    """What it was given and how it answers; `answer` is a status with its body, None for a yes with an id.

    Set `delay` to have it think that many seconds before it answers, and `hangs_up` to have it take a
    text and say nothing. It refuses, as the real one does, whoever does not log in or leaves a field out.
    """

    provider: str
    taken: list[dict[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    arrived: int = 0
    answer: tuple[int, Any] | None = None
    delay: float = 0.0
    hangs_up: bool = False
    url: str = ""

    @property
    def account(self) -> SmsAccount:
        return SmsAccount(
            provider=self.provider,
            key=BASIC[self.provider].partition(":")[0],
            secret=TOKEN,
            sender="+34600000000",
            signature_secret=SIGNATURE,
            api_url=self.url,
        )

    @property
    def environment(self) -> dict[str, str]:
        """What tells another process to send here."""
        account = self.account
        return {
            "SMS_PROVIDER": account.provider,
            "SMS_ACCOUNT": account.key,
            "SMS_SECRET": account.secret,
            "SMS_FROM": account.sender,
            "SMS_SIGNATURE_SECRET": SIGNATURE,
            "SMS_API_URL": self.url,
        }

    def keep(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        status, said = self.take(path, headers, body)
        elsewhere = {"Location": f"{self.url}/elsewhere"} if status == 302 else {}
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        return status, content, {"Content-Type": "application/json", **elsewhere}

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        """Take a text, or not, and return what the sender is told."""
        if path != PATHS[self.provider]:
            return 404, {"message": "no such resource"}
        right = base64.b64encode(BASIC[self.provider].encode()).decode()
        if headers.get("Authorization") != f"Basic {right}":
            return 401, {"code": 20003, "message": "Authenticate"}
        text = self._read(headers.get("Content-Type", ""), body)
        if text is None:
            return 400, {"code": 21602, "message": "Message body is required"}
        if self.answer is not None and self.answer[0] >= 300:
            return self.answer
        self.taken.append(text)
        self.ids.append(f"SM{uuid.uuid4().hex}" if self.provider == "twilio" else str(uuid.uuid4()))
        if self.answer is not None:
            return self.answer
        if self.provider == "twilio":
            return 201, {"sid": self.ids[-1], "status": "queued"}
        return 202, {"message_uuid": self.ids[-1]}

    def _read(self, kind: str, body: bytes) -> dict[str, str] | None:
        if self.provider == "twilio" and kind == "application/x-www-form-urlencoded":
            fields = parse_qs(body.decode(), strict_parsing=True)
            given = {name: values[0] for name, values in fields.items() if len(values) == 1}
            return given if given.keys() == {"To", "From", "Body", "StatusCallback"} else None
        if self.provider == "vonage" and kind == "application/json":
            said: dict[str, str] = json.loads(body)
            wanted = {"message_type", "channel", "to", "from", "text", "client_ref"}
            return (
                said
                if wanted <= said.keys() and (said["channel"], said["message_type"]) == ("sms", "text")
                else None
            )
        return None

    @property
    def texts(self) -> list[str]:
        return [each["Body" if self.provider == "twilio" else "text"] for each in self.taken]

    @property
    def numbers(self) -> list[str]:
        return [each["To" if self.provider == "twilio" else "to"] for each in self.taken]


@contextmanager
def running_sms_server(provider: str, own: SmsServer | None = None) -> Iterator[SmsServer]:
    kept = own or SmsServer(provider)
    with serving(kept):
        yield kept


@contextmanager
def sending_by(app: Flask, account: SmsAccount | None) -> Iterator[None]:
    """Let the application in this process send SMS by this account."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(before, sms=account)
    try:
        yield
    finally:
        app.extensions["settings"] = before


def twilio_signature(url: str, fields: Mapping[str, str], token: str = TOKEN) -> str:
    """Twilio's signature, as its documentation has it."""
    said = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), said.encode(), hashlib.sha1).digest()).decode()


def post_twilio(
    app: Flask, path: str, fields: Mapping[str, str], signature: str | None = None
) -> TestResponse:
    """Post to the product as Twilio does, signed for its own address unless `signature` is given."""
    url = app.extensions["settings"].base_url + path
    headers = {"X-Twilio-Signature": twilio_signature(url, fields) if signature is None else signature}
    return app.test_client().post(path, data=dict(fields), headers=headers)


def vonage_token(
    body: bytes, *, secret: str = SIGNATURE, algorithm: str = "HS256", at: float | None = None, **claims: Any
) -> str:
    """Vonage's JWT over a body, as its documentation has it."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head = part(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    said = {
        "iat": int(time.time() if at is None else at),
        "jti": str(uuid.uuid4()),
        "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "api_key": KEY,
        **claims,
    }
    middle = part(json.dumps(said).encode())
    mac = hmac.new(secret.encode(), f"{head}.{middle}".encode(), hashlib.sha256).digest()
    return f"{head}.{middle}.{part(mac) if algorithm == 'HS256' else ''}"


def post_vonage(app: Flask, path: str, said: Mapping[str, Any], token: str | None = None) -> TestResponse:
    """Post to the product as Vonage does."""
    body = json.dumps(said).encode()
    headers = {"Authorization": f"Bearer {vonage_token(body) if token is None else token}"}
    return app.test_client().post(path, data=body, content_type="application/json", headers=headers)
