"""The providers of SMS: Twilio's Programmable Messaging and Vonage's Messages API, each as it is spoken.

A provider takes a text, later posts to us what became of it (a receipt) and what people answer (a reply), and
signs both. Neither would notice that it is asked for the same twice, but both give our own id of a message
back: so a receipt tells what became of a text whose answer was lost on the way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Protocol
from urllib.parse import quote, urlencode

from flask import current_app

from lifecycle.config import SmsAccount
from lifecycle.core.clock import now
from lifecycle.core.text import many_lines
from lifecycle.records.posting import Answer
from lifecycle.records.sms.answers import ask, refusal

Outcome = Literal["sent", "delivered", "failed"]

STOP_WORDS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
_LONGEST_ID: Final = 100
_LONGEST_REPLY: Final = 2000


@dataclass(frozen=True)
class Text:
    """One SMS. `key` is our id of the message; `to` is a number like +34612345678."""

    key: str
    to: str
    body: str


@dataclass(frozen=True)
class Receipt:
    """What became of a text: under the provider's id, and ours where they give it back."""

    provider_id: str
    key: str | None
    outcome: Outcome
    why: str = ""
    is_stop: bool = False


@dataclass(frozen=True)
class Reply:
    """What somebody answered: their number's digits, one word of ours for it, and their own words."""

    provider_id: str
    digits: str
    word: Literal["stop", "start", "other"]
    text: str


class Provider(Protocol):
    """What carries texts. Each method says the same of every provider."""

    name: ClassVar[str]
    says: ClassVar[str]

    def hand_over(self, text: Text, before_sending: Callable[[], None]) -> str | None:
        """Give a text to the provider; return their id of it once they have taken it, if they say one.

        Raises:
            TextRefused: they will not have it.
            Unreachable, Unsure: as `answers.ask`.
        """


