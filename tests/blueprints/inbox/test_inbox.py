"""E14: the inbox tells what happened, newest first, and only the press of a button marks it as read."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from flask import Flask

from lifecycle.core.clock import now
from lifecycle.core.db import db, transaction
from lifecycle.records.inbox.models import Notice
from lifecycle.records.inbox.record import tell
from tests.factories.browsing import Caller
from tests.factories.cards import rows
from tests.factories.people import Person, make_user
from tests.factories.statements import statements


@pytest.fixture
def ana(app: Flask) -> Person:
    return make_user(app, name="Ana")


@pytest.fixture
def caller(app: Flask, ana: Person) -> Caller:
    return Caller(app, ana)


def notice(app: Flask, to: Person, title: str, *, ago: timedelta = timedelta(), **more: Any) -> uuid.UUID:
    """Put a notice into somebody's inbox; `ago` is how long it has shown."""
    more = {"link": "/boards", "cause": f"test/{uuid.uuid4()}", "shows_at": now() - ago, **more}
    with app.app_context(), transaction():
        tell([to.id], title=title, **more)
        return db.session.scalars(sa.select(Notice.id).where(Notice.title == title)).one()


def unread(app: Flask) -> list[str]:
    return sorted(row["title"] for row in rows(app, Notice) if row["read_at"] is None)


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def bell(page: str) -> str:
    found = re.search(r'<a class="topbar-bell.*?</a>', page)
    assert found, "the top bar has no bell"
    return found[0]


def test_notices_stand_newest_first_under_the_days_of_the_reader(app: Flask, ana: Person) -> None:
    with time_machine.travel("2026-11-18T12:00:00+00:00"):
        notice(app, ana, "A week ago", ago=timedelta(days=8), tone="info")
        notice(app, ana, "The day before", ago=timedelta(days=1), tone="alert")
        notice(app, ana, "Just now", tone="act", body="Accept it, or\nreturn it.")
        told = text(Caller(app, ana).get("/inbox").text)
    order = ["Today", "Just now", "Yesterday", "The day before", "Tuesday, 10 November", "A week ago"]
    assert [told.index(words) for words in order] == sorted(told.index(words) for words in order)
    assert "Just now Accept it, or return it. New Your turn 12:00" in told
    assert "The day before New Alert 12:00" in told
    assert "A week ago New News 12:00" in told


def test_what_waits_out_the_undo_window_or_was_withdrawn_or_is_of_others_is_not_shown(
    app: Flask, ana: Person, caller: Caller
) -> None:
    notice(app, ana, "Not yet", ago=timedelta(minutes=-1))
    notice(app, make_user(app), "Somebody else's")
    taken_back = notice(app, ana, "Taken back")
    with app.app_context(), transaction():
        db.session.execute(sa.update(Notice).where(Notice.id == taken_back).values(withdrawn_at=now()))
    page = caller.get("/inbox").text
    assert "Nothing yet" in page
    assert 'aria-label="Inbox, nothing unread"' in bell(page)


def test_looking_marks_nothing_and_the_bell_counts_what_is_unread(
    app: Flask, ana: Person, caller: Caller
) -> None:
    for number in range(3):
        notice(app, ana, f"Notice {number}")
    assert 'aria-label="Inbox, 3 unread"' in bell(caller.get("/inbox").text)
    assert caller.client.head("/inbox").status_code == 200
    for address in ("/boards", "/profile", "/inbox?show=unread"):
        assert ">3</span>" in bell(caller.get(address).text), address
    assert len(unread(app)) == 3


def test_following_a_notice_marks_it_and_leads_to_what_it_is_about(
    app: Flask, ana: Person, caller: Caller
) -> None:
    followed = notice(app, ana, "Look here", link="/accounts?q=nord")
    notice(app, ana, "And here")
    page = caller.get("/inbox").text
    assert 'href="/accounts?q=nord"' not in page, "a link must change nothing, so unread it is a button"
    answer = caller.post("/inbox/readings", "page", notice=str(followed), follow="1")
    assert (answer.status_code, answer.location) == (303, "/accounts?q=nord")
    assert unread(app) == ["And here"]
    assert 'href="/accounts?q=nord"' in caller.get("/inbox").text, "read, it is a plain link"


