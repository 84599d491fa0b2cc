"""The JSON Schema of a playbook's files, for editors: it knows the short forms and the check types."""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from lifecycle.governance.gates.checks.registry import check_types
from lifecycle.governance.language.document import (
    ClientRequestDocument,
    LegalDocument,
    MessageDocument,
    PipelineDocument,
    PlaybookDocument,
    RulesDocument,
)
from lifecycle.governance.playbooks.checks import params_model
from lifecycle.governance.rules.actions import action_kinds

_FILES = (
    PlaybookDocument,
    PipelineDocument,
    RulesDocument,
    MessageDocument,
    ClientRequestDocument,
    LegalDocument,
)
# What tells the files apart, in this order; what has none of these keys is a message.
_TOLD_BY = (
    ("playbook", "PlaybookDocument"),
    ("pipeline", "PipelineDocument"),
    ("rules", "RulesDocument"),
    ("message", "ClientRequestDocument"),
    ("versions", "LegalDocument"),
)


def playbook_schema() -> dict[str, Any]:
    """Return the schema; a file is a playbook, a pipeline, the rules, a request, legal or a message."""
    _, schema = models_json_schema(
        [(model, "validation") for model in _FILES], ref_template="#/$defs/{model}"
    )
    definitions: dict[str, Any] = {name: _lenient(each) for name, each in schema["$defs"].items()}
    _add_checks(definitions)
    _add_actions(definitions)
    choice: dict[str, Any] = {"$ref": "#/$defs/MessageDocument"}
    for key, name in reversed(_TOLD_BY):
        choice = {"if": {"required": [key]}, "then": {"$ref": f"#/$defs/{name}"}, "else": choice}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of a Lifecycle playbook",
        "type": "object",
        **choice,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Return the schema as it is written to docs/playbook.schema.json."""
    return json.dumps(playbook_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _lenient(node: Any) -> Any:
    """Return a schema that takes the short forms too: one for a list, keys for a mapping, yes and no."""
    if isinstance(node, list):
        return [_lenient(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _lenient(value) for key, value in node.items()}
    if inner.get("type") == "boolean":
        return {"anyOf": [inner, {"enum": ["yes", "no"]}]}
    if inner.get("type") == "array" and isinstance(inner.get("items"), dict):
        return {"anyOf": [inner["items"], inner]}
    values = inner.get("additionalProperties")
    if inner.get("type") == "object" and isinstance(values, dict):
        inner["additionalProperties"] = {"anyOf": [values, {"type": "null"}]}
        return {"anyOf": [inner, {"type": "array", "items": {"type": "string"}}]}
    return inner


def _add_checks(definitions: dict[str, Any]) -> None:
    """Let a check be one of the registered types, each with what it takes."""
    check = definitions["CheckDocument"]
    check["additionalProperties"] = False
    for keyword, check_type in check_types().items():
        model = params_model(check_type)
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        long = _lenient(schema)
        description = (type(check_type).__doc__ or "").strip()
        check["properties"][keyword] = {
            "description": description,
            "anyOf": [
                {"type": "string"},
                long,
                {"type": "array", "items": {"anyOf": [{"type": "string"}, long]}},
            ],
        }
    check["oneOf"] = [{"required": [keyword]} for keyword in check_types()]


def _add_actions(definitions: dict[str, Any]) -> None:
    """Teach the schema of an action what each keyword needs."""
    action = definitions["ActionDocument"]
    action["additionalProperties"] = False
    for keyword, kind in action_kinds().items():
        schema = kind.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        short = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}] if kind.short else []
        description = (kind.__doc__ or "").strip()
        action["properties"][keyword] = {"description": description, "anyOf": [*short, _lenient(schema)]}
    action["oneOf"] = [{"required": [keyword]} for keyword in action_kinds()]
