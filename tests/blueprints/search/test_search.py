"""The search box: a short list for htmx, a page for everybody else."""

from __future__ import annotations

import pytest

from tests.factories.cards import a_card, make_account
from tests.factories.people import make_user
from tests.factories.playbooks import publish_lab
from tests.visitor import logged_in


@pytest.fixture
def visitor(app, services):
    return logged_in(app, make_user(app, role="viewer"))


def test_the_same_address_answers_both(app, visitor):
    publish_lab(app, "first: {}\nsecond: {}")
    bo = make_user(app, name="Bo")
    account = make_account(app, name="Müller <b>Netz</b>")
    card = a_card(app, bo, account=account, title="Überblick")
    for is_fragment in (False, True):
        headers = {"HX-Request": "true"} if is_fragment else {}
        answer = visitor.open("/search?q=muller", headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Vary"].count("HX-Request") == 1
        assert f"/accounts/{account}" in answer.text
        assert card.url in answer.text
        assert "<b>" not in answer.text
        assert ("<html" in answer.text) is not is_fragment


def test_a_history_restore_wants_the_page(visitor):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<html" in visitor.open("/search?q=x", headers=headers).text


@pytest.mark.parametrize("query", ["", "%00", "%25", "x" * 9000, "%E2%80%AE", "%FF%FE", "<script>"])
def test_strange_queries_are_answered(visitor, query):
    answer = visitor.open(f"/search?q={query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert visitor.open(f"/search?q={query}", headers={"HX-Request": "true"}).status_code == 200


def test_no_words_are_answered_with_nothing(visitor):
    assert visitor.open("/search?q=", headers={"HX-Request": "true"}).text.strip() == ""
