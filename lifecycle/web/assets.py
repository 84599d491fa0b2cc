"""Addresses of the built browser assets, with their content's hash in the name."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, g, request, url_for


def init_app(app: Flask) -> None:
    """Offer `asset("app.css")` to templates, and let browsers keep what is named by its hash."""
    root = Path(app.static_folder or "")
    app.jinja_env.globals["asset"] = lambda name: _address(root, name)
    app.after_request(_keep_hashed)


def _address(root: Path, name: str) -> str:
    # A page draws an icon a hundred times: the file of addresses is looked at once a request.
    known: dict[str, str] = g.setdefault("asset_addresses", {})
    if name not in known:
        known[name] = url_for("static", filename=_built(root, name))
    return known[name]


def _built(root: Path, name: str) -> str:
    manifest = root / "build" / "manifest.json"
    try:
        names = _read_manifest(manifest, manifest.stat().st_mtime_ns)
    except FileNotFoundError as error:
        raise RuntimeError("The browser assets are not built yet; run ./dev build.") from error
    return f"build/{names[name]}"


@lru_cache(maxsize=4)
def _read_manifest(path: Path, _changed_at: int) -> dict[str, str]:
    names: dict[str, str] = json.loads(path.read_text())
    return names


def _keep_hashed(response: Response) -> Response:
    if request.path.startswith("/static/build/") and response.status_code == 200:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
