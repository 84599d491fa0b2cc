"""Every door is guarded, asks for a token and has typed addresses; looking at a page changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import IntegerConverter, PathConverter, Rule, UnicodeConverter, UUIDConverter

from lifecycle.app import create_app
from lifecycle.config import Settings
from lifecycle.core.db import db
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, attach, make_account, plan
from tests.factories.people import make_user
from tests.factories.playbooks import LAB, publish_lab
from tests.installation import close_connections

# Endpoints open to strangers, and why.
PUBLIC = {
    "boards.show_changes": "a quiet poll loads no user; it checks the session itself",
    "client_pages.show_request": "a client's link is the key, and a client has no log-in",
    "client_pages.create_opening": "a client's link is the key",
    "client_pages.create_answer": "a client's link is the key",
    "client_pages.create_refusal": "a client's link is the key",
    "client_pages.create_stuck_report": "a client's link is the key",
    "client_pages.create_renewal": "a client's link is the key; a new one goes to the same address only",
    "client_pages.show_form_page": "a client's link is the key, for the pages it opens",
    "client_pages.create_page_answers": "a client's link is the key, for the pages it opens",
    "client_pages.create_draft": "a client's link is the key, for the pages it opens",
    "client_pages.create_colleague": "a client's link is the key; the new link goes by mail only",
    "client_pages.show_review": "a client's link is the key, one to the whole request",
    "client_pages.show_submission": "a client's link is the key, one to the whole request",
    "client_pages.create_code": "a client's link is the key; the code goes to its contact's address only",
    "client_pages.show_paper": "a client's link is the key, one to the whole request",
    "client_pages.show_home": "a client's link is the key",
    "client_pages.create_home_opening": "a client's link is the key",
    "client_pages.create_request_link": "a client's link is the key, for what its contact may answer",
    "client_pages.show_home_file": "a client's link is the key, for the files its contact may see",
    "client_pages.show_home_paper": "a client's link is the key, for what its contact may see",
    "client_pages.show_preferences": "a client's link is the key, for its contact's own",
    "client_pages.create_preferences": "a client's link is the key, for its contact's own",
    "client_pages.create_home_renewal": "a client's link is the key; a new one goes to the same address only",
    "client_pages.show_secret_door": "a client's link is the key, and shows nothing by itself",
    "client_pages.create_secret_code": "a client's link is the key; the code goes to its contact only",
    "client_pages.create_secret_view": "a client's link is the key, with a code from the mail",
    "client_pages.show_legal": "a client's link is the key, for the documents its request shows",
    "client_pages.choose_language": "keeps a choice in one's own browser",
    "client_pages.show_thumbnail": "a client's link is the key, for the files of its own request only",
    "client_pages.show_file": "a client's link is the key, for the files of its own request only",
    "health.show_liveness": "asked by machines",
    "health.show_metrics": "asked by machines, which show a token or are on this one",
    "health.show_readiness": "asked by machines",
    "people.show_login": "how else would one log in",
    "people.create_session": "how else would one log in",
    "people.end_session": "harmless, and a session may be over",
    "people.show_first_admin": "there is nobody yet; closed for good once there is",
    "people.create_first_admin": "there is nobody yet; closed for good once there is",
    "people.show_invitation": "opened from a mail",
    "people.accept_invitation": "opened from a mail",
    "people.show_password_reset": "opened from a mail",
    "people.reset_password": "opened from a mail",
    "people.show_password_reset_request": "whoever forgot a password is not logged in",
    "people.create_password_reset": "whoever forgot a password is not logged in",
    "sms.create_twilio_receipt": "a provider's signature is the key",
    "sms.create_twilio_reply": "a provider's signature is the key",
    "sms.create_vonage_receipt": "a provider's signature is the key",
    "sms.create_vonage_reply": "a provider's signature is the key",
}
# Posts that come from no page of ours, and are signed instead.
SIGNED = {endpoint for endpoint in PUBLIC if endpoint.startswith("sms.")}
METHODS = {"GET", "HEAD", "OPTIONS", "POST"}
# Keys that playbooks give, which are words and no numbers.
WORDS = {"slug", "stage", "checklist", "key", "filename", "token", "playbook", "name", "document", "version"}


@pytest.fixture(scope="module")
def production(settings: Settings) -> Iterator[Flask]:
    """The application as it runs in production, with everything that only tests would switch off."""
    made = create_app(replace(settings, environment="production"))
    yield made
    close_connections(made)


def _rules(app: Flask, method: str | None = None) -> list[Rule]:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    return [rule for rule in rules if method is None or method in (rule.methods or ())]


def _is_public(app: Flask, endpoint: str) -> bool:
    return bool(getattr(app.view_functions[endpoint], "is_public", False))


def test_public_routes_are_few_and_each_has_its_reason(production: Flask) -> None:
    public = {rule.endpoint for rule in _rules(production) if _is_public(production, rule.endpoint)}
    assert public - {"styleguide.show_styleguide"} == set(PUBLIC)


def test_every_other_route_sends_strangers_to_the_log_in(production: Flask) -> None:
    stranger = production.test_client()
    for rule in _rules(production):
        if _is_public(production, rule.endpoint):
            continue
        path = _path(rule)
        if "GET" in (rule.methods or ()):
            response = stranger.get(path, headers={"Accept": "text/html"})
            assert (response.status_code, response.location.split("?")[0]) == (303, "/login"), rule
            response = stranger.get(path, headers={"HX-Request": "true"})
            assert (response.status_code, response.headers["HX-Redirect"].split("?")[0]) == (401, "/login"), (
                rule
            )
        else:
            assert stranger.post(path).status_code in (400, 401), rule


def test_every_post_needs_a_token_in_production(production: Flask, app: Flask) -> None:
    caller = Caller(production, make_user(app, role="admin"))
    asked = 0
    for rule in _rules(production, "POST"):
        if rule.endpoint in SIGNED:
            continue
        response = caller.client.post(_path(rule), headers={"Accept": "application/json"})
        assert response.status_code == 400, rule
        assert "reload the page" in response.get_json()["error"], rule
        asked += 1
    assert asked > 30


def test_every_address_is_typed(production: Flask) -> None:
    for rule in _rules(production):
        assert (rule.methods or set()) <= METHODS, f"{rule} answers to {rule.methods}"
        for name, converter in rule._converters.items():
            assert not isinstance(converter, PathConverter), rule
            if type(converter) is UnicodeConverter:
                assert name in WORDS, f"{rule}: {name} could be an id; give it a type"
            else:
                assert isinstance(converter, UUIDConverter | IntegerConverter), rule


def test_the_act_is_a_noun_and_no_route_takes_both(production: Flask) -> None:
    for rule in _rules(production):
        assert not {"GET", "POST"} <= (rule.methods or set()), f"{rule} both shows and changes"
        assert rule.rule == rule.rule.lower() or "<" in rule.rule, rule
        assert "_" not in "".join(part for part in rule.rule.split("/") if "<" not in part), rule


def _path(rule: Rule, values: Mapping[str, object] | None = None) -> str:
    """An address of the rule, with made-up values where none is given."""
    made_up = {
        name: 1 if isinstance(converter, IntegerConverter) else str(uuid.uuid4())
        for name, converter in rule._converters.items()
    }
    built = rule.build({**made_up, **{k: v for k, v in (values or {}).items() if k in made_up}})
    assert built is not None, rule
    return built[1]


def _checksums(app: Flask) -> dict[str, tuple[int, str]]:
    with app.app_context():
        tables = db.session.scalars(
            sa.text(
                "select tablename from pg_tables where schemaname = 'public' "
                "and tablename <> 'alembic_version'"
            )
        ).all()
        query = " union all ".join(
            f"select '{name}', count(*), coalesce(md5(string_agg(t::text, '|' order by t::text)), '') "
            f'from "{name}" t'
            for name in tables
        )
        return {name: (count, digest) for name, count, digest in db.session.execute(sa.text(query))}


def test_looking_at_any_page_changes_nothing(app: Flask) -> None:
    """Mail scanners and prefetching browsers open every address there is."""
    publish_lab(app, "first: { tasks: { weigh: Weigh it }, leave: [ { evidence: photo } ] }\nsecond: {}")
    admin, member = make_user(app, role="admin"), make_user(app)
    account = make_account(app, owner=member)
    card = a_card(app, member, account=account)
    plan(app, card, member, "review")
    attach(app, card, member, "photo")
    values: dict[str, object] = {
        "card_id": card.id,
        "account_id": account,
        "slug": LAB,
        "stage": "first",
        "key": "lab",
        "playbook": "lab",
        "user_id": member.id,
    }
    caller = Caller(app, admin)
    before = _checksums(app)
    opened, skipped = 0, []
    for rule in _rules(app, "GET"):
        path = _path(rule, values)
        for how in ("page", "htmx", "program"):
            for query in ("", "?to=second&q=a&after=0." + str(card.id)):
                response = caller.get(path + query, how)
                response.close()  # What is streamed holds its request until then.
                assert response.status_code < 500, f"{path}{query}: {response.status_code}"
                if response.status_code == 404:
                    skipped.append(path)
        with caller.client.head(path) as bare:
            assert bare.status_code < 500
        opened += 1
        assert _checksums(app) == before, f"GET {path} wrote something"
    assert opened > 20
    assert card.url not in skipped
