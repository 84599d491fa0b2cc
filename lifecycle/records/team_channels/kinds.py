"""How each kind of channel is spoken to: Slack's incoming webhooks, Teams' workflows, webhooks of anybody.

Titles and names are anybody's words. In none of the three may they become a mention, a link or a command:
Slack has its three letters escaped and nothing looked for in the text, Teams gets text runs, which know no
Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

from lifecycle.core.clock import now
from lifecycle.core.text import one_line
from lifecycle.records.mailer import Refused, Unsure
from lifecycle.records.posting import Answer, post
from lifecycle.records.team_channels.addresses import dial
from lifecycle.records.team_channels.signing import signed_headers

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 15.0
LONGEST_REST: Final = timedelta(hours=1)
_GONE: Final = 410
_BUSY: Final = (408, 425, 429)
_NOBODY_KNOWS: Final = (502, 504)
_OPEN: Final = "Open the card"
# What Slack takes in one block.
_LONGEST_BLOCK: Final = 3000
_LONGEST_TITLE: Final = 300
# Teams takes 28 KB with everything around it, and JSON may double a letter's bytes and more.
_MOST_BYTES: Final = 16_000
_MOST_LINES: Final = 60
_ENDS: Final = (". ", "! ", "? ", ".\n", "!\n", "?\n", "\n")


class ChannelRefused(Refused):
    """The channel will not have it. `again_in` is what it asks us to wait; `is_gone`: it wants no more."""

    def __init__(
        self, words: str, *, is_final: bool, again_in: timedelta | None = None, is_gone: bool = False
    ) -> None:
        Exception.__init__(self, one_line(words)[:500])
        self.is_final = is_final
        self.again_in = again_in
        self.is_gone = is_gone


@dataclass(frozen=True)
class TeamMessage:
    """What a channel is told. `key` is our id of it; `about` says of what it is, for programs."""

    key: str
    subject: str
    text: str
    link: str
    made_at: datetime
    about: Mapping[str, Any]


@dataclass(frozen=True)
class Parcel:
    """A message with where it goes; `secrets` sign it where the kind is signed."""

    kind: str
    address: str
    secrets: tuple[str, ...]
    message: TeamMessage

    def hand_over(self, before_sending: Callable[[], None]) -> None:
        """Post it; return once it is taken.

        Raises:
            ChannelRefused, NotPublic: they will not have it, or it goes where nothing may go.
            Unreachable, Unsure: as `posting.post`.
        """
        kind = KINDS[self.kind]
        body = json.dumps(kind.write(self.message)).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Lifecycle"}
        if self.secrets:
            headers |= signed_headers(self.message.key, int(now().timestamp()), body, self.secrets)
        answer = post(
            self.address,
            body,
            headers,
            before_sending=before_sending,
            dial=dial,
            connect_within=CONNECT_SECONDS,
            answer_within=ANSWER_SECONDS,
        )
        _require_taken(answer, knows_doubles=kind.knows_doubles)
        kind.require_yes(answer)


class Kind(Protocol):
    """A kind of channel. `knows_doubles`: whoever gets the same message twice can tell."""

    @property
    def knows_doubles(self) -> bool:
        """Whether a message may be sent again when nobody knows what became of it."""

    def write(self, message: TeamMessage) -> Mapping[str, Any]:
        """Return the message as it is posted."""

    def require_yes(self, answer: Answer) -> None:
        """Raise ChannelRefused for a no within an answer that looks like a yes."""


class Slack:
    """As https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks has it."""

    knows_doubles = False

    def write(self, message: TeamMessage) -> Mapping[str, Any]:
        """Return blocks, and the text for notices and for readers that show none."""
        title = one_line(message.subject)
        subject = slack_escaped(cut(title, _LONGEST_TITLE, slack_escaped))
        text = slack_escaped(cut(message.text.strip(), _LONGEST_BLOCK, slack_escaped))
        blocks = [_section(f"*{_unstarred(subject)}*"), *([_section(text)] if text else [])]
        if message.link:
            link = {"type": "mrkdwn", "text": f"<{message.link}|{_OPEN}>"}
            blocks.append({"type": "context", "elements": [link]})
        return {"text": subject, "blocks": blocks}

    def require_yes(self, answer: Answer) -> None:
        """Slack says `ok`, and nothing else means that it was taken."""
        if answer.content.strip() != b"ok":
            raise ChannelRefused(f"{answer.status} {answer.said}", is_final=True)


class Teams:
    """As a workflow of Teams takes it: a message with an Adaptive Card."""

    knows_doubles = False

    def write(self, message: TeamMessage) -> Mapping[str, Any]:
        """Return the card: its title, a block for each line, and the button."""
        text = cut(message.text.strip(), _MOST_BYTES, json.dumps)
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) > _MOST_LINES:
            lines = [*lines[:_MOST_LINES], "…"]
        title = cut(one_line(message.subject), _LONGEST_TITLE, str)
        body = [_text_block(title, is_title=True), *(_text_block(line) for line in lines)]
        card: dict[str, Any] = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "fallbackText": "A message from Lifecycle",
            "body": body,
        }
        if message.link:
            card["actions"] = [{"type": "Action.OpenUrl", "title": _OPEN, "url": message.link}]
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}

    def require_yes(self, answer: Answer) -> None:
        """A workflow accepts with 202, and says nothing."""


class Webhook:
    """As https://www.standardwebhooks.com has it."""

    knows_doubles = True

    def write(self, message: TeamMessage) -> Mapping[str, Any]:
        """Return what happened, and to what."""
        about = dict(message.about)
        return {
            "type": about.pop("event", "message"),
            "timestamp": message.made_at.isoformat(),
            "data": {
                **about,
                "message": {"subject": message.subject, "text": message.text},
                "link": message.link or None,
            },
        }

    def require_yes(self, answer: Answer) -> None:
        """Whatever is said with a 2xx is a yes."""


