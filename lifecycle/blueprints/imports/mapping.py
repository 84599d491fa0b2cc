"""The mapping of an import: what each column of its file feeds."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.imports import imports
from lifecycle.core.db import transaction
from lifecycle.exchange.imports import columns, queries
from lifecycle.exchange.imports.mapping import BrokenMap
from lifecycle.exchange.imports.start import ask_for_check, set_mapping
from lifecycle.governance.playbooks.library import current
from lifecycle.web.access import current_actor
from lifecycle.web.htmx import go_to, render_fragment

_MISSING = (
    ("external_id", "Choose the column that identifies a row, so that importing again doubles nothing."),
    ("account", "Choose the column with the account's name."),
)


@imports.get("/<int:import_id>/mapping")
def show_mapping(import_id: int) -> ResponseReturnValue:
    """Show the columns with samples and what each feeds: as kept, or as suggested."""
    line = queries.show_import(import_id, current_actor())
    if line.record.state not in ("draft", "checked", "failed"):
        return go_to(url_for("imports.show_import", import_id=import_id))
    playbook = current(line.slug)
    pipeline = playbook.pipeline(line.slug.partition(".")[2])
    data, reading = line.record.mapping, line.record.reading
    header = [column["name"] for column in reading["columns"]]
    accounts_header = [column["name"] for column in reading.get("account_columns", [])]
    if data:
        chosen = columns.targets_of(data, header)
        chosen_accounts = columns.account_targets_of(data, accounts_header)
    else:
        chosen = columns.suggest(header, columns.targets(playbook, pipeline))
        chosen_accounts = columns.suggest(
            accounts_header, columns.account_targets(playbook), for_accounts=True
        )
    words = dict(data.get("stage", {}).get("values", {}))
    return _render(line, chosen, chosen_accounts, words, columns.settings_of(data), [])


@imports.post("/<int:import_id>/mapping")
def save_mapping(import_id: int) -> ResponseReturnValue:
    """Keep the mapping and have the file checked; with `show`, show the stage words of the chosen column."""
    line = queries.show_import(import_id, current_actor())
    chosen, chosen_accounts, words = _chosen(line)
    settings = _settings()
    if request.form.get("action") == "show":
        return _render(line, chosen, chosen_accounts, words, settings, [])
    playbook = current(line.slug)
    pipeline = playbook.pipeline(line.slug.partition(".")[2])
    sentences = columns.twice(chosen, columns.targets(playbook, pipeline))
    sentences += [sentence for key, sentence in _MISSING if key not in chosen.values()]
    if "title" not in chosen.values() and not settings.title:
        sentences.append("Choose the column with the title, or make one of several columns.")
    if not sentences:
        data = columns.map_of(chosen, chosen_accounts, words, settings, pipeline, line.record.mapping)
        try:
            with transaction():
                set_mapping(import_id, data, actor=current_actor())
                ask_for_check(import_id, actor=current_actor())
        except BrokenMap as refusal:
            sentences = list(refusal.errors)
    if sentences:
        return _render(line, chosen, chosen_accounts, words, settings, sentences, status=422)
    return go_to(url_for("imports.show_import", import_id=import_id))


@imports.post("/<int:import_id>/stage-words")
def show_stage_words(import_id: int) -> ResponseReturnValue:
    """Return the words of the column that is chosen for the stage just now."""
    line = queries.show_import(import_id, current_actor())
    chosen, chosen_accounts, words = _chosen(line)
    context = _context(line, chosen, chosen_accounts, words, _settings())
    return render_fragment("imports/_stage_words.html", **context)


def _chosen(line: queries.ImportLine) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    reading = line.record.reading
    chosen = {
        column["name"]: key
        for number, column in enumerate(reading["columns"])
        if (key := request.form.get(f"target-{number}", ""))
    }
    accounts = {
        column["name"]: key
        for number, column in enumerate(reading.get("account_columns", []))
        if (key := request.form.get(f"account-target-{number}", ""))
    }
    written = request.form.getlist("word")
    meant = request.form.getlist("word-stage")
    return chosen, accounts, dict(zip(written, meant, strict=False))


def _settings() -> columns.Settings:
    form = request.form
    return columns.Settings(
        title=form.get("title", "").strip(),
        holding=form.get("holding", "").strip(),
        owner_otherwise=form.get("owner", "importer"),
        currency=form.get("currency", "").strip().upper(),
        decimal_mark=form.get("decimal_mark", "."),
        dates=form.get("dates", ""),
        clock=form.get("clock", "import"),
        aliases=form.get("aliases", ""),
    )


def _render(
    line: queries.ImportLine,
    chosen: dict[str, str],
    chosen_accounts: dict[str, str],
    words: dict[str, str],
    settings: columns.Settings,
    sentences: list[str],
    status: int = 200,
) -> ResponseReturnValue:
    context = _context(line, chosen, chosen_accounts, words, settings)
    return render_template("imports/mapping.html", sentences=sentences, **context), status


def _context(
    line: queries.ImportLine,
    chosen: dict[str, str],
    chosen_accounts: dict[str, str],
    words: dict[str, str],
    settings: columns.Settings,
) -> dict[str, Any]:
    playbook = current(line.slug)
    pipeline = playbook.pipeline(line.slug.partition(".")[2])
    reading = line.record.reading
    stage_column = next(
        (column for column in reading["columns"] if chosen.get(column["name"]) == "stage"), None
    )
    values = (stage_column or {}).get("values")
    found = [word for word, _ in values or []]
    return {
        "line": line,
        "columns": reading["columns"],
        "account_columns": reading.get("account_columns", []),
        "targets": columns.targets(playbook, pipeline),
        "account_targets": columns.account_targets(playbook),
        "chosen": chosen,
        "chosen_accounts": chosen_accounts,
        "stage_column": stage_column,
        "stage_values": values,
        "words": {
            **columns.suggest_stages(found, pipeline),
            **{w: k for w, k in words.items() if w in found},
        },
        "stages": pipeline.stages,
        "settings": settings,
        "users": queries.list_owners(),
    }
