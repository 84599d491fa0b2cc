"""Saved views (P4): a board's filter under a name, for oneself or for everybody."""

from __future__ import annotations

import re
import uuid
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask

from lifecycle.core.db import db
from lifecycle.records.views import record
from lifecycle.records.views.models import SavedView
from tests.factories.browsing import Caller
from tests.factories.cards import a_card, rows
from tests.factories.people import Person, make_user
from tests.factories.playbooks import LAB, publish_growth, publish_lab

BOARD = f"/boards/{LAB}"


@pytest.fixture
def member(app: Flask) -> Person:
    publish_lab(app, "first: {}\nsecond: {}")
    return make_user(app, name="Ada Lovelace")


@pytest.fixture
def caller(app: Flask, member: Person) -> Caller:
    return Caller(app, member)


def _links(html: str) -> dict[str, str]:
    """The saved views on a page, by name."""
    found = re.findall(r'<a class="view-link" href="([^"]+)"[^>]*>.*?<bdi>(.*?)</bdi>', html)
    return {unescape(name): unescape(address) for address, name in found}


def _save(caller: Caller, page: str, name: str, **more: str) -> str:
    """Save what a page shows, as its own form would; return where that leads."""
    html = caller.get(page).text
    query = re.search(r'name="query" value="([^"]*)"', html)
    is_list = re.search(r'name="list" value="([^"]*)"', html)
    assert query
    assert is_list
    response = caller.post(
        f"{BOARD}/views", "page", name=name, query=unescape(query[1]), list=is_list[1], **more
    )
    assert response.status_code == 303, response.text
    return str(response.location)


def _view(app: Flask, name: str) -> uuid.UUID:
    with app.app_context():
        return db.session.scalars(sa.select(SavedView.id).where(SavedView.name == name)).one()


def test_p4_a_filter_is_saved_under_a_name_and_found_on_board_and_list(app: Flask, caller: Caller) -> None:
    assert "Save this filter" not in caller.get(BOARD).text
    assert (
        _save(caller, f"{BOARD}?q=north&sla=breached", "Late in the north") == f"{BOARD}?q=north&sla=breached"
    )
    list_address = f"{BOARD}/list?waiting=client&stage=first&sort=value&down=1"
    assert _save(caller, list_address, "Clients, dearest first") == list_address
    expected = {
        "Clients, dearest first": list_address,
        "Late in the north": f"{BOARD}?q=north&sla=breached",
    }
    for page in (BOARD, f"{BOARD}/list", f"{BOARD}/views"):
        html = caller.get(page).text
        for name, address in expected.items():
            assert name in html
            assert address.replace("&", "&amp;") in html
    html = caller.get(list_address).text
    assert html.count('aria-current="page" title="Only yours"') == 1
    assert "Save this filter" not in html


def test_p4_ones_own_view_is_nobody_elses_and_a_shared_one_is_everybodys(app: Flask, caller: Caller) -> None:
    _save(caller, f"{BOARD}?q=mine", "Mine alone")
    _save(caller, f"{BOARD}?q=ours", "Ours", shared="1")
    viewer = Caller(app, make_user(app, role="viewer"))
    assert set(_links(viewer.get(BOARD).text)) == {"Ours"}
    assert "Shared by Ada Lovelace" in viewer.get(f"{BOARD}/views").text
    publish_growth(app)
    assert _links(caller.get("/boards/wispgate.growth").text) == {}


def test_p4_mine_in_a_shared_view_is_whoever_opens_it(app: Flask, member: Person, caller: Caller) -> None:
    mine = a_card(app, member)
    other = make_user(app, name="Grace Hopper")
    theirs = a_card(app, other)
    assert _save(caller, f"{BOARD}?owner=me", "My cards", shared="1") == f"{BOARD}?owner=me"
    for person, card in ((member, mine), (other, theirs)):
        html = Caller(app, person).get(_links(caller.get(BOARD).text)["My cards"]).text
        assert set(re.findall(r'data-card="([0-9a-f-]{36})"', html)) == {str(card.id)}