KINDS: Final[Mapping[str, Kind]] = {"slack": Slack(), "teams": Teams(), "webhook": Webhook()}


def slack_escaped(text: str) -> str:
    """Return text without what begins a mention, a link or a command in Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int, written: Callable[[str], str]) -> str:
    """Return as much of a text as is no longer than `limit` once written, up to the end of a sentence."""
    if len(written(text)) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(written(text[:middle] + "…")) <= limit else (low, middle - 1)
    kept = text[:low]
    # The end of a sentence, else of a word, unless too much would go with it.
    ends = [found + len(end.rstrip(" ")) for end in _ENDS if (found := kept.rfind(end)) > low // 2]
    end = max(ends, default=max(kept.rfind(" "), low // 2))
    return kept[:end].rstrip() + "…"


def _section(text: str) -> dict[str, Any]:
    # Verbatim: no address, name or channel is looked for in it.
    return {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}


def _unstarred(text: str) -> str:
    # The star would end the bold print.
    return text.replace("*", "\N{ASTERISK OPERATOR}")


def _text_block(text: str, *, is_title: bool = False) -> dict[str, Any]:
    run: dict[str, Any] = {"type": "TextRun", "text": text}
    if is_title:
        run |= {"weight": "Bolder", "size": "Medium"}
    return {"type": "RichTextBlock", "inlines": [run]}


def _require_taken(answer: Answer, *, knows_doubles: bool) -> None:
    status, said = answer.status, f"{answer.status} {answer.said}"
    if 200 <= status < 300:
        return
    if status in _NOBODY_KNOWS and not knows_doubles:
        raise Unsure(f"A gateway answered {status}.")
    if 300 <= status < 400:
        raise ChannelRefused(f"{status}: it leads elsewhere, and nothing is followed.", is_final=True)
    is_busy = status in _BUSY or status >= 500
    raise ChannelRefused(
        said,
        is_final=not is_busy,
        again_in=_asked_to_wait(answer.retry_after) if is_busy else None,
        is_gone=status == _GONE,
    )


def _asked_to_wait(header: str | None) -> timedelta | None:
    """Return how long a Retry-After asks us to wait, in seconds or until a date; None if it does not say."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        asked = timedelta(seconds=min(int(text[:9]), 1_000_000))
    else:
        try:
            asked = parsedate_to_datetime(text) - now()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(asked, timedelta()), LONGEST_REST)
