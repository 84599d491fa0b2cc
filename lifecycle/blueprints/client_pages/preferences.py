"""`/p/<token>/preferences`: contacts choose how they are written to. Where to is for us to change."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, RadioField, SelectField, StringField

from lifecycle.blueprints.client_pages import client_pages
from lifecycle.blueprints.client_pages.serving import answered, by_token, gone, with_own
from lifecycle.core.db import one_moment, transaction
from lifecycle.core.errors import Conflict, Invalid, NotFound, Refusal
from lifecycle.core.words import LANGUAGES, _, current_language, prefer, speaking
from lifecycle.extensions import limiter
from lifecycle.governance.requests.portal import find_opened_home
from lifecycle.insight.own_reach import OwnReach, find_who_answers, read_own_reach
from lifecycle.insight.portal import find_vendor
from lifecycle.records.accounts.contacts import choose_preferences
from lifecycle.records.accounts.fields import OWN_FIELDS
from lifecycle.records.accounts.models import Contact
from lifecycle.web.access import public
from lifecycle.web.form import Form
from lifecycle.web.localization import COOKIE, locale_unchosen
from lifecycle.web.zones import named_zones, zone_name


class PreferencesForm(Form):
    """What contacts choose for themselves; the domain judges it, and the page says what each is called."""

    version = HiddenField()
    language = SelectField(validate_choice=False)
    channel = RadioField(validate_choice=False)
    time_zone = SelectField(validate_choice=False)
    quiet_from = StringField(render_kw={"type": "time", "autocomplete": "off"})
    quiet_until = StringField(render_kw={"type": "time", "autocomplete": "off"})

    def offer(self, contact: Contact, reach: OwnReach) -> None:
        """Fill the lists; by SMS only who can be sent one."""
        self.language.choices = [("", _("As your browser asks")), *LANGUAGES.items()]
        zones = [("", _("Not chosen")), *named_zones()]
        kept = contact.time_zone or ""
        self.time_zone.choices = zones if kept in dict(zones) else [*zones, (kept, kept)]
        if reach.may_sms:
            self.channel.choices = [("", _("Email")), ("sms", _("SMS, else email"))]
        else:
            del self.channel

    def typed(self) -> dict[str, Any]:
        """Return what was chosen, by field name of the domain."""
        return {name: value for name, value in self.data.items() if name in OWN_FIELDS}

    def seen_version(self) -> int:
        """Return the version the page was made from; 0, which nobody has, when that cannot be read."""
        text = str(self.version.data or "")
        return int(text) if text.isdecimal() and len(text) < 18 else 0


@client_pages.get("/p/<token>/preferences")
@public
@limiter.limit("120 per minute")
def show_preferences(token: str) -> ResponseReturnValue:
    """Show how its contact is written to, to be changed."""
    try:
        with one_moment():
            _link, contact = find_opened_home(token)
            return _page(token, contact)
    except NotFound as why:
        return gone(token, why, "portal")


@client_pages.post("/p/<token>/preferences")
@public
@limiter.limit("60 per hour", key_func=by_token)
def create_preferences(token: str) -> ResponseReturnValue:
    """Keep what the contact chose, and say what that was."""
    try:
        with transaction():
            _link, contact = find_opened_home(token)
            form = PreferencesForm()
            form.offer(contact, read_own_reach(contact))
            changed = choose_preferences(contact.id, form.typed(), seen_version=form.seen_version())
    except NotFound as why:
        return gone(token, why, "portal")
    except (Invalid, Conflict) as refusal:
        return _refused(token, refusal)
    return _kept(token, contact, changed)


def shown_preferences(contact: Contact, reach: OwnReach) -> dict[str, tuple[str, str]]:
    """Return name and value of what a contact chose, in their language, by field."""
    by_sms = _("SMS, else email") if contact.channel == "sms" and reach.may_sms else _("Email")
    begins, ends = contact.quiet_from, contact.quiet_until
    hours = _("%(begins)s until %(ends)s", begins=begins, ends=ends) if begins else _("None")
    quiet = (_("Quiet hours"), hours)
    return {
        "language": (_("Language"), LANGUAGES.get(contact.language or "", _("As your browser asks"))),
        "channel": (_("We write to you by"), by_sms),
        "quiet_from": quiet,
        "quiet_until": quiet,
        "time_zone": (_("Time zone"), zone_name(contact.time_zone) if contact.time_zone else _("Not chosen")),
    }


def _kept(token: str, contact: Contact, changed: list[str]) -> Response:
    response = make_response(redirect(url_for("client_pages.show_home", token=token), 303))
    language = current_language()
    if "language" in changed:
        # What they choose here holds for every browser, so an earlier choice in this one ends.
        response.delete_cookie(COOKIE)
        prefer(contact.language, contact.time_zone)
        language = locale_unchosen()
    with speaking(language):
        shown = shown_preferences(contact, read_own_reach(contact))
        lines = dict.fromkeys(shown[each] for each in changed)
        said = [_("%(name)s: %(value)s", name=name, value=value) for name, value in lines]
        flash(_("Saved. %(what)s", what="; ".join(said)) if said else _("Nothing was changed."), "passed")
    return with_own(response)


def _refused(token: str, refusal: Refusal) -> Response:
    try:
        with one_moment():
            _link, contact = find_opened_home(token)
            return _page(token, contact, refusal)
    except NotFound as why:
        return gone(token, why, "portal")


def _page(token: str, contact: Contact, refusal: Refusal | None = None) -> Response:
    reach = read_own_reach(contact)
    form = PreferencesForm() if refusal else PreferencesForm(formdata=None, obj=contact)
    form.offer(contact, reach)
    form.version.data = str(contact.version)
    if isinstance(refusal, Invalid):
        for name, sentence in refusal.field_errors.items():
            if name in form:
                form[name].errors = [sentence]
    content = render_template(
        "client_pages/preferences.html",
        token=token,
        contact=contact,
        form=form,
        reach=reach,
        refusal=refusal,
        differing=_differing(form, contact, reach) if isinstance(refusal, Conflict) else [],
        owner=find_who_answers(contact),
        vendor=find_vendor(contact.account_id),
    )
    return answered(content, refusal.status if refusal else 200)


def _differing(form: PreferencesForm, contact: Contact, reach: OwnReach) -> list[tuple[str, str]]:
    """Return name and present value of what a page that is out of date says otherwise."""
    shown = shown_preferences(contact, reach)
    typed = form.typed()
    other = [key for key in typed if (typed[key] or "") != (getattr(contact, key) or "")]
    return list(dict.fromkeys(shown[key] for key in other))