@pytest.mark.parametrize(
    ("name", "query", "sentence"),
    [
        ("", "q=a", "Give the view a name."),
        (" \u202e\x00 ", "q=a", "Give the view a name."),
        ("x" * 61, "q=a", "A name may have 60 characters; this has 61."),
        ("x" * 1_000_000, "q=a", "A name may have 60 characters; this has 1,000,000."),
        ("taken", "q=a", "A view of yours on this board is called “taken” already."),
        ("New", "", "Nothing is narrowed yet."),
        ("New", "owner=nonsense&sla=nonsense&next=//evil.example", "Nothing is narrowed yet."),
        ("New", "q=%00", "Nothing is narrowed yet."),
    ],
)
def test_p4_what_cannot_be_saved_is_said_and_changes_nothing(
    app: Flask, caller: Caller, name: str, query: str, sentence: str
) -> None:
    _save(caller, f"{BOARD}?q=a", "Taken")
    before = rows(app, SavedView)
    response = caller.post(f"{BOARD}/views", "page", name=name, query=query)
    assert response.status_code == 422
    assert sentence in unescape(response.text)
    assert rows(app, SavedView) == before


def test_p4_what_is_kept_of_an_address_is_only_its_filter(app: Flask, caller: Caller) -> None:
    query = "q=<script>&next=//evil.example&owner=nonsense&sla=breached&after=x&q=second"
    location = caller.post(f"{BOARD}/views", "page", name="<b>Odd</b>", query=query).location
    assert location == f"{BOARD}?q=second&sla=breached"
    html = caller.get(f"{BOARD}/views").text
    assert "<b>Odd" not in html
    assert "evil" not in html


def test_p4_a_board_has_so_many_views_and_no_more(
    app: Flask, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MOST_OWN", 2)
    monkeypatch.setattr(record, "MOST_SHARED", 1)
    for number in range(2):
        _save(caller, f"{BOARD}?q={number}", f"Own {number}")
    _save(caller, f"{BOARD}?q=b", "Shared", shared="1")
    for shared, sentence in (("", "2 views of your own already"), ("1", "1 shared views already")):
        response = caller.post(f"{BOARD}/views", "page", name="One more", query="q=c", shared=shared)
        assert response.status_code == 422
        assert sentence in response.text
        assert 'value="One more"' in response.text


def test_p4_a_name_is_taken_once_among_ones_own_and_once_among_the_shared(app: Flask, caller: Caller) -> None:
    other = Caller(app, make_user(app, name="Grace Hopper"))
    _save(caller, f"{BOARD}?q=a", "Late")
    _save(other, f"{BOARD}?q=a", "Late")
    _save(caller, f"{BOARD}?q=b", "Late", shared="1")
    again = other.post(f"{BOARD}/views", "page", name="LATE", query="q=c", shared="1")
    assert "A shared view on this board is called “LATE” already." in unescape(again.text)


def test_p4_views_are_renamed_and_removed_by_their_owner_and_shared_ones_by_a_manager(
    app: Flask, caller: Caller
) -> None:
    _save(caller, f"{BOARD}?q=a", "Own")
    _save(caller, f"{BOARD}?q=b", "Shared", shared="1")
    own, shared = _view(app, "Own"), _view(app, "Shared")
    other, manager = Caller(app, make_user(app)), Caller(app, make_user(app, role="manager"))
    for act in ("name", "removal"):
        assert other.post(f"/views/{own}/{act}", name="x").status_code == 404
        assert manager.post(f"/views/{own}/{act}", name="x").status_code == 404
        assert other.post(f"/views/{shared}/{act}", name="x").status_code == 403
        assert other.post(f"/views/{uuid.uuid4()}/{act}", name="x").status_code == 404
    assert f"/views/{shared}/name" not in other.get(f"{BOARD}/views").text
    assert f"/views/{shared}/name" in manager.get(f"{BOARD}/views").text
    wrong = caller.post(f"/views/{own}/name", "page", name="")
    assert (wrong.status_code, "Give the view a name." in wrong.text) == (422, True)
    assert caller.post(f"/views/{own}/name", "page", name="My own").status_code == 303
    assert manager.post(f"/views/{shared}/name", "page", name="For all").status_code == 303
    assert set(_links(caller.get(BOARD).text)) == {"My own", "For all"}
    _save(caller, f"{BOARD}?q=c", "Third")
    taken = caller.post(f"/views/{own}/name", "page", name="third")
    assert (taken.status_code, "already" in taken.text) == (422, True)
    for who, view in ((caller, own), (manager, shared)):
        assert who.post(f"/views/{view}/removal", "page").status_code == 303
    assert set(_links(caller.get(BOARD).text)) == {"Third"}


def test_p4_a_viewer_keeps_views_of_their_own_and_shares_none(app: Flask, member: Person) -> None:
    viewer = Caller(app, make_user(app, role="viewer"))
    assert 'name="shared"' not in viewer.get(f"{BOARD}?q=a").text
    _save(viewer, f"{BOARD}?q=a", "Own")
    assert viewer.post(f"{BOARD}/views", name="Shared", query="q=a", shared="1").status_code == 403
