"""From a parse tree to something that can run: every name declared, every kind known, every cost bounded."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from lark import Token, Tree

from lifecycle.core.expressions.errors import ExpressionError
from lifecycle.core.expressions.grammar import arguments_of, place_of, stripped, text_literal, trees
from lifecycle.core.expressions.kinds import (
    ANY,
    BOOLEAN,
    DURATION,
    NULL,
    NUMBER,
    ORDERED,
    TEXT,
    Kind,
    ListOf,
    Record,
    kind_hint,
    paths_below,
)
from lifecycle.core.expressions.limits import DEEPEST, LONGEST_LITERAL_LIST, MOST_LISTS_PER_ITEM
from lifecycle.core.expressions.operations import (
    DECIMAL,
    FUNCTIONS,
    LITERALS,
    MACROS,
    METHODS,
    MOMENTS,
    OPERATIONS,
    RELATIONS,
    RESULTS,
    TEXT_METHODS,
)
from lifecycle.core.expressions.running import (
    Run,
    Term,
    bounded,
    compare_unknown,
    decide,
    filled_value,
    is_empty,
    item_itself,
    lookup,
)
from lifecycle.core.expressions.values import as_text, kind_of

EXAMPLE: Final = "write for example card.discount_percent > 15"


class Reader:
    """Turns a parse tree into terms, refusing what is not declared, not typed or not bounded."""

    def __init__(self, text: str, root: Record) -> None:
        self.text = text
        self.root = root
        self.names: set[str] = set()
        self._variable: str | None = None
        self._item: Term | None = None
        self._depth = 0
        self._lists_per_item = 0

    def read(self, tree: Tree[Token]) -> Term:
        tree = stripped(tree)
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._refusal(
                tree, f"the expression is nested more than {DEEPEST} deep; split it into several checks"
            )
        try:
            reading = getattr(self, f"_read_{tree.data}", None)
            if reading is None:
                raise self._refusal(tree, f"{self._words(tree)} cannot be used here")
            return cast(Term, reading(tree))
        finally:
            self._depth -= 1

    # -- logic

    def _read_expr(self, tree: Tree[Token]) -> Term:
        condition, yes, no = (self.read(child) for child in trees(tree))
        test = self._truth(condition)
        if yes.kind != no.kind and not {yes.kind, no.kind} & {ANY, NULL}:
            raise self._refusal(
                tree, f"{yes.words} is {yes.kind} and {no.words} is {no.kind}; both must be alike"
            )
        kind = no.kind if yes.kind == NULL else ANY if ANY in (yes.kind, no.kind) else yes.kind
        chosen, other = yes.run, no.run
        return self._term(tree, kind, lambda c, i: chosen(c, i) if test(c, i) else other(c, i))

    def _read_conditionalor(self, tree: Tree[Token]) -> Term:
        return self._logic(tree, "conditionalor", decisive=True)

    def _read_conditionaland(self, tree: Tree[Token]) -> Term:
        return self._logic(tree, "conditionaland", decisive=False)

    def _logic(self, tree: Tree[Token], rule: str, *, decisive: bool) -> Term:
        parts: list[Tree[Token]] = []
        left = tree
        while left.data == rule:  # a long chain leans to the left; read as one, it is not deep
            rest, last = trees(left)
            parts.append(last)
            left = stripped(rest)
        tests = [self._truth(self.read(part)) for part in (left, *reversed(parts))]
        return self._term(tree, BOOLEAN, lambda c, i: decide(decisive, ((test, c, i) for test in tests)))

    def _read_unary(self, tree: Tree[Token]) -> Term:
        sign, operand = trees(tree)
        term = self.read(operand)
        if sign.data == "unary_not":
            test = self._truth(term)
            return self._term(tree, BOOLEAN, lambda c, i: not test(c, i))
        if term.kind not in (NUMBER, DURATION, ANY):
            raise self._refusal(tree, f"{term.words} is {term.kind}, and has no negative")
        value = filled_value(term)
        return self._term(tree, term.kind, lambda c, i: -value(c, i))

    def _truth(self, term: Term) -> Run:
        if term.kind not in (BOOLEAN, ANY):
            raise ExpressionError(
                f"{term.words} is {term.kind}, where yes or no is needed; compare it with something",
                term.column,
                term.line,
            )
        value, words = filled_value(term), term.words

        def truth(context: Mapping[str, Any], item: Any) -> bool:
            answer = value(context, item)
            if not isinstance(answer, bool):
                raise ExpressionError(f"{words} is not yes or no")
            return answer

        return truth

    # -- comparing and counting

    def _read_relation(self, tree: Tree[Token]) -> Term:
        sign_tree, right_tree = trees(tree)
        sign, compare = RELATIONS[sign_tree.data]
        left, right = self.read(trees(sign_tree)[0]), self.read(right_tree)
        if sign == "in":
            return self._membership(tree, left, right)
        equality = sign in ("==", "!=")
        self._comparable(tree, left, right, sign)
        if equality:
            one, other = left.run, right.run
        else:
            one, other = filled_value(left), filled_value(right)
        if ANY in (left.kind, right.kind):
            compare = compare_unknown(
                compare, left.words, right.words, equality=equality, negated=sign == "!="
            )
        return self._term(tree, BOOLEAN, lambda c, i: compare(one(c, i), other(c, i)))

    def _comparable(self, tree: Tree[Token], left: Term, right: Term, sign: str) -> None:
        if sign in ("==", "!="):
            if NULL in (left.kind, right.kind) or ANY in (left.kind, right.kind):
                return
            if isinstance(left.kind, Record) or isinstance(right.kind, Record):
                raise self._refusal(
                    tree, f"{left.words} and {right.words} can only be compared with null as a whole"
                )
        else:
            for term in (left, right):
                if term.kind not in ORDERED and term.kind != ANY:
                    raise self._refusal(tree, f"{term.words} is {term.kind}, which '{sign}' cannot compare")
        if ANY in (left.kind, right.kind) or left.kind == right.kind:
            return
        raise self._refusal(
            tree,
            f"{left.words} is {left.kind} and {right.words} is {right.kind}; they cannot be compared"
            f"{kind_hint(left.kind, right.kind)}",
        )

    def _membership(self, tree: Tree[Token], left: Term, right: Term) -> Term:
        if not isinstance(right.kind, ListOf) and right.kind != ANY:
            remedy = (
                f"; write {right.words}.contains({left.words})" if right.kind == left.kind == TEXT else ""
            )
            raise self._refusal(tree, f"{right.words} is {right.kind}, and 'in' needs a list{remedy}")
        element = right.kind.element if isinstance(right.kind, ListOf) else ANY
        if left.kind != element and not {left.kind, element} & {ANY, NULL}:
            raise self._refusal(
                tree, f"{left.words} is {left.kind}, and {right.words} is a list of something else"
            )
        one, items = left.run, filled_value(right)
        words = right.words

        def within(context: Mapping[str, Any], item: Any) -> bool:
            sought, among = one(context, item), items(context, item)
            if not isinstance(among, list):
                raise ExpressionError(f"{words} is not a list")
            kind = kind_of(sought)
            return any(sought == each and kind_of(each) == kind for each in among)

        return self._term(tree, BOOLEAN, within)

    def _read_addition(self, tree: Tree[Token]) -> Term:
        sign_tree, right_tree = trees(tree)
        sign, operation = OPERATIONS[sign_tree.data]
        left, right = self.read(trees(sign_tree)[0]), self.read(right_tree)
        one, other = filled_value(left), filled_value(right)
        if ANY in (left.kind, right.kind):
            words = f"{left.words} and {right.words}"

            def unknown(context: Mapping[str, Any], item: Any) -> Any:
                a, b = one(context, item), other(context, item)
                result = RESULTS.get((sign, kind_of(a), kind_of(b)))
                if result is None:
                    raise ExpressionError(f"{words} do not go together with '{sign}'")
                return bounded(DECIMAL[sign](a, b) if result == NUMBER else operation(a, b))

            return self._term(tree, ANY, unknown)
        kind = RESULTS.get((sign, left.kind, right.kind))
        if kind is None:
            raise self._refusal(
                tree,
                f"{left.words} is {left.kind} and {right.words} is {right.kind}; '{sign}' cannot join them",
            )
        if kind == NUMBER:
            calculate = DECIMAL[sign]
            if sign in "/%":
                words = right.words

                def divided(context: Mapping[str, Any], item: Any) -> Decimal:
                    a, b = one(context, item), other(context, item)
                    if b == 0:
                        raise ExpressionError(f"{words} is 0, and nothing can be divided by it")
                    return calculate(a, b)

                return self._term(tree, kind, divided)
            return self._term(tree, kind, lambda c, i: calculate(one(c, i), other(c, i)))
        return self._term(tree, kind, lambda c, i: bounded(operation(one(c, i), other(c, i))))

    _read_multiplication = _read_addition

    # -- values

    def _read_literal(self, tree: Tree[Token]) -> Term:
        token = cast(Token, tree.children[0])
        try:
            kind, value = LITERALS[token.type](token)
        except KeyError:
            raise self._refusal(
                tree, f"{self._words(tree)} is a kind of value that is not used here"
            ) from None
        except (ValueError, TypeError, LookupError, ArithmeticError):
            raise self._refusal(tree, f"{self._words(tree)} cannot be read, or is too large") from None
        return self._term(tree, kind, lambda _c, _i: value, constant=value)

    def _read_list_lit(self, tree: Tree[Token]) -> Term:
        parts = trees(tree.children[0]) if tree.children else []
        if len(parts) > LONGEST_LITERAL_LIST:
            raise self._refusal(tree, f"a list can have {LONGEST_LITERAL_LIST} items at most")
        terms = [self.read(part) for part in parts]
        kinds = {term.kind for term in terms} - {NULL}
        for term in terms:
            if isinstance(term.kind, ListOf | Record):
                raise self._refusal(tree, f"{term.words} is {term.kind}, and a list holds single values")
        if len(kinds) > 1 and ANY not in kinds:
            raise self._refusal(tree, "the items of a list must be of one kind")
        runs = [term.run for term in terms]
        element = ANY if len(kinds) != 1 else kinds.pop()
        return self._term(tree, ListOf(element), lambda c, i: [run(c, i) for run in runs])

    def _read_map_lit(self, tree: Tree[Token]) -> Term:
        raise self._refusal(tree, "{…} is not used here; write a list, for example ['gold', 'silver']")

    # -- names

    def _read_ident(self, tree: Tree[Token]) -> Term:
        return self._named(tree)

    def _read_member_dot(self, tree: Tree[Token]) -> Term:
        return self._named(tree)

    def _read_member_index(self, tree: Tree[Token]) -> Term:
        base, index = trees(tree)
        if text_literal(index) is not None:
            return self._named(tree)
        items, position = self.read(base), self.read(index)
        if not isinstance(items.kind, ListOf) or position.kind != NUMBER:
            raise self._refusal(
                tree, "[…] takes a name in quotation marks, or the number of an item in a list"
            )
        all_items, at, words = filled_value(items), filled_value(position), items.words

        def item_at(context: Mapping[str, Any], item: Any) -> Any:
            found, number = all_items(context, item), at(context, item)
            if number != int(number) or not 0 <= number < len(found):
                raise ExpressionError(f"{words} has no item {number}; it has {len(found)}")
            return found[int(number)]

        name = None if items.name is None else f"{items.name}[]"
        return self._term(tree, items.kind.element, item_at, name=name)

    def _named(self, tree: Tree[Token]) -> Term:
        """A declared name with all its dots, looked up in one go."""
        base, steps = tree, list[tuple[str, Tree[Token]]]()
        while base.data in ("member_dot", "member_index"):
            if base.data == "member_dot":
                step: str | None = str(base.children[1])
            else:
                step = text_literal(trees(base)[1])
                if step is None:
                    break
            assert step is not None
            steps.append((step, base))
            base = stripped(trees(base)[0])
        steps.reverse()
        if base.data == "ident":
            first = str(base.children[0])
            if first == self._variable and self._item is not None:
                return self._below(tree, self._item, steps)
            return self._below(tree, None, [(first, base), *steps])
        return self._below(tree, self.read(base), steps)

    def _below(self, tree: Tree[Token], base: Term | None, steps: list[tuple[str, Tree[Token]]]) -> Term:
        kind: Kind = self.root if base is None else base.kind
        name = "" if base is None else base.name or base.words
        for step, at in steps:
            members = dict(kind.members) if isinstance(kind, Record) else {}
            if step not in members:
                raise self._refusal(at, self._unknown(name, step, kind))
            kind, name = members[step], f"{name}.{step}" if name else step
        if base is None or base.name is not None:
            self.names.add(name)
        if self._variable is not None and steps and (isinstance(kind, ListOf) or kind == ANY):
            self._lists_per_item += 1
            if self._lists_per_item > MOST_LISTS_PER_ITEM:
                raise self._refusal(tree, "too many lists are gone through for each item of another list")
        keys = tuple(step for step, _ in steps)
        return self._term(tree, kind, lookup(base, keys, kind, name), name=name, words=name)

    def _unknown(self, name: str, step: str, kind: Kind) -> str:
        asked = f"{name}.{step}" if name else step
        if not isinstance(kind, Record):
            return f"{name} is {kind}, and has no '{step[:40]}'"
        siblings = [member for member, _ in kind.members]
        close = difflib.get_close_matches(step[:60], siblings, n=1)
        nearest = [f"{name}.{each}" if name else each for each in close]
        nearest += [path for path in paths_below(self.root) if path.rpartition(".")[2] == step][:2]
        if nearest:
            return f"'{asked[:80]}' is not declared; did you mean {' or '.join(dict.fromkeys(nearest))}?"
        known = ", ".join(sorted(siblings)[:12])
        return f"'{asked[:80]}' is not declared; {name or 'an expression'} can use {known or 'nothing'}"

    # -- functions

    def _read_ident_arg(self, tree: Tree[Token]) -> Term:
        function, arguments = str(tree.children[0]), arguments_of(tree, 1)
        if function not in FUNCTIONS:
            raise self._refusal(tree, _no_such("function", function, FUNCTIONS))
        if len(arguments) != 1:
            raise self._refusal(tree, f"{function}(…) takes one value")
        if function == "has":
            return self._has(tree, self.read(arguments[0]))
        if function == "size":
            return self._size(tree, self.read(arguments[0]))
        text = text_literal(arguments[0])
        if text is None:
            raise self._refusal(tree, f"{function}(…) takes a text in quotation marks")
        kind, read, example = MOMENTS[function]
        try:
            value = read(text)
        except (ValueError, TypeError, OverflowError) as error:
            reason = (
                f"{error}; or" if isinstance(error, ExpressionError) else f"'{text[:40]}' cannot be read;"
            )
            raise self._refusal(tree, f"{reason} write for example {example}") from None
        return self._term(tree, kind, lambda _c, _i: value, constant=value)

    def _has(self, tree: Tree[Token], term: Term) -> Term:
        if term.name is None:
            raise self._refusal(tree, "has(…) takes a declared name")
        run = term.run
        return self._term(tree, BOOLEAN, lambda c, i: not is_empty(run(c, i)))

    def _size(self, tree: Tree[Token], term: Term) -> Term:
        if term.kind not in (TEXT, ANY) and not isinstance(term.kind, ListOf):
            raise self._refusal(tree, f"{term.words} is {term.kind}; only a list or a text has a size")
        value, words = filled_value(term), term.words

        def size(context: Mapping[str, Any], item: Any) -> int:
            sized = value(context, item)
            if not isinstance(sized, list | str):
                raise ExpressionError(f"{words} is neither a list nor a text")
            return len(sized)

        return self._term(tree, NUMBER, size)

    def _read_member_dot_arg(self, tree: Tree[Token]) -> Term:
        method, arguments = str(tree.children[1]), arguments_of(tree, 2)
        if method == "matches":
            raise self._refusal(
                tree,
                "matches(…) is not used here; use contains, startsWith or endsWith, "
                "or a pattern on the field",
            )
        if method not in METHODS:
            raise self._refusal(tree, _no_such("method", method, METHODS))
        subject = self.read(trees(tree)[0])
        if method in MACROS:
            return self._macro(tree, method, subject, arguments)
        if method == "size" and not arguments:
            return self._size(tree, subject)
        terms = [self.read(argument) for argument in arguments]
        for term in (subject, *terms):
            if term.kind not in (TEXT, ANY):
                raise self._refusal(tree, f"{term.words} is {term.kind}, and {method}(…) works on text")
        if len(terms) != (method in TEXT_METHODS):
            raise self._refusal(
                tree, f"{method}(…) takes {'one text' if method in TEXT_METHODS else 'nothing'}"
            )
        value = filled_value(subject)
        if method == "lowerAscii":
            return self._term(tree, TEXT, lambda c, i: as_text(value(c, i)).lower())
        test, part = TEXT_METHODS[method], filled_value(terms[0])
        return self._term(tree, BOOLEAN, lambda c, i: test(as_text(value(c, i)), as_text(part(c, i))))

    def _macro(self, tree: Tree[Token], macro: str, subject: Term, arguments: list[Tree[Token]]) -> Term:
        if self._variable is not None:
            raise self._refusal(
                tree, f"{macro}(…) cannot stand inside another such step; split the expression"
            )
        if not isinstance(subject.kind, ListOf) or subject.name is None:
            raise self._refusal(tree, f"{macro}(…) goes through a declared list, and {subject.words} is none")
        variable = stripped(arguments[0]) if len(arguments) == 2 else tree
        if variable.data != "ident":
            raise self._refusal(
                tree, f"write {macro}(item, …) with a name for the item and what to ask of it"
            )
        self._variable, self._lists_per_item = str(variable.children[0]), 0
        if self._variable in dict(self.root.members):
            raise self._refusal(
                variable, f"'{self._variable}' is declared already; choose another name for the item"
            )
        self._item = self._term(variable, subject.kind.element, item_itself, name=f"{subject.name}[]")
        try:
            body = self.read(arguments[1])
        finally:
            self._variable = self._item = None
        items = filled_value(subject)
        if macro == "map":
            if isinstance(body.kind, ListOf | Record):
                raise self._refusal(tree, f"{body.words} is {body.kind}, and a list holds single values")
            each = body.run
            return self._term(tree, ListOf(body.kind), lambda c, i: [each(c, item) for item in items(c, i)])
        test = self._truth(body)
        if macro == "filter":
            return self._term(
                tree, subject.kind, lambda c, i: [item for item in items(c, i) if test(c, item)]
            )
        if macro == "exists_one":
            return self._term(tree, BOOLEAN, lambda c, i: sum(test(c, item) for item in items(c, i)) == 1)
        decisive = macro == "exists"
        return self._term(
            tree, BOOLEAN, lambda c, i: decide(decisive, ((test, c, item) for item in items(c, i)))
        )

    # -- words

    def _term(
        self,
        tree: Tree[Token],
        kind: Kind,
        run: Run,
        *,
        name: str | None = None,
        words: str | None = None,
        constant: Any = None,
    ) -> Term:
        line, column = place_of(tree)
        return Term(kind, run, words or self._words(tree), column, line, name, constant)

    def _words(self, tree: Tree[Token]) -> str:
        start, end = getattr(tree.meta, "start_pos", None), getattr(tree.meta, "end_pos", None)
        if start is None or end is None:
            return "this"
        words = " ".join(self.text[start:end].split())
        return words if len(words) <= 40 else f"{words[:39]}…"

    def _refusal(self, tree: Tree[Token], sentence: str) -> ExpressionError:
        line, column = place_of(tree)
        return ExpressionError(sentence, column, line)


def _no_such(what: str, name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name[:60], known, n=1)
    remedy = f"did you mean {close[0]}(…)?" if close else f"use one of {', '.join(known)}"
    return f"there is no {what} '{name[:40]}'; {remedy}"