def test_one_is_marked_where_it_stands(app: Flask, ana: Person, caller: Caller) -> None:
    first, second = notice(app, ana, "First"), notice(app, ana, "Second")
    part = caller.post("/inbox/readings", "htmx", notice=str(first))
    assert part.status_code == 200
    assert f'id="notice-{first}"' in part.text
    assert "New News" not in text(part.text)
    assert 'aria-label="Inbox, 1 unread"' in bell(part.text)
    assert 'hx-swap-oob="true"' in bell(part.text)
    answer = caller.post("/inbox/readings", "page", notice=str(second), next="/inbox?show=unread&page=2")
    assert (answer.status_code, answer.location) == (303, "/inbox?show=unread&page=2")
    assert unread(app) == []


def test_marking_all_leaves_what_came_after_the_page_was_made(
    app: Flask, ana: Person, caller: Caller
) -> None:
    notice(app, ana, "Seen", ago=timedelta(minutes=5))
    other = make_user(app)
    notice(app, other, "Of somebody else", ago=timedelta(minutes=5))
    until = re.search(r'name="until" value="([^"]+)"', caller.get("/inbox").text)
    assert until
    notice(app, ana, "Came meanwhile")
    answer = caller.post("/inbox/readings", "page", until=unescape(until[1]))
    assert (answer.status_code, answer.location) == (303, "/inbox")
    assert unread(app) == ["Came meanwhile", "Of somebody else"]


def test_nobody_reads_for_somebody_else(app: Flask, caller: Caller) -> None:
    theirs = notice(app, make_user(app), "Not yours", link="/boards")
    for given in (str(theirs), str(uuid.uuid4()), "nonsense", ""):
        assert caller.post("/inbox/readings", "page", notice=given, follow="1").status_code == 404
    for until in ("", "yesterday", "2026-11-18T12:00:00"):
        assert caller.post("/inbox/readings", "page", until=until).status_code == 422
    assert unread(app) == ["Not yours"]


def test_a_notice_leads_nowhere_else(app: Flask, ana: Person, caller: Caller) -> None:
    away = notice(app, ana, "Away", link="//evil.example/")
    answer = caller.post("/inbox/readings", "page", notice=str(away), follow="1", next="https://evil.example")
    assert answer.location == "/inbox"
    answer = caller.post("/inbox/readings", "page", notice=str(away), next="https://evil.example")
    assert answer.location == "/inbox"


def test_it_is_paged_and_narrowed_to_the_unread(app: Flask, ana: Person, caller: Caller) -> None:
    with app.app_context(), transaction():
        for number in range(120):
            moment = now() - timedelta(minutes=number)
            tell([ana.id], title=f"Notice {number:03}", link="/boards", cause=f"n/{number}", shows_at=moment)
        db.session.execute(sa.update(Notice).where(Notice.title < "Notice 060").values(read_at=now()))
    first = text(caller.get("/inbox").text)
    assert "Notice 000" in first
    assert "Notice 050" not in first
    assert "1\u201350" in first
    second = caller.get("/inbox?page=2")
    assert 'rel="next" href="/inbox?page=3"' in second.text
    assert "101\u2013120" in text(caller.get("/inbox?page=3").text)
    assert "Nothing on this page" in caller.get("/inbox?page=9").text
    narrowed = text(caller.get("/inbox?show=unread").text)
    assert "Notice 060" in narrowed
    assert "Notice 059" not in narrowed
    assert "1\u201350" in narrowed
    for page in ("0", "-1", "x", "²", "9" * 30):
        assert caller.get(f"/inbox?page={page}").status_code == 200


def test_all_read_says_so(app: Flask, ana: Person, caller: Caller) -> None:
    notice(app, ana, "Only one")
    caller.post("/inbox/readings", "page", until=(now() + timedelta(seconds=1)).isoformat())
    assert "Everything is read" in caller.get("/inbox?show=unread").text
    assert "Mark all as read" not in caller.get("/inbox").text


@pytest.mark.parametrize("number", [1, 60])
def test_it_costs_three_statements_however_many_notices_there_are(
    app: Flask, ana: Person, caller: Caller, number: int
) -> None:
    for each in range(number):
        notice(app, ana, f"Notice {each}")
    caller.get("/inbox")
    with statements(app) as sent:
        assert caller.get("/inbox").status_code == 200
    # The reader, their departments, the page of notices, and the count that the bell shows.
    assert len(sent) == 3
