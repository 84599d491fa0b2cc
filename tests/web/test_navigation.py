"""P10, E14: the navigation offers every room its reader may enter, and each of its links opens."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask import Flask

from tests.factories.people import make_user
from tests.visitor import Visitor, logged_in

EVERYBODY = ["My work", "Command center", "Boards", "Client gates", "Accounts", "Contacts"]
BEHIND = {
    "member": ["Playbooks", "Automation", "Messages"],
    "admin": ["Playbooks", "Automation", "Messages", "Channels", "Imports", "Evidence", "Users"],
}
_LINK = re.compile(r'<a class="(?:nav-link|menu-item)[^"]*" href="([^"]+)"[^>]*>(.*?)</a>', re.DOTALL)


@pytest.mark.parametrize("role", BEHIND)
def test_e14_the_navigation_leads_to_messages_and_every_other_room(app: Flask, role: str) -> None:
    visitor = logged_in(app, make_user(app, role=role))
    links = _links(visitor)
    assert [*links] == [*EVERYBODY, *BEHIND[role]]
    for label, path in links.items():
        assert visitor.open(path).status_code == 200, label


def _links(visitor: Visitor) -> dict[str, str]:
    page = visitor.open("/boards").text
    navigation = page[page.index('aria-label="Main"') : page.index("</nav>")]
    return {
        unescape(re.sub(r"<[^>]+>", "", label)).strip(): unescape(path)
        for path, label in _LINK.findall(navigation)
    }


def test_p10_the_title_of_an_error_says_what_happened(app: Flask) -> None:
    answer = logged_in(app, make_user(app)).open("/nothing", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "<title>There is nothing here." in answer.text
