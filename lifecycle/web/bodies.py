"""How much of a request is read: little, but for views that take files; and of a file what one may have.

A file that is too large, and several that are so together, must not cost what else was typed: they are read
past, and the view says so. A request that is turned away unread shows the browser's own error, if any.
"""

from __future__ import annotations

from collections.abc import Callable
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, TypeVar

from flask import Flask, Request, current_app, request

FILES_AT_ONCE: Final = 4
"""How many times the largest upload a request may have, of views that take files."""
_KEPT_IN_MEMORY: Final = 500 * 1024

View = TypeVar("View", bound=Callable[..., Any])


class BoundedRequest(Request):
    """A request of which no file is kept beyond one byte more than it may have."""

    def _get_file_stream(self, *_told: object, **_more: object) -> IO[bytes]:
        return _Cut(current_app.extensions["settings"].max_upload_bytes + 1)


class _Cut(SpooledTemporaryFile[bytes]):
    """A file that forgets what is written beyond its size."""

    def __init__(self, size: int) -> None:
        super().__init__(max_size=_KEPT_IN_MEMORY, mode="rb+")
        self._size = size

    def write(self, content: Any) -> int:
        super().write(content[: max(0, self._size - self.tell())])
        return len(content)


def takes_files(view: View) -> View:
    """Mark a view as one that is sent files."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    """Bound what is read. Must come before whatever reads a form."""
    app.request_class = BoundedRequest
    app.before_request(_make_room)


def _make_room() -> None:
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "takes_files", False):
        settings = current_app.extensions["settings"]
        request.max_content_length = FILES_AT_ONCE * settings.max_upload_bytes
