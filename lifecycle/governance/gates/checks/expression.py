"""`expression`: a CEL expression over the card, its account and its evidence holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from lifecycle.core.expressions import Expression, ExpressionError, compile_expression
from lifecycle.governance.gates.checks.base import Ask, CheckType, Params, Reference, Verdict, card_ids
from lifecycle.governance.gates.context import Facts, expression_context, load_facts
from lifecycle.governance.gates.report import Remedy
from lifecycle.governance.language.model import PlaybookDef
from lifecycle.governance.language.names import declared_names


class ExpressionParams(Params):
    """`holds` is the expression; `says` the sentence when it does not; `fix` the fields that mend it."""

    name: str = "expression"
    holds: str
    says: str
    fix: tuple[str, ...] = ()


class ExpressionCheck(CheckType[ExpressionParams, Facts]):
    """Written `expression: {name: margin, holds: "card.price > card.cost", says: …, fix: [price]}`."""

    keyword = "expression"

    def read(self, written: Any) -> list[ExpressionParams]:
        """Return the check."""
        if not isinstance(written, dict):
            # Complaints about what an author wrote are ValueErrors, whatever is wrong with it.
            raise ValueError("write {holds: <expression>, says: <sentence>}")  # noqa: TRY004
        return [ExpressionParams.model_validate(written)]

    def name(self, params: ExpressionParams) -> str:
        """Return the name the author gave it."""
        return params.name

    def references(self, params: ExpressionParams) -> list[Reference]:
        """Return the expression, to be compiled, and the fields that mend it."""
        fields = [Reference("field", name) for name in params.fix]
        return [Reference("expression", params.holds), *fields]

    def load(self, asks: Sequence[Ask]) -> Facts:
        """Return what the expressions read beyond fields."""
        compiled = (_compiled(ask.check.params.holds, _Names(ask.subject.playbook)) for ask in asks)
        return load_facts(card_ids(asks), [name for expression in compiled for name in expression.names])

    def judge(self, ask: Ask, params: ExpressionParams, facts: Facts) -> Verdict:
        """Say the author's sentence; an expression that cannot be evaluated blocks and is named."""
        remedy = Remedy("fields", {"fields": list(params.fix)}) if params.fix else None
        expression = _compiled(params.holds, _Names(ask.subject.playbook))
        context = expression_context(ask.subject, facts)
        try:
            holds = expression.evaluate(context)
        except ExpressionError as error:
            return Verdict(False, f"{params.says} (check “{params.name}”: {error})", remedy)
        if holds:
            name = params.name.replace("_", " ").capitalize()
            return Verdict(True, f"{name}: the condition holds.", remedy)
        return Verdict(False, params.says, remedy)


class _Names:
    """The playbook as a cache key: a revision is immutable, so its identity stands for its names."""

    def __init__(self, playbook: PlaybookDef) -> None:
        self.playbook = playbook

    def __hash__(self) -> int:
        return id(self.playbook)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Names) and other.playbook is self.playbook


@lru_cache(maxsize=512)
def _compiled(text: str, names: _Names) -> Expression:
    playbook = names.playbook
    declared = declared_names(playbook.fields.values(), playbook.evidence.values(), playbook.client_requests)
    return compile_expression(text, declared)
