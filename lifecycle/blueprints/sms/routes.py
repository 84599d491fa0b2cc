"""Receipts and replies, posted by a provider of SMS and signed by it; whatever is not signed changes nothing.

What is signed and says nothing to us is answered like the rest: else they would try it again for a day.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any, Final

from flask import Response, abort, request

from lifecycle.blueprints.sms import sms
from lifecycle.core.db import transaction
from lifecycle.extensions import csrf
from lifecycle.governance.messages.receipts import hear_receipt, hear_reply
from lifecycle.records.sms.providers import Receipt, Reply, Twilio, Vonage, find_provider
from lifecycle.web.access import public

LONGEST: Final = 64 * 1024


@sms.post("/sms/twilio/receipts/<uuid:message_id>")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def create_twilio_receipt(message_id: uuid.UUID) -> Response:
    """Hear from Twilio what became of a message."""
    provider, fields = _from_twilio()
    _keep(provider.name, provider.read_receipt(fields, str(message_id)))
    return Response(status=204)


@sms.post("/sms/twilio/replies")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def create_twilio_reply() -> Response:
    """Hear from Twilio what somebody answered; they get no answer to it."""
    provider, fields = _from_twilio()
    _heed(provider.name, provider.read_reply(fields))
    return Response("<Response/>", content_type="text/xml")


@sms.post("/sms/vonage/receipts")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def create_vonage_receipt() -> Response:
    """Hear from Vonage what became of a message."""
    provider, said = _from_vonage()
    _keep(provider.name, provider.read_receipt(said))
    return Response(status=204)


@sms.post("/sms/vonage/replies")
@csrf.exempt  # type: ignore[untyped-decorator]
@public
def create_vonage_reply() -> Response:
    """Hear from Vonage what somebody answered."""
    provider, said = _from_vonage()
    _heed(provider.name, provider.read_reply(said))
    return Response(status=204)


def _from_twilio() -> tuple[Twilio, Mapping[str, str]]:
    provider = find_provider()
    if not isinstance(provider, Twilio):
        abort(404)
    _refuse_large()
    fields = request.form.to_dict(flat=False)
    path = request.full_path if request.query_string else request.path
    if not provider.is_signed(path, fields, request.headers.get("X-Twilio-Signature", "")):
        abort(403)
    return provider, {name: values[0] for name, values in fields.items()}


def _from_vonage() -> tuple[Vonage, Mapping[str, Any]]:
    provider = find_provider()
    if not isinstance(provider, Vonage):
        abort(404)
    _refuse_large()
    body = request.get_data()
    if not provider.is_signed(body, request.headers.get("Authorization", "")):
        abort(403)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    return provider, said if isinstance(said, dict) else {}


def _refuse_large() -> None:
    request.max_content_length = LONGEST


def _keep(provider: str, receipt: Receipt | None) -> None:
    if receipt is not None:
        with transaction():
            hear_receipt(provider, receipt)


def _heed(provider: str, reply: Reply | None) -> None:
    if reply is not None:
        with transaction():
            hear_reply(provider, reply)
