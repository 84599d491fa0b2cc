"""Contacts: the list over all accounts, one contact, and what is changed about them."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.accounts import accounts
from lifecycle.blueprints.accounts.forms import ContactForm, differences
from lifecycle.blueprints.accounts.listing import contact_filter, listed, sort_columns
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.governance.requests.portal import list_homes, revoke_homes, send_home
from lifecycle.insight.accounts import cards_of_contact, reach_of
from lifecycle.records.accounts import contacts, queries
from lifecycle.records.accounts.fields import CONTACT_FIELDS
from lifecycle.records.accounts.models import Account, Contact
from lifecycle.records.accounts.preferences import CHANNELS
from lifecycle.records.accounts.rights import CONTACT_RIGHTS
from lifecycle.records.people.fields import time_zones
from lifecycle.records.people.permissions import can, require
from lifecycle.records.sms.providers import find_provider
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to

_COLUMNS = (
    ("name", "Contact"),
    ("account", "Account"),
    ("email", "Email"),
    ("", "Phone"),
    ("updated", "Changed"),
)


@accounts.get("/contacts")
def list_contacts() -> ResponseReturnValue:
    """List the people of all accounts, narrowed, sorted and paged by the address."""
    require(current_actor(), "accounts.read")
    wanted = contact_filter(request.args)
    return listed(
        "accounts/_contact_list.html",
        "accounts/contact_list.html",
        "accounts.list_contacts",
        wanted,
        page=queries.list_contacts(wanted),
        columns=sort_columns("accounts.list_contacts", wanted, _COLUMNS),
    )


@accounts.get("/contacts/<uuid:contact_id>")
def show_contact(contact_id: uuid.UUID) -> ResponseReturnValue:
    """Show a contact with the cards that name them."""
    actor = current_actor()
    require(actor, "accounts.read")
    contact = queries.get_contact(contact_id)
    cards, card_count = cards_of_contact(contact_id)
    return render_template(
        "accounts/contact.html",
        contact=contact,
        account=queries.get_account(contact.account_id),
        cards=cards,
        card_count=card_count,
        contact_rights=CONTACT_RIGHTS,
        reach=reach_of(contact),
        homes=list_homes(contact_id),
        now=now(),
        can_edit=can(actor, "accounts.edit"),
        can_ask=can(actor, "client_requests.ask"),
    )


@accounts.get("/accounts/<uuid:account_id>/contacts/new")
def show_new_contact(account_id: uuid.UUID) -> ResponseReturnValue:
    """Ask for a new contact of an account."""
    require(current_actor(), "accounts.edit")
    return _new_page(queries.get_account(account_id), ContactForm(formdata=None))


@accounts.post("/accounts/<uuid:account_id>/contacts")
def create_contact(account_id: uuid.UUID) -> ResponseReturnValue:
    """Add a contact to an account."""
    form = ContactForm()
    try:
        with transaction():
            contact = contacts.create_contact(account_id, form.typed(), actor=current_actor())
    except Invalid as refusal:
        form.refuse(refusal)
        return _new_page(queries.get_account(account_id), form, 422)
    flash(f"{contact.name} is a contact now.", "passed")
    return go_to(url_for("accounts.show_account", account_id=account_id))


def _new_page(account: Account, form: ContactForm, status: int = 200) -> ResponseReturnValue:
    return render_template("accounts/contact_new.html", account=account, form=form, **_offers()), status


def _offers() -> dict[str, Any]:
    """Return what both forms of a contact need beside the form."""
    return {"has_sms": find_provider() is not None, "time_zones": time_zones()}


@accounts.get("/contacts/<uuid:contact_id>/edit")
def show_contact_form(contact_id: uuid.UUID) -> ResponseReturnValue:
    """Show the form that edits a contact."""
    require(current_actor(), "accounts.edit")
    contact = queries.get_contact(contact_id)
    return _edit_page(contact, ContactForm(formdata=None, obj=contact))


@accounts.post("/contacts/<uuid:contact_id>")
def edit_contact(contact_id: uuid.UUID) -> ResponseReturnValue:
    """Save a contact; a stale form keeps what was typed and shows what is different by now."""
    form = ContactForm()
    try:
        with transaction():
            contacts.edit_contact(
                contact_id, form.typed(), seen_version=form.seen_version(), actor=current_actor()
            )
    except Invalid as refusal:
        form.refuse(refusal)
        return _edit_page(queries.get_contact(contact_id), form, 422)
    except Conflict as refusal:
        contact = queries.get_contact(contact_id)
        form.version.data = str(contact.version)
        kept = {key: getattr(contact, key) for key in CONTACT_FIELDS}
        differing = differences(form, kept, CONTACT_FIELDS, {"channel": CHANNELS})
        return _edit_page(contact, form, 409, conflict=refusal.sentence, differing=differing)
    return go_to(url_for("accounts.show_contact", contact_id=contact_id))


def _edit_page(contact: Contact, form: ContactForm, status: int = 200, **context: Any) -> ResponseReturnValue:
    account = queries.get_account(contact.account_id)
    context = {"conflict": None, "differing": [], "latest": None, **context}
    return render_template(
        "accounts/contact_edit.html", contact=contact, account=account, form=form, **_offers(), **context
    ), status


@accounts.post("/contacts/<uuid:contact_id>/homes")
def create_home(contact_id: uuid.UUID) -> Response:
    """Mail a contact the link to their page; `replace` makes those they have useless at once."""
    replaces = request.form.get("replace") == "yes"
    try:
        with transaction():
            # First, so that a contact without an address keeps what they have.
            link = send_home(contact_id, current_actor())
            if replaces:
                revoke_homes(contact_id, current_actor(), but=link.id)
    except Invalid as refusal:
        flash(refusal.sentence, "error")
    else:
        flash("A new link is on its way." if replaces else "The link to their page is on its way.", "passed")
    return go_to(url_for("accounts.show_contact", contact_id=contact_id))


@accounts.post("/contacts/<uuid:contact_id>/homes/revocations")
def create_home_revocation(contact_id: uuid.UUID) -> Response:
    """Make every link to a contact's page useless."""
    with transaction():
        count = revoke_homes(contact_id, current_actor())
    flash("No link opens their page any more." if count else "There was no link to revoke.", "passed")
    return go_to(url_for("accounts.show_contact", contact_id=contact_id))


@accounts.post("/contacts/<uuid:contact_id>/archive")
def archive_contact(contact_id: uuid.UUID) -> Response:
    """Archive a contact; cards that name them keep them."""
    with transaction():
        contact = contacts.archive_contact(contact_id, actor=current_actor())
    flash(f"{contact.name} is archived. You can restore them here.", "passed")
    return go_to(url_for("accounts.show_contact", contact_id=contact_id))


@accounts.post("/contacts/<uuid:contact_id>/restore")
def restore_contact(contact_id: uuid.UUID) -> Response:
    """Bring an archived contact back."""
    try:
        with transaction():
            contact = contacts.restore_contact(contact_id, actor=current_actor())
    except Conflict as refusal:
        flash(refusal.sentence, "error")
    else:
        flash(f"{contact.name} is back among the contacts.", "passed")
    return go_to(url_for("accounts.show_contact", contact_id=contact_id))
