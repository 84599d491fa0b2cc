"""The list of imports, one import in each of its states, and what can be done with it."""

from __future__ import annotations

from typing import Any

import yaml
from flask import Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.imports import imports
from lifecycle.blueprints.imports.forms import UploadForm
from lifecycle.core.clock import now
from lifecycle.core.db import transaction
from lifecycle.core.errors import Invalid, NotFound
from lifecycle.exchange.imports import queries
from lifecycle.exchange.imports.changes import count_moved_since
from lifecycle.exchange.imports.dates import ORDERS
from lifecycle.exchange.imports.mapping import BrokenMap
from lifecycle.exchange.imports.run import SILENCE, is_silent
from lifecycle.exchange.imports.start import (
    ask_for_check,
    ask_for_run,
    begin_import,
    declare_dates,
    read_map_file,
)
from lifecycle.exchange.imports.withdraw import withdraw_import
from lifecycle.records.files.pieces import StorageAway
from lifecycle.records.people.permissions import require
from lifecycle.web.access import current_actor
from lifecycle.web.bodies import takes_files
from lifecycle.web.htmx import go_to, render_fragment
from lifecycle.web.uploads import check_uploads, upload_of

UNDER_WAY = ("checking", "running")


@imports.get("/")
def list_imports() -> ResponseReturnValue:
    """List the imports, newest first."""
    return render_template("imports/list.html", lines=queries.list_imports(current_actor()))


@imports.get("/new")
def show_upload() -> ResponseReturnValue:
    """Ask for a board and a file."""
    require(current_actor(), "imports.run")
    form = UploadForm(formdata=None, data={"board": request.args.get("board")})
    form.offer()
    return render_template("imports/new.html", form=form, sentences=[])


@imports.post("/")
@takes_files
def begin() -> ResponseReturnValue:
    """Keep the files of a new import; a file that cannot be read is refused in a sentence."""
    require(current_actor(), "imports.run")
    form = UploadForm()
    form.offer()
    if not form.validate():
        return render_template("imports/new.html", form=form, sentences=[]), 422
    try:
        import_id, is_mapped = _begin(form)
    except BrokenMap as refusal:
        sentences = ["The map cannot be used. Nothing was kept.", *refusal.errors]
        return render_template("imports/new.html", form=form, sentences=sentences), 422
    except (Invalid, StorageAway) as refusal:
        return render_template("imports/new.html", form=form, sentences=[refusal.sentence]), refusal.status
    page = "imports.show_import" if is_mapped else "imports.show_mapping"
    return go_to(url_for(page, import_id=import_id))


def _begin(form: UploadForm) -> tuple[int, bool]:
    """Keep what was uploaded; return the import's id, and whether it came with a map."""
    actor = current_actor()
    check_uploads(are_kept=False)
    file, accounts, written = upload_of("file"), upload_of("accounts"), upload_of("map")
    assert file is not None
    mapping = read_map_file(written.name, written.read()) if written else None
    with transaction():
        record = begin_import(
            form.board.data,
            file.name,
            file.read(),
            actor=actor,
            accounts=(accounts.name, accounts.read()) if accounts else None,
            mapping=mapping,
        )
        if mapping is not None:
            ask_for_check(record.id, actor=actor)
        return record.id, mapping is not None


@imports.get("/<int:import_id>")
def show_import(import_id: int) -> ResponseReturnValue:
    """Show an import as it stands: under way, checked, done, failed or withdrawn."""
    line = queries.show_import(import_id, current_actor())
    if line.record.state == "draft" and not line.record.mapping:
        return go_to(url_for("imports.show_mapping", import_id=import_id))
    return render_template("imports/show.html", **_page(line))


@imports.get("/<int:import_id>/progress")
def show_progress(import_id: int) -> ResponseReturnValue:
    """Return the progress; once the job is over, the page itself."""
    line = queries.show_import(import_id, current_actor())
    if line.record.state not in UNDER_WAY:
        return go_to(url_for("imports.show_import", import_id=import_id))
    return render_fragment("imports/_progress.html", **_progress(line))


