"""Flask-Mail, bound to the app here so that jobs and tests share one instance, with what it lacks.

Flask-Mail sets no time-outs and hands a message over in one call. Here a silent server is given up, and the
caller learns of the moment before DATA, after which nobody can take a message back.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.charset import QP, Charset
from email.header import Header
from email.mime.base import MIMEBase
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.policy import SMTP, compat32
from email.utils import parseaddr
from typing import Any, cast

import flask_mail
from flask import Flask, current_app

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 20.0
# After the last byte a server may still scan the message; it then answers once.
DATA_SECONDS = 60.0

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}\b")
# Of servers that give no status: mailbox unavailable, user not local, name not allowed.
_NO_MAILBOX = (550, 551, 553)

_ONE_LINE = 60
_AS_ENCODED = SMTP.clone(refold_source="none")
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP


class Refused(Exception):
    """The server said no to this message. `is_final` tells that asking again cannot help."""

    def __init__(self, code: int, answer: bytes) -> None:
        super().__init__(f"{code} {' '.join(answer.decode('utf-8', 'replace').split())}"[:500])
        self.is_final = code >= 500


class AddressRefused(Refused):
    """The server knows no such mailbox: whatever is sent there comes to the same end."""


class Unreachable(Exception):
    """No answer, or none that makes sense, before the message was handed over; asking again is right."""


class Unsure(Exception):
    """The connection was lost after the message was handed over: it may have been taken or not."""


class Message(flask_mail.Message):
    """A Flask-Mail message that any server takes and any program reads.

    Bodies are quoted-printable, however long a line. Headers stay as they were encoded: the standard library
    would decode the long ones again, lose the quotes of names, and join encoded words to plain ones.
    """

    def _message(self) -> MIMEBase:
        message = super()._message()
        if len(self.subject) > _ONE_LINE:
            message.policy = compat32  # The one that takes folded lines.
            message.replace_header("Subject", Header(self.subject, "utf-8").encode())
        message.policy = _AS_ENCODED
        return message

    def _mimetext(self, text: str | None, subtype: str = "plain") -> MIMEText:
        part = MIMENonMultipart("text", subtype, charset="utf-8")
        part.set_payload(text or "", _UTF8)
        return cast(MIMEText, part)


class Connection(flask_mail.Connection):
    """A Flask-Mail connection with time-outs that hands over one message in two steps."""

    def configure_host(self) -> smtplib.SMTP | smtplib.SMTP_SSL:
        """Connect, protect the connection as the settings say, and log in."""
        state = self.mail
        port = state.port or 25
        # Given, since smtplib would look it up in the DNS, which may not answer.
        name = socket.gethostname() if "." in socket.gethostname() else "[127.0.0.1]"
        with _before_data():
            host: smtplib.SMTP
            if state.use_ssl:
                context = ssl.create_default_context()
                host = smtplib.SMTP_SSL(state.server, port, name, timeout=CONNECT_SECONDS, context=context)
            else:
                host = smtplib.SMTP(state.server, port, name, timeout=CONNECT_SECONDS)
            _set_timeout(host, COMMAND_SECONDS)
            host.ehlo_or_helo_if_needed()
            if state.use_tls:
                host.starttls(context=ssl.create_default_context())
                host.ehlo()
            if state.username and state.password:
                host.login(state.username, state.password)
        return host

    def __exit__(self, *_error: object) -> None:
        """Say goodbye; what was handed over stays handed over however that goes."""
        if self.host is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self.host.quit()
            self.host.close()

    def hand_over(self, message: flask_mail.Message, before_data: Callable[[], None]) -> None:
        """Give `message` to the server; return when the server has taken responsibility for it.

        Args:
            before_data: called once when the server awaits the message and has not got it. What it raises
                stops the hand-over.

        Raises:
            Refused: the server will not have it.
            Unreachable: the connection failed before the message was handed over.
            Unsure: the connection failed after that.
            flask_mail.BadHeaderError, ValueError: it cannot be put into a valid message.
        """
        host = self.host
        if host is None:
            raise Unreachable("Not connected.")
        if message.has_bad_headers():
            raise flask_mail.BadHeaderError
        content = _on_the_wire(message.as_bytes())
        sender = flask_mail.sanitize_address(message.sender)
        with _before_data():
            _expect(host.mail(sender), 250)
            for recipient in flask_mail.sanitize_addresses(message.send_to):
                code, answer = host.rcpt(parseaddr(recipient)[1])
                if _means_no_mailbox(code, answer):
                    raise AddressRefused(code, answer)
                _expect((code, answer), 250, 251)
        before_data()
        with _before_data():
            _expect(host.docmd("DATA"), 354)
        try:
            _set_timeout(host, DATA_SECONDS)
            host.send(content)
            code, answer = host.getreply()
            _set_timeout(host, COMMAND_SECONDS)
        except (OSError, smtplib.SMTPException) as error:
            raise Unsure(_words(error)) from error
        _expect((code, answer), 250)


class Mailer(flask_mail.Mail):
    """Flask-Mail, told where to send by the installation's settings, in tests too."""

    def init_app(self, app: Flask) -> Any:
        """Bind to `app`, whose settings must stand in `app.extensions["settings"]`."""
        settings = app.extensions["settings"]
        server = settings.smtp
        app.config.update(
            MAIL_SERVER=server.host,
            MAIL_PORT=server.port,
            MAIL_USERNAME=server.username,
            MAIL_PASSWORD=server.password,
            MAIL_USE_TLS=server.tls == "starttls",
            MAIL_USE_SSL=server.tls == "implicit",
            MAIL_DEFAULT_SENDER=settings.mail_from,
            MAIL_SUPPRESS_SEND=False,
            # The dialogue would put addresses and passwords into the log.
            MAIL_DEBUG=0,
        )
        return super().init_app(app)

    def connect(self) -> Connection:
        """Return a connection, to be used as a context manager; it connects on entering.

        Raises (on entering):
            Unreachable: nobody answers there, or not as a mail server does.
        """
        return Connection(current_app.extensions["mail"])


mail = Mailer()


@contextmanager
def _before_data() -> Iterator[None]:
    """Call every failure of the conversation itself, a refused log-in among them, unreachable."""
    try:
        yield
    except (OSError, smtplib.SMTPException) as error:
        raise Unreachable(_words(error)) from error


def _expect(reply: tuple[int, bytes], *codes: int) -> None:
    code, answer = reply
    if code not in codes:
        raise Refused(code, answer)


def _means_no_mailbox(code: int, answer: bytes) -> bool:
    """Say whether a refusal is about the address itself, not about us or the message (RFC 3463)."""
    status = _STATUS.match(answer.decode("utf-8", "replace"))
    if status is not None:
        return code >= 500 and status[0].startswith(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"))
    return code in _NO_MAILBOX


def _on_the_wire(content: bytes) -> bytes:
    """Return `content` with line ends and leading dots as SMTP wants them, and the final dot."""
    lines = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    lines = re.sub(rb"(?m)^\.", b"..", lines)
    return lines + (b"" if lines.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _set_timeout(host: smtplib.SMTP, seconds: float) -> None:
    if host.sock is not None:
        host.sock.settimeout(seconds)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
