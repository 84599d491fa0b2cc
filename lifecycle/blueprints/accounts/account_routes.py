"""Accounts: the list, one account, and what is changed about it."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.accounts import accounts
from lifecycle.blueprints.accounts.forms import AccountForm, differences
from lifecycle.blueprints.accounts.listing import account_filter, filter_args, listed, sort_columns
from lifecycle.core.db import transaction
from lifecycle.core.errors import Conflict, Invalid
from lifecycle.core.text import one_line
from lifecycle.insight.accepted import accepted_documents
from lifecycle.insight.accounts import cards_of_account, read_facts
from lifecycle.records.accounts import changes, queries
from lifecycle.records.accounts.countries import countries, country_name, find_country
from lifecycle.records.accounts.fields import ACCOUNT_FIELDS
from lifecycle.records.accounts.models import Account
from lifecycle.records.evidence.timeline import timeline_of_account
from lifecycle.records.people.permissions import can, require
from lifecycle.web.access import current_actor
from lifecycle.web.formatting import moment
from lifecycle.web.htmx import go_to, render_fragment

_COLUMNS = (
    ("name", "Account"),
    ("owner", "Owner"),
    ("segment", "Segment"),
    ("country", "Country"),
    ("cards", "Open cards"),
    ("updated", "Changed"),
)


@accounts.get("/accounts")
def list_accounts() -> ResponseReturnValue:
    """List accounts, narrowed, sorted and paged by the address."""
    require(current_actor(), "accounts.read")
    wanted = account_filter(request.args)
    facts = read_facts()
    page = queries.list_accounts(wanted)
    return listed(
        "accounts/_list.html",
        "accounts/list.html",
        "accounts.list_accounts",
        wanted,
        page=page,
        columns=sort_columns("accounts.list_accounts", wanted, _COLUMNS),
        is_narrowed=bool(filter_args(wanted, but=("sort", "descending", "page", "archived"))),
        people=queries.working_users(),
        segments=_segments(facts.segments()),
        segment_name=facts.segment_name,
        country_list=_countries(),
        country_name=country_name,
        can_edit=can(current_actor(), "accounts.edit"),
    )


def _countries() -> list[tuple[str, str]]:
    codes = {find_country(value) or value for value in queries.used_values(Account.country)}
    return sorted(((code, country_name(code)) for code in codes), key=lambda pair: pair[1].casefold())


def _segments(declared: list[tuple[str, str]]) -> list[tuple[str, str]]:
    known = {key for key, _ in declared}
    used = [value for value in queries.used_values(Account.segment) if value not in known]
    return [*declared, *((value, value) for value in used)]


@accounts.get("/accounts/options")
def list_account_options() -> ResponseReturnValue:
    """Return the options of a datalist for naming an account; best matches first."""
    require(current_actor(), "accounts.read")
    # htmx sends the field under its own name.
    typed = request.args.get("q") or request.args.get("account") or ""
    return render_fragment(
        "accounts/_options.html", suggestions=queries.suggest_accounts(typed), country_name=country_name
    )


@accounts.get("/accounts/namesakes")
def list_namesakes() -> ResponseReturnValue:
    """Say which accounts bear a name already, while it is being typed."""
    require(current_actor(), "accounts.read")
    name = one_line(request.args.get("name", "")[:400])
    same = queries.accounts_called(name) if name else []
    return render_fragment("accounts/_namesakes.html", namesakes=same)


@accounts.get("/accounts/new")
def show_new_account() -> ResponseReturnValue:
    """Ask for a new account; `name` in the address is filled in."""
    actor = current_actor()
    require(actor, "accounts.edit")
    form = AccountForm(
        formdata=None, name=request.args.get("name", "")[:200], owner_id=str(actor.user_id or "")
    )
    return _new_page(form)


@accounts.post("/accounts")
def create_account() -> ResponseReturnValue:
    """Create an account; a name that exists already is asked about once."""
    actor = current_actor()
    require(actor, "accounts.edit")
    form = AccountForm()
    name = one_line(form.name.data or "")
    same = queries.accounts_called(name) if name else []
    if same and request.form.get("another") != "yes":
        return _new_page(form, 422, namesakes=same)
    try:
        with transaction():
            account = changes.create_account(form.typed(), actor=actor)
    except Invalid as refusal:
        form.refuse(refusal)
        return _new_page(form, 422)
    flash(f"{account.name} is an account now.", "passed")
    return go_to(url_for("accounts.show_account", account_id=account.id))


def _new_page(form: AccountForm, status: int = 200, **context: Any) -> ResponseReturnValue:
    form.offer(queries.working_users(), read_facts().segments())
    return render_template("accounts/new.html", form=form, **{"namesakes": [], **context}), status


@accounts.get("/accounts/<uuid:account_id>")
def show_account(account_id: uuid.UUID) -> ResponseReturnValue:
    """Show an account: its facts, people, cards and timeline."""
    return _show(account_id)


@accounts.get("/accounts/<uuid:account_id>/timeline")
def show_account_timeline(account_id: uuid.UUID) -> ResponseReturnValue:
    """Show part of an account's timeline: a fragment to htmx, the whole page otherwise."""
    if request.headers.get("HX-Request") != "true":
        return _show(account_id)
    require(current_actor(), "evidence.read")
    queries.get_account(account_id)
    return render_fragment("evidence/timeline.html", link_cards=True, **_timeline(account_id))