@imports.post("/<int:import_id>/checks")
def check(import_id: int) -> ResponseReturnValue:
    """Have the file gone through without writing to the board."""
    with transaction():
        ask_for_check(import_id, actor=current_actor())
    return go_to(url_for("imports.show_import", import_id=import_id))


@imports.post("/<int:import_id>/runs")
def run(import_id: int) -> ResponseReturnValue:
    """Have the import run."""
    with transaction():
        ask_for_run(import_id, actor=current_actor())
    return go_to(url_for("imports.show_import", import_id=import_id))


@imports.post("/<int:import_id>/dates")
def answer_dates(import_id: int) -> ResponseReturnValue:
    """Take the answers to questions about dates, and check again."""
    line = queries.show_import(import_id, current_actor())
    asked = [question["column"] for question in line.record.forecast.get("questions", [])]
    orders = {
        column: request.form[f"order-{number}"]
        for number, column in enumerate(asked)
        if request.form.get(f"order-{number}") in ORDERS
    }
    if len(orders) < len(asked):
        sentence = "Say for every column which comes first, the day or the month."
        return render_template("imports/show.html", **_page(line), sentences=[sentence]), 422
    with transaction():
        declare_dates(import_id, orders, actor=current_actor())
        ask_for_check(import_id, actor=current_actor())
    return go_to(url_for("imports.show_import", import_id=import_id))


@imports.get("/<int:import_id>/withdrawal")
def show_withdrawal(import_id: int) -> ResponseReturnValue:
    """Ask once whether the import shall be withdrawn."""
    line = queries.show_import(import_id, current_actor())
    return render_template(
        "imports/withdraw.html",
        line=line,
        count=sum(each.count for each in queries.count_on_board(import_id)),
        touched=count_moved_since(import_id),
    )


@imports.post("/<int:import_id>/withdrawal")
def withdraw(import_id: int) -> ResponseReturnValue:
    """Withdraw the import whole."""
    with transaction():
        count = withdraw_import(import_id, actor=current_actor())
    cards = "1 card is" if count == 1 else f"{count:,} cards are"
    flash(f"The import is withdrawn; {cards} off the board.", "passed")
    return go_to(url_for("imports.show_import", import_id=import_id))


@imports.get("/<int:import_id>/errors.csv")
def download_errors(import_id: int) -> ResponseReturnValue:
    """Return every row error as CSV."""
    lines = "".join(queries.errors_as_csv(import_id, current_actor()))
    return _attachment(lines, "text/csv", f"import-{import_id}-errors.csv")


@imports.get("/<int:import_id>/map.yaml")
def download_map(import_id: int) -> ResponseReturnValue:
    """Return the map, so that the next file of the same kind needs no mapping."""
    line = queries.show_import(import_id, current_actor())
    if not line.record.mapping:
        raise NotFound("This import has no map yet.")
    text = yaml.safe_dump(line.record.mapping, allow_unicode=True, sort_keys=False)
    return _attachment(text, "application/yaml", f"import-{import_id}-map.yaml")


def _attachment(text: str, kind: str, name: str) -> Response:
    response = Response(text.encode(), content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _progress(line: queries.ImportLine) -> dict[str, Any]:
    record = line.record
    waiting = record.started_at is None
    return {
        "line": line,
        "waiting": waiting,
        "is_silent": is_silent(record) if not waiting else now() - record.created_at > SILENCE,
        "percent": min(100, 100 * record.rows_done // record.rows_total) if record.rows_total else 0,
    }


def _page(line: queries.ImportLine) -> dict[str, Any]:
    record = line.record
    page = max(1, min(request.args.get("page", 1, type=int), 100_000))
    is_forecast = record.state not in ("done", "withdrawn") and not (
        record.state == "failed" and record.summary
    )
    return {
        **_progress(line),
        "figures": record.forecast if is_forecast else record.summary,
        "is_forecast": is_forecast,
        "on_board": queries.count_on_board(record.id) if record.state in ("done", "failed") else [],
        "errors": queries.list_errors(record.id, page),
        "error_groups": queries.group_errors(record.id),
        "error_count": queries.count_errors(record.id),
        "page": page,
        "errors_a_page": queries.ERRORS_A_PAGE,
        "sentences": [],
    }
