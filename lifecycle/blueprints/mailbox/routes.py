"""`/dev/mailbox`: the list, a message, and its HTML in a frame of its own.

Open without a log-in, since the first link a person needs is one they get before they can log in; and only
to this machine, since the letters hold links that open accounts.
"""

from __future__ import annotations

import json
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import Envelope
from flask import Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.mailbox import mailbox
from lifecycle.core.errors import NotFound
from lifecycle.core.text import one_line
from lifecycle.extensions import csrf
from lifecycle.runtime.mailbox import KeepAsFiles, Message, list_messages, read_message
from lifecycle.web.access import public

# The page may hold the one frame; the frame may hold nothing but its own look, and runs nothing.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; frame-src 'self'"
)
_LETTER_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


@mailbox.before_request
def _refuse_strangers() -> None:
    if not ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104 - an address that is nobody's
        raise NotFound("The mailbox is open to this machine only.")


@mailbox.post("/channels/<string:key>")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def keep_channel_message(key: str) -> ResponseReturnValue:
    """Keep what the demo tells a team's channel beside the mail, as any receiver of webhooks might."""
    try:
        message = json.loads(request.get_data(cache=False))["data"]["message"]
        letter = EmailMessage()
        letter["From"], letter["Subject"] = "Lifecycle", one_line(str(message["subject"]))
        letter.set_content(f"{message['text']}\n")
    except (ValueError, KeyError, TypeError, RecursionError):
        return Response(status=400)
    envelope = Envelope()
    envelope.rcpt_tos = [f"#{one_line(key)}"]
    envelope.original_content = letter.as_bytes()
    KeepAsFiles(_folder()).keep(envelope)
    return Response(status=204)


@mailbox.get("")
@public
def show_mailbox() -> ResponseReturnValue:
    """List what was mailed, newest first."""
    return render_template("mailbox/list.html", messages=list_messages(_folder()))


@mailbox.get("/<message_id>")
@public
def show_message(message_id: str) -> ResponseReturnValue:
    """Show one message as text and as HTML."""
    response = make_response(render_template("mailbox/message.html", message=_message(message_id)))
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    return response


@mailbox.get("/<message_id>/html")
@public
def show_letter(message_id: str) -> ResponseReturnValue:
    """Show a message's HTML, which anybody may have written: no script, no outside picture, no form."""
    html = _message(message_id).html
    # Links open beside the mailbox; inside the frame they would lead nowhere.
    aside = '<base target="_blank">'
    html = html.replace("<head>", f"<head>{aside}", 1) if "<head>" in html else aside + html
    return Response(html, headers={"Content-Security-Policy": _LETTER_POLICY})


def _message(message_id: str) -> Message:
    message = read_message(_folder(), message_id)
    if message is None:
        raise NotFound("There is no such message in the local mailbox.")
    return message


def _folder() -> Path:
    folder: Path = current_app.extensions["settings"].data_dir / "mailbox"
    return folder
