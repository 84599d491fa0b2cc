"""The local mailbox: a mail server on loopback that keeps every message as a file and sends nothing on.

`python -m lifecycle.runtime.mailbox FOLDER --fd N` serves on a listening socket inherited as N.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import secrets
import signal
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

LARGEST_MESSAGE = 50 * 1024 * 1024
_TIME = "%Y%m%dT%H%M%S.%f"
_ID = re.compile(r"\d{8}T\d{6}\.\d{6}-[0-9a-f]{8}")


@dataclass(frozen=True, kw_only=True)
class MessageSummary:
    """One message as a list shows it."""

    id: str
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str


@dataclass(frozen=True, kw_only=True)
class Message(MessageSummary):
    """One message opened: its bodies as text, and what is attached by name."""

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    attachments: tuple[str, ...]
    source: bytes = field(repr=False)


def list_messages(folder: Path, limit: int = 200) -> list[MessageSummary]:
    """The newest messages first. An absent folder is an empty mailbox."""
    files = sorted(folder.glob("*.eml"), reverse=True) if folder.is_dir() else []
    return [
        _summary(file.stem, _parse(file.read_bytes())) for file in files[:limit] if _ID.fullmatch(file.stem)
    ]


def read_message(folder: Path, message_id: str) -> Message | None:
    """One message by its id; None when there is none, or when the id could not be one."""
    file = folder / f"{message_id}.eml"
    if not _ID.fullmatch(message_id) or not file.is_file():
        return None
    source = file.read_bytes()
    parsed = _parse(source)
    summary = _summary(message_id, parsed)
    return Message(
        id=summary.id,
        received_at=summary.received_at,
        sender=summary.sender,
        recipients=summary.recipients,
        subject=summary.subject,
        headers=tuple((name, str(value)) for name, value in parsed.items()),
        text=_body(parsed, "plain"),
        html=_body(parsed, "html"),
        attachments=tuple(part.get_filename() or "unnamed" for part in parsed.iter_attachments()),
        source=source,
    )


class KeepAsFiles:
    """The server's side: a message becomes one file, whole or not at all, before it is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        self.keep(envelope)
        return "250 Kept in the local mailbox"

    def keep(self, envelope: Envelope) -> None:
        """Write one message with the addresses really used, which a blind copy leaves out of it."""
        used = [f"X-Envelope-From: {envelope.mail_from or ''}"]
        used += [f"X-Envelope-To: {recipient}" for recipient in envelope.rcpt_tos]
        message_id = f"{datetime.now(UTC).strftime(_TIME)}-{secrets.token_hex(4)}"
        half = self._folder / f".{message_id}.half"
        half.write_bytes(
            "".join(f"{line}\r\n" for line in used).encode() + (envelope.original_content or b"")
        )
        half.replace(self._folder / f"{message_id}.eml")


async def serve(folder: Path, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    keeper = KeepAsFiles(folder)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = await loop.create_server(
        lambda: SMTP(keeper, data_size_limit=LARGEST_MESSAGE, enable_SMTPUTF8=True, loop=loop), sock=listening
    )
    await stop.wait()
    server.close()


def _parse(source: bytes) -> EmailMessage:
    message = message_from_bytes(source, policy=policy.default)
    if not isinstance(message, EmailMessage):
        raise TypeError("The default policy makes EmailMessage.")
    return message


def _summary(message_id: str, message: EmailMessage) -> MessageSummary:
    received_at = datetime.strptime(message_id.split("-", maxsplit=1)[0], _TIME).replace(tzinfo=UTC)
    return MessageSummary(
        id=message_id,
        received_at=received_at,
        sender=str(message["From"] or message["X-Envelope-From"] or ""),
        recipients=tuple(str(value) for value in message.get_all("X-Envelope-To", [])),
        subject=str(message["Subject"] or ""),
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except LookupError:  # An encoding that nobody knows: show what can be read of it.
        return bytes(part.get_payload(decode=True)).decode(errors="replace")


def main() -> None:
    parser = argparse.ArgumentParser(description="Keep every mail as a file and send nothing on.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fd", type=int, help="a listening socket, inherited")
    parser.add_argument("--port", type=int, default=1025, help="otherwise, the port on 127.0.0.1")
    arguments = parser.parse_args()
    if arguments.fd is None:
        listening = socket.create_server(("127.0.0.1", arguments.port))
    else:
        listening = socket.socket(fileno=arguments.fd)
        os.set_inheritable(arguments.fd, False)
    asyncio.run(serve(arguments.folder, listening))


if __name__ == "__main__":
    main()