class Twilio:
    """As https://www.twilio.com/docs/messaging/api and /docs/usage/webhooks/webhooks-security have it."""

    name: ClassVar[str] = "twilio"
    says: ClassVar[str] = "Twilio"
    API: Final = "https://api.twilio.com"
    _STOPPED: Final = "21610"

    def __init__(self, account: SmsAccount, base_url: str) -> None:
        self._account, self._base_url = account, base_url
        self.sender = account.sender

    def hand_over(self, text: Text, before_sending: Callable[[], None]) -> str | None:
        """Send a text. See Provider."""
        account = self._account
        sender = "MessagingServiceSid" if account.sender.startswith("MG") else "From"
        fields = {
            "To": text.to,
            sender: account.sender,
            "Body": text.body,
            "StatusCallback": f"{self._base_url}{self.receipts_path(text.key)}",
        }
        url = f"{account.api_url or self.API}/2010-04-01/Accounts/{quote(account.key, safe='')}/Messages.json"
        headers = {
            "Authorization": _basic(account),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        answer = ask(url, urlencode(fields).encode(), headers, before_sending)
        if answer.status >= 300:
            code, words = str(answer.body.get("code") or ""), str(answer.body.get("message") or "")
            raise refusal(answer.status, f"{code} {words}", is_stop=code == self._STOPPED)
        return _id(answer, "sid")

    @staticmethod
    def receipts_path(key: str) -> str:
        """Return where the receipts of a message are posted."""
        return f"/sms/twilio/receipts/{key}"

    def is_signed(self, path: str, fields: Mapping[str, list[str]], signature: str) -> bool:
        """Say whether what was posted to `path`, as the address reads outside, is from Twilio."""
        said = self._base_url + path
        said += "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))
        right = base64.b64encode(hmac.digest(self._account.secret.encode(), said.encode(), hashlib.sha1))
        # As bytes: what is no ASCII is wrong, and no error.
        return hmac.compare_digest(right, signature.encode("utf-8", "replace"))

    def read_receipt(self, fields: Mapping[str, str], key: str) -> Receipt | None:
        """Return what a receipt says; None for what is on its way still, or no receipt at all."""
        outcomes: dict[str, Outcome] = {
            "sent": "sent",
            "delivered": "delivered",
            "read": "delivered",
            "undelivered": "failed",
            "failed": "failed",
        }
        outcome = outcomes.get(fields.get("MessageStatus", ""))
        provider_id, code = fields.get("MessageSid", ""), fields.get("ErrorCode", "")
        if outcome is None or not _may_be_id(provider_id):
            return None
        why = f"Twilio's error {code[:20]}" if code else "no reason was given"
        return Receipt(provider_id, key, outcome, why, is_stop=code == self._STOPPED)

    def read_reply(self, fields: Mapping[str, str]) -> Reply | None:
        """Return what somebody answered."""
        word = fields.get("OptOutType") or fields.get("Body", "")
        return _reply(fields.get("MessageSid", ""), fields.get("From", ""), word)


class Vonage:
    """As https://developer.vonage.com/en/api/messages has it; a JWT with the body's digest signs webhooks."""

    name: ClassVar[str] = "vonage"
    says: ClassVar[str] = "Vonage"
    API: Final = "https://api.nexmo.com"
    # How old what they signed may be: they try again for a day, and sign each try anew.
    SIGNED_LASTS: Final = timedelta(minutes=15)

    def __init__(self, account: SmsAccount, base_url: str) -> None:
        self._account, self._base_url = account, base_url
        self.sender = account.sender

    def hand_over(self, text: Text, before_sending: Callable[[], None]) -> str | None:
        """Send a text. See Provider."""
        account = self._account
        message = {
            "message_type": "text",
            "channel": "sms",
            "to": text.to.lstrip("+"),
            "from": account.sender.lstrip("+"),
            "text": text.body,
            "client_ref": text.key,
            "webhook_url": f"{self._base_url}/sms/vonage/receipts",
            "webhook_version": "v1",
        }
        headers = {
            "Authorization": _basic(account),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        url = f"{account.api_url or self.API}/v1/messages"
        answer = ask(url, json.dumps(message).encode(), headers, before_sending)
        if answer.status >= 300:
            words = f"{answer.body.get('title') or ''} {answer.body.get('detail') or ''}"
            raise refusal(answer.status, words)
        return _id(answer, "message_uuid")

    def is_signed(self, body: bytes, authorization: str) -> bool:
        """Say whether a body is from Vonage: a fresh JWT under our secret that names its SHA-256."""
        scheme, _, token = authorization.partition(" ")
        claims = _claims(token.strip(), self._account.signature_secret or "")
        if scheme.lower() != "bearer" or claims is None:
            return False
        issued, digest = claims.get("iat"), claims.get("payload_hash")
        if isinstance(issued, bool) or not isinstance(issued, int | float) or not isinstance(digest, str):
            return False
        is_fresh = abs(now().timestamp() - issued) <= self.SIGNED_LASTS.total_seconds()
        is_ours = str(claims.get("api_key", self._account.key)) == self._account.key
        right = hashlib.sha256(body).hexdigest().encode()
        return is_fresh and is_ours and hmac.compare_digest(right, digest.lower().encode("utf-8", "replace"))

    def read_receipt(self, said: Mapping[str, Any]) -> Receipt | None:
        """Return what a receipt says; None for what is no final word on a text."""
        outcomes: dict[str, Outcome] = {
            "submitted": "sent",
            "delivered": "delivered",
            "read": "delivered",
            "rejected": "failed",
            "undeliverable": "failed",
        }
        outcome = outcomes.get(str(said.get("status")))
        provider_id = str(said.get("message_uuid") or "")
        if outcome is None or not _may_be_id(provider_id):
            return None
        error = said.get("error")
        error = error if isinstance(error, dict) else {}
        why = " ".join(f"{error.get('title') or ''} {error.get('detail') or ''}".split())[:200]
        key = said.get("client_ref")
        return Receipt(provider_id, str(key) if key else None, outcome, why or "no reason was given")

    def read_reply(self, said: Mapping[str, Any]) -> Reply | None:
        """Return what somebody answered."""
        if said.get("channel") != "sms":
            return None
        return _reply(
            str(said.get("message_uuid") or ""), str(said.get("from") or ""), str(said.get("text") or "")
        )


def find_provider() -> Twilio | Vonage | None:
    """Return what carries SMS in this installation; None where none is set up."""
    settings = current_app.extensions["settings"]
    account: SmsAccount | None = settings.sms
    if account is None:
        return None
    kind = Twilio if account.provider == Twilio.name else Vonage
    return kind(account, settings.base_url)


def _reply(provider_id: str, number: str, text: str) -> Reply | None:
    digits = "".join(letter for letter in number if letter.isascii() and letter.isdigit())
    if not _may_be_id(provider_id) or not 5 <= len(digits) <= 15:
        return None
    word = "".join(letter for letter in text.upper() if letter.isalpha())
    return Reply(
        provider_id,
        digits,
        "stop" if word in STOP_WORDS else "start" if word in START_WORDS else "other",
        many_lines(text)[:_LONGEST_REPLY],
    )


def _may_be_id(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable()


def _id(answer: Answer, name: str) -> str | None:
    found = answer.body.get(name)
    return found if isinstance(found, str) and _may_be_id(found) else None


def _basic(account: SmsAccount) -> str:
    return "Basic " + base64.b64encode(f"{account.key}:{account.secret}".encode()).decode()


def _claims(token: str, secret: str) -> Mapping[str, Any] | None:
    """Return what a JWT claims if it is signed with HMAC-SHA256 under `secret`, and says so."""
    head, _, rest = token.partition(".")
    claims, _, signature = rest.partition(".")
    try:
        right = hmac.digest(secret.encode(), f"{head}.{claims}".encode("ascii"), hashlib.sha256)
        if not secret or not hmac.compare_digest(right, _decoded(signature)):
            return None
        algorithm, found = json.loads(_decoded(head)), json.loads(_decoded(claims))
    except (ValueError, RecursionError):
        return None
    if not isinstance(algorithm, dict) or algorithm.get("alg") != "HS256" or not isinstance(found, dict):
        return None
    return found


def _decoded(part: str) -> bytes:
    return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
