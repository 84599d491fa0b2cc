"""Slack, Teams and a receiver of webhooks on loopback, each as strict as the real one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask

from lifecycle.core.db import transaction
from lifecycle.records.outbox.compose import send_to_channel
from lifecycle.records.people.actor import SYSTEM
from lifecycle.records.team_channels.configure import create_channel
from tests.loopback import serving

KINDS = ("slack", "teams", "webhook")
PATHS = {
    "slack": "/services/T0/B0/" + "x" * 24,
    "teams": "/workflows/abc/triggers/manual/paths/invoke?api-version=1&sig=" + "y" * 24,
    "webhook": "/hook",
}
_LINK = re.compile(r"<https?://[^|<>]+\|[^<>]+>")


@dataclass
class ChannelServer:
    """What it was given and how it answers; `answer` is a status, a body and headers, None for a yes.

    Set `delay` to have it think that many seconds before it answers, and `hangs_up` to have it take a message
    and say nothing. `broken` lists what the real one would not have taken.
    """

    kind: str
    taken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: int = 0
    answer: tuple[int, str, dict[str, str]] | None = None
    delay: float = 0.0
    hangs_up: bool = False
    secret: str | None = None
    url: str = ""

    @property
    def address(self) -> str:
        return self.url + PATHS[self.kind]

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def ids(self) -> list[str]:
        return [each["webhook-id"] for each in self.headers]

    def keep(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes, dict[str, str]]:
        status, said, more = self.take(path, headers, body)
        return status, said.encode(), more

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, dict[str, str]]:
        """Take a message, or not, and return what the sender is told."""
        if path != PATHS[self.kind]:
            return 404, "no_service", {}
        if self.answer is not None and self.answer[0] >= 300:
            return self.answer
        if headers.get("Content-Type") != "application/json":
            return 400, "invalid_payload", {}
        said = json.loads(body)
        problem = getattr(self, f"_problem_of_{self.kind}")(said, headers, body)
        if problem:
            return 400, problem, {}
        self.taken.append(said)
        self.headers.append({name.lower(): value for name, value in headers.items()})
        if self.answer is not None:
            return self.answer
        return {"slack": (200, "ok", {}), "teams": (202, "", {}), "webhook": (204, "", {})}[self.kind]

    def _problem_of_slack(self, said: Any, _headers: object, _body: bytes) -> str | None:
        if not isinstance(said.get("text"), str) or not said["text"]:
            return "no_text"
        for text in slack_texts(said):
            if not 0 < len(text) <= 3000:
                return "invalid_blocks"
        return None

    def _problem_of_teams(self, said: Any, _headers: object, body: bytes) -> str | None:
        if len(body) > 28 * 1024:
            return "RequestEntityTooLarge"
        [attachment] = said["attachments"]
        is_card = attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        return None if said["type"] == "message" and is_card else "InvalidBody"

    def _problem_of_webhook(self, said: Any, headers: Mapping[str, str], body: bytes) -> str | None:
        if self.secret is not None and not is_signed(headers, body, self.secret):
            return "invalid signature"
        return None if {"type", "timestamp", "data"} == said.keys() else "invalid body"


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether a receiver who has this secret believes a message, as Standard Webhooks has it."""
    given = {name.lower(): value for name, value in headers.items()}
    signed = f"{given['webhook-id']}.{given['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.partition("_")[2])
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    is_fresh = abs(time.time() - int(given["webhook-timestamp"])) < 300
    return is_fresh and f"v1,{right}" in given["webhook-signature"].split()


def slack_texts(said: Mapping[str, Any]) -> list[str]:
    """Every text in which Slack would look for mentions and links."""
    found = [said["text"]]
    for block in said["blocks"]:
        found += [each["text"] for each in [block.get("text"), *block.get("elements", [])] if each]
    return found


def slack_commands(said: Mapping[str, Any]) -> list[str]:
    """What Slack would take for a mention or a link in a message."""
    return [found for text in slack_texts(said) for found in re.findall(r"<[^>]*>", text)]


def teams_texts(said: Mapping[str, Any]) -> list[str]:
    """The lines of a card; Markdown is only read in text blocks, of which there must be none."""
    content = said["attachments"][0]["content"]
    assert '"TextBlock"' not in json.dumps(content)
    return [run["text"] for block in content["body"] for run in block["inlines"]]


@contextmanager
def running_channel(kind: str) -> Iterator[ChannelServer]:
    kept = ChannelServer(kind)
    with serving(kept):
        yield kept


@contextmanager
def allowing(app: Flask, *hosts: str) -> Iterator[None]:
    """Excuse these hosts in the application of this process."""
    before = app.extensions["settings"]
    app.extensions["settings"] = replace(
        before, channel_hosts_allowed=before.channel_hosts_allowed | frozenset(hosts)
    )
    try:
        yield
    finally:
        app.extensions["settings"] = before


def set_up(app: Flask, server: ChannelServer, key: str = "delivery-alerts") -> uuid.UUID:
    """Commit a channel that leads to a server, whose host must be allowed."""
    with app.app_context(), transaction():
        channel, server.secret = create_channel(
            key=key, name="Delivery alerts", kind=server.kind, address=server.address, actor=SYSTEM
        )
        return channel.id


def tell_channel(
    app: Flask,
    key: str = "delivery-alerts",
    number: int = 1,
    *,
    subject: str = "Cutover",
    text: str = "It begins.\n",
    **more: Any,
) -> None:
    """Owe a channel `number` messages."""
    about = {"event": "card.stage.entered", "link": "http://localhost/cards/1", "stage": {"name": "Cutover"}}
    with app.app_context(), transaction():
        for each in range(number):
            send_to_channel(key, "test", subject=f"{subject} {each}", text=text, about=about, **more)
