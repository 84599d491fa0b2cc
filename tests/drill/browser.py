"""Somebody with a browser, on the real web server: logs in, posts forms, and lives through refusals."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from http.cookiejar import CookieJar
from typing import Any

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
TIMEOUT = 20.0
HTML, JSON = "text/html", "application/json"


@dataclass(frozen=True)
class Answer:
    """What the server said. Status 0: nobody knows, for the conversation broke off."""

    status: int
    text: str = ""
    location: str = ""

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.text))

    @property
    def is_unknown(self) -> bool:
        """Whether what was asked for may or may not have been done."""
        return self.status == 0 or self.status >= 500


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: Any, **_more: Any) -> None:
        """Follow nothing: where an answer leads is part of the answer."""
        return


class Browser:
    """Cookies, a CSRF token, and no patience beyond TIMEOUT."""

    def __init__(self, web: str) -> None:
        self._web = web
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), _NoRedirect
        )
        self._token = ""

    def log_in(self, email: str, password: str) -> None:
        """Log in, or raise AssertionError."""
        answer = self.post("/login", email=email, password=password)
        assert answer.status == 303, f"{email} cannot log in: {answer.status}"
        self._token = ""

    def get(self, path: str, accept: str = HTML) -> Answer:
        return self._send(urllib.request.Request(self._web + path, headers={"Accept": accept}))

    def post(
        self,
        path: str,
        *,
        accept: str = HTML,
        files: Mapping[str, str] | None = None,
        as_fragment: bool = False,
        **fields: object,
    ) -> Answer:
        """Post a form; a list is a field sent several times, `files` are sent as a browser uploads them."""
        fields = {"csrf_token": self._csrf_token(), **fields}
        if not self._token:
            return Answer(0)
        pairs = [
            (name, str(each))
            for name, value in fields.items()
            for each in (value if isinstance(value, Sequence) and not isinstance(value, str) else [value])
        ]
        kind, body = _multipart(pairs, files) if files else _urlencoded(pairs)
        headers = {"Accept": accept, "Content-Type": kind}
        if as_fragment:
            headers["HX-Request"] = "true"
        return self._send(urllib.request.Request(self._web + path, body, headers))

    def _csrf_token(self) -> str:
        if not self._token:
            page = self.get("/login")
            page = self.get(page.location or "/profile") if page.status == 303 else page
            found = _TOKEN.search(page.text) or _TOKEN.search(self.get("/profile").text)
            self._token = unescape(found[1]) if found else ""
        return self._token

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            with self._opener.open(request, timeout=TIMEOUT) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as refusal:
            with refusal:
                return _read(refusal)
        except (OSError, http.client.HTTPException):
            return Answer(0)


def _read(refusal: urllib.error.HTTPError) -> Answer:
    try:
        return Answer(refusal.code, refusal.read().decode(), refusal.headers.get("Location", ""))
    except (OSError, http.client.HTTPException):
        # The status came whole, so what it says was done is done.
        return Answer(refusal.code, "", refusal.headers.get("Location", ""))


def _urlencoded(pairs: list[tuple[str, str]]) -> tuple[str, bytes]:
    return "application/x-www-form-urlencoded", urllib.parse.urlencode(pairs).encode()


def _multipart(pairs: list[tuple[str, str]], files: Mapping[str, str]) -> tuple[str, bytes]:
    boundary = uuid.uuid4().hex
    parts = [f'form-data; name="{name}"\r\n\r\n{value}' for name, value in pairs]
    parts += [
        f'form-data; name="{name}"; filename="{name}.{"yaml" if name == "map" else "csv"}"\r\n\r\n{text}'
        for name, text in files.items()
    ]
    body = "".join(f"--{boundary}\r\nContent-Disposition: {part}\r\n" for part in parts)
    return f"multipart/form-data; boundary={boundary}", f"{body}--{boundary}--\r\n".encode()
