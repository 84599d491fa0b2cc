"""Mail without a mail server: kept whole, listed newest first, and read safely."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import Envelope

from lifecycle.runtime.mailbox import KeepAsFiles, list_messages, read_message


def keep(folder: Path, message: EmailMessage, *recipients: str) -> None:
    envelope = Envelope()
    envelope.mail_from, envelope.rcpt_tos = "us@demo.example", list(recipients)
    envelope.original_content = message.as_bytes()
    KeepAsFiles(folder).keep(envelope)


def letter(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Us <us@demo.example>", "you@demo.example"
    message.set_content("Plain wörds")
    message.add_alternative("<p>Rich wörds</p>", subtype="html")
    message.add_attachment(b"1", maintype="text", subtype="csv", filename="für.csv")
    return message


def test_messages_are_listed_newest_first(tmp_path: Path) -> None:
    keep(tmp_path, letter("First"), "a@demo.example")
    keep(tmp_path, letter("Second · grün"), "a@demo.example", "hidden@demo.example")
    assert [message.subject for message in list_messages(tmp_path)] == ["Second · grün", "First"]
    assert list_messages(tmp_path)[0].recipients == ("a@demo.example", "hidden@demo.example")


def test_a_message_is_read_with_its_bodies_and_attachments(tmp_path: Path) -> None:
    keep(tmp_path, letter("Hello"), "a@demo.example")
    message = read_message(tmp_path, list_messages(tmp_path)[0].id)
    assert message is not None
    assert message.text.strip() == "Plain wörds"
    assert message.html.strip() == "<p>Rich wörds</p>"
    assert message.attachments == ("für.csv",)


@pytest.mark.parametrize("message_id", ["", "../secrets", "20260101T000000.000000-00000000", "x\0y"])
def test_an_id_that_is_none_opens_nothing(tmp_path: Path, message_id: str) -> None:
    assert read_message(tmp_path, message_id) is None


def test_a_broken_message_is_still_listed(tmp_path: Path) -> None:
    keep(tmp_path, letter("Good"), "a@demo.example")
    broken = tmp_path / "20300101T000000.000000-0123abcd.eml"
    broken.write_bytes(b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe")
    assert len(list_messages(tmp_path)) == 2
    assert read_message(tmp_path, broken.stem) is not None


def test_no_folder_is_an_empty_mailbox(tmp_path: Path) -> None:
    assert list_messages(tmp_path / "none") == []