def _show(account_id: uuid.UUID) -> ResponseReturnValue:
    actor = current_actor()
    require(actor, "accounts.read")
    account = queries.get_account(account_id)
    facts = read_facts()
    cards, card_count = cards_of_account(account_id)
    return render_template(
        "accounts/show.html",
        account=account,
        owner=queries.user_names([account.owner_id]).get(account.owner_id) if account.owner_id else None,
        segment=facts.segment_name(account.segment),
        country=country_name(account.country),
        further_facts=facts.of_account(account),
        contacts=queries.contacts_of(account_id),
        archived_contacts=queries.contacts_of(account_id, archived=True),
        cards=cards,
        card_count=card_count,
        accepted=accepted_documents(account_id),
        can_edit=can(actor, "accounts.edit"),
        can_export_evidence=can(actor, "evidence.verify"),
        **_timeline(account_id),
    )


def _timeline(account_id: uuid.UUID) -> dict[str, Any]:
    kinds = request.args.get("show", "")
    before = request.args.get("before", type=uuid.UUID)
    found = timeline_of_account(account_id, kinds, before, show=read_facts().show)
    address = url_for("accounts.show_account_timeline", account_id=account_id)
    return {"timeline": found, "kinds": kinds, "timeline_url": address, "is_continued": before is not None}


@accounts.get("/accounts/<uuid:account_id>/edit")
def show_account_form(account_id: uuid.UUID) -> ResponseReturnValue:
    """Show the form that edits an account."""
    require(current_actor(), "accounts.edit")
    account = queries.get_account(account_id)
    form = AccountForm(formdata=None, obj=account)
    # A card's field may have kept the country by its name.
    form.country.data = find_country(account.country or "") or account.country
    return _edit_page(account, form)


@accounts.post("/accounts/<uuid:account_id>")
def edit_account(account_id: uuid.UUID) -> ResponseReturnValue:
    """Save an account; a stale form keeps what was typed and shows what is different by now."""
    form = AccountForm()
    actor = current_actor()
    try:
        with transaction():
            changes.edit_account(account_id, form.typed(), seen_version=form.seen_version(), actor=actor)
    except Invalid as refusal:
        form.refuse(refusal)
        return _edit_page(queries.get_account(account_id), form, 422)
    except Conflict as refusal:
        return _stale(queries.get_account(account_id), form, refusal)
    return go_to(url_for("accounts.show_account", account_id=account_id))


def _stale(account: Account, form: AccountForm, refusal: Conflict) -> ResponseReturnValue:
    form.version.data = str(account.version)
    show = {
        "owner_id": {str(user_id): name for user_id, name in queries.user_names([account.owner_id]).items()},
        "segment": dict(read_facts().segments()),
        "country": dict(countries()),
    }
    kept = {key: getattr(account, key) for key in ACCOUNT_FIELDS}
    return _edit_page(
        account,
        form,
        409,
        conflict=refusal.sentence,
        differing=differences(form, kept, ACCOUNT_FIELDS, show),
        latest=_last_change(account.id),
    )


def _last_change(account_id: uuid.UUID) -> str | None:
    """Say who changed the account last, by its own form or by a card's field that belongs to it."""
    for entry in timeline_of_account(account_id, "facts", limit=20).entries:
        if entry.kind.startswith("account.") or entry.kind == "card.fields.changed":
            return f"{entry.sentence(entry.card_title)}, {moment(entry.at)}."
    return None


def _edit_page(account: Account, form: AccountForm, status: int = 200, **context: Any) -> ResponseReturnValue:
    owner = queries.user_names([account.owner_id]).get(account.owner_id, "") if account.owner_id else ""
    form.offer(queries.working_users(), read_facts().segments(), account, owner)
    context = {"conflict": None, "differing": [], "latest": None, **context}
    return render_template("accounts/edit.html", account=account, form=form, **context), status


@accounts.post("/accounts/<uuid:account_id>/archive")
def archive_account(account_id: uuid.UUID) -> Response:
    """Archive an account that has no open cards."""
    try:
        with transaction():
            account = changes.archive_account(account_id, actor=current_actor())
    except Conflict as refusal:
        flash(refusal.sentence, "error")
        return go_to(url_for("accounts.show_account", account_id=account_id))
    flash(f"{account.name} is archived. You can restore it here.", "passed")
    return go_to(url_for("accounts.show_account", account_id=account_id))


@accounts.post("/accounts/<uuid:account_id>/restore")
def restore_account(account_id: uuid.UUID) -> Response:
    """Bring an archived account back."""
    with transaction():
        account = changes.restore_account(account_id, actor=current_actor())
    flash(f"{account.name} is back among the accounts.", "passed")
    return go_to(url_for("accounts.show_account", account_id=account_id))
