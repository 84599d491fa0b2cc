"""Expressions in playbooks (E4, E12): safe, typed at publish, null-safe, bounded."""

from __future__ import annotations

import re
import sys
import threading
import time as stopwatch
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import celpy
import pytest
from celpy.adapter import json_to_cel
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.core.expressions import Declared, Expression, ExpressionError, compile_expression
from tests.calls import count_calls

DECLARED: dict[str, Declared] = {
    "card": {
        "value_amount": "number",
        "title": "text",
        "won": "boolean",
        "tags": ["text"],
        "go_live": "date",
        "entered_at": "timestamp",
        "waited": "duration",
        "fields": {"discount_percent": "number", "plan": "text", "odd-name": "number", "free": "any"},
    },
    "account": {"name": "text", "cards": [{"amount": "number", "open": "boolean"}], "seats": ["number"]},
    "now": "timestamp",
    "today": "date",
}
CONTEXT: dict[str, Any] = {
    "card": {
        "value_amount": Decimal("1200.50"),
        "title": "Gold plan",
        "won": False,
        "tags": ["vip", "eu"],
        "go_live": date(2026, 12, 1),
        "entered_at": datetime(2026, 11, 1, 9, tzinfo=UTC),
        "waited": timedelta(hours=30),
        "fields": {"discount_percent": 15, "plan": "gold", "odd-name": 1.5, "free": 3},
    },
    "account": {
        "name": "Müller",
        "cards": [{"amount": 10, "open": True}, {"amount": 20.5, "open": False}],
        "seats": (1, 2.0, Decimal(3)),
    },
    "now": datetime(2026, 11, 20, 12, tzinfo=UTC),
    "today": date(2026, 11, 20),
}


def compiled(text: str) -> Expression:
    return compile_expression(text, DECLARED)


def answer(text: str, **card: Any) -> bool:
    return compiled(text).evaluate(CONTEXT | {"card": CONTEXT["card"] | card})


@pytest.mark.parametrize(
    "text",
    [
        "card.value_amount > 1000",
        "card.value_amount == 1200.5",
        "card.fields.discount_percent == 15.0 && card.fields.discount_percent == 15",
        "card.fields.discount_percent >= 15 && !(card.fields.discount_percent > 15)",
        "card['fields']['odd-name'] == 1.5",
        "0.1 + 0.2 == 0.3",
        "7 / 2 == 3.5",
        "7 % 2 == 1 && -7 % 2 == -1",
        "card.value_amount -1 > 1199 && 5 -3 == 2",
        "-card.value_amount < 0 && - 1 < 0 && 0x1F == 31 && 1e3 == 1000",
        "card.title.startsWith('Gold') && card.title.endsWith(\"plan\") && card.title.contains('d p')",
        "card.title.lowerAscii() == 'gold plan'",
        "card.fields.plan in ['gold', 'silver'] && !('bronze' in ['gold'])",
        "'vip' in card.tags",
        "size(card.tags) == 2 && card.tags.size() == 2 && size(card.title) == 9 && card.title.size() == 9",
        "card.tags[0] == 'vip'",
        "card.tags.exists(t, t == 'eu') && card.tags.all(t, size(t) > 1)",
        "card.tags.exists_one(t, t.startsWith('v'))",
        "size(card.tags.filter(t, t != 'eu')) == 1",
        "'vip!' in card.tags.map(t, t + '!')",
        "account.cards.exists(c, c.open && c.amount < 11)",
        "account.cards[1].amount == 20.5",
        "account.seats.all(n, n > 0) && 2 in account.seats && 3.0 in account.seats",
        "now - card.entered_at > duration('3 days')",
        "card.entered_at + duration('1h30m') < now && card.waited > duration('24h')",
        "now > timestamp('2026-01-01T00:00:00Z') && now < timestamp('2027-01-01T00:00:00+05:45')",
        "card.go_live - today < duration('2 weeks') && card.go_live > date('2026-11-30')",
        "card.won == false && !card.won",
        "card.won ? false : card.title != ''",
        "has(card.title) && has(card.fields)",
        "card.fields != null && account != null",
        "card.fields.free == 3 && card.fields.free > 2 && card.fields.free != 'x'",
        "card.fields.free + 1 == 4",
        "card.title == 'Gold plan' // a remark",
        "card.title\n  == 'Gold plan'",
        "'\\u00fc' == 'ü' && account.name == 'Müller' && 'a\"b' == \"a\\\"b\"",
        "true",
        " && ".join(["true"] * 120),
        "(" * 450 + "true" + ")" * 450,
    ],
)
def test_true(text: str) -> None:
    assert answer(text) is True


@pytest.mark.parametrize("value", [16, 16.0, Decimal(16), Decimal("15.01"), 15.1, "15.5"])
def test_numbers_of_any_sort_compare(value: object) -> None:
    assert answer("card.value_amount > 15", value_amount=value)
    assert answer("15 < card.value_amount && card.value_amount > 15.0", value_amount=value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("card.discount > 15", "'card.discount' is not declared"),
        ("card.value_amont > 15", "did you mean card.value_amount? (column 1)"),
        ("discount_percent > 15", "did you mean card.fields.discount_percent?"),
        ("true && crad.won", "'crad' is not declared; did you mean card? (column 9)"),
        ("xyz", "'xyz' is not declared; an expression can use account, card, now, today"),
        ("card.title.size > 1", "card.title is text, and has no 'size'"),
        ("card.tags.first == 'x'", "card.tags is a list, and has no 'first'"),
        ("card.value_amount", "must answer yes or no, but card.value_amount is a number"),
        ("card", "must answer yes or no, but card is a group of names"),
        ("null", "must answer yes or no, but null is null"),
        ("true.exists(t, t)", "and true is none (column 1)"),
        (
            "card.value_amount > '15'",
            "they cannot be compared; write numbers without quotation marks",
        ),
        ("card.title == 5", "card.title is text and 5 is a number"),
        ("card.entered_at > '2026-01-01'", "write timestamp("),
        ("card.go_live > '2026-01-01'", "write date('2026-12-24')"),
        ("card.go_live < now", "card.go_live is a date and now is a point in time"),
        ("card.won > false", "card.won is yes or no, which '>' cannot compare"),
        ("card.value_amount > null", "null is null, which '>' cannot compare"),
        ("1 < 2 < 3", "1 < 2 is yes or no"),
        ("card.title && true", "card.title is text, where yes or no is needed"),
        ("!card.title", "where yes or no is needed"),
        ("-card.title == 'x'", "has no negative"),
        ("card.title + 1 == 'x'", "'+' cannot join them"),
        ("card.won ? 1 : 'a'", "both must be alike"),
        ("'a' in card.title", "write card.title.contains('a')"),
        ("1 in card.tags", "card.tags is a list of something else"),
        ("card.title in ['a', 1]", "of one kind"),
        ("card.title.matches('(a+)+$')", "matches(…) is not used here"),
        ("card.title.starts('x')", "did you mean startsWith(…)?"),
        ("siez(card.tags) > 1", "did you mean size(…)?"),
        ("open('x')", "there is no function 'open'; use one of has, size, date, timestamp, duration"),
        ("size(card.value_amount) > 1", "only a list or a text has a size"),
        ("has(1)", "has(…) takes a declared name"),
        ("duration('2 business days') < card.waited", "business time needs a calendar"),
        ("duration('soon') < card.waited", "write for example duration('36h')"),
        ("timestamp('2026-01-01T00:00:00') < now", "timestamp('2026-12-24T12:00:00Z')"),
        ("timestamp(card.title) < now", "takes a text in quotation marks"),
        ("[1, 2].exists(x, x > 1)", "exists(…) goes through a declared list, and [1, 2] is none"),
        ("card.tags.exists(t, card.tags.exists(u, u == t))", "cannot stand inside another"),
        ("card.tags.filter(t, true).exists(t, true)", "goes through a declared list"),
        ("card.tags.exists(card, true)", "'card' is declared already"),
        ("card.tags.exists(t)", "write exists(item, …)"),
        ("card.tags.all('t', true)", "write all(item, …)"),
        ("card.tags.exists(t, t) ", "where yes or no is needed"),
        ("account.cards.exists(c, c.amout > 1)", "did you mean account.cards[].amount"),
        ("size([" + ",".join(["1"] * 51) + "]) > 1", "50 items at most"),
        ("{'a': 1} == null", "{…} is not used here"),
        ("b'x' == b'x'", "a kind of value that is not used here"),
        ("1u == 1", "a kind of value that is not used here"),
        ("card{}", "cannot be used here"),
        (".card.won", "cannot be used here"),
        ("9" * 40 + " > 1", "too large"),
        ("1e999999 > 1", "too large"),
        ("card.won = true", "write == to compare"),
        ("card.won and true", "write && for 'and'"),
        ("card.won &&", "it ends too early"),
        ("card.title == 'x", "the expression cannot be read from 'x on (column 15)"),
        ("card.won ) ", "cannot be read from ) on (column 10)"),
        ("", "the expression is empty"),
        ("   ", "the expression is empty"),
        ("true || " * 200 + "true", "longer than 1000 characters"),
        ("!" * 200 + "true", "nested more than 64 deep"),
        ("1+" * 200 + "1 > 0", "nested more than 64 deep"),
        ("true &&\n card.wno", "did you mean card.won? (line 2, column 2)"),
        ("card.__class__ == null", "'card.__class__' is not declared"),
        ("card.tags.exists(t, t.__class__ == null)", "has no '__class__'"),
    ],
)
def test_refused_at_publish_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(sentence)):
        compiled(text)


def test_where_the_mistake_is() -> None:
    with pytest.raises(ExpressionError) as refusal:
        compiled("card.won && card.titel == 'x'")
    assert (refusal.value.line, refusal.value.column) == (1, 13)
    assert refusal.value.sentence == "'card.titel' is not declared; did you mean card.title?"


# -- empty values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card.value_amount == null", True),
        ("card.value_amount != null", False),
        ("card.value_amount == 5", False),
        ("card.value_amount != 5", True),
        ("5 != card.value_amount", True),
        ("has(card.value_amount)", False),
        ("card.value_amount != null && card.value_amount > 10", False),
        ("card.value_amount > 10 && card.value_amount != null", False),
        ("card.value_amount == null || card.value_amount > 10", True),
        ("card.value_amount > 10 || true", True),
        ("card.value_amount in [1, 2]", False),
        ("card.value_amount in [1, null]", True),
        ("card.value_amount == null ? true : card.value_amount > 10", True),
    ],
)
def test_empty_values_can_be_asked_for(text: str, expected: bool) -> None:
    assert answer(text, value_amount=None) is expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("card.value_amount > 10", "card.value_amount is empty"),
        ("card.value_amount > 10 || false", "card.value_amount is empty"),
        ("card.value_amount + 1 == 2", "card.value_amount is empty"),
        ("-card.value_amount == 2", "card.value_amount is empty"),
        ("!card.won", "card.won is empty"),
        ("card.won", "has no answer"),
        ("card.won ? true : false", "card.won is empty"),
        ("card.tags.exists(t, true)", "card.tags is empty"),
        ("'a' in card.tags", "card.tags is empty"),
        ("size(card.tags) == 0", "card.tags is empty"),
    ],
)
def test_an_empty_value_where_one_is_needed_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ExpressionError, match=re.escape(sentence)):
        answer(text, value_amount=None, won=None, tags=None)


def test_what_is_absent_is_empty() -> None:
    assert compiled("card.fields.plan == null && account == null").evaluate({"card": {}})
    assert compiled("card.fields.plan == null && now == null").evaluate({"card": None})
    assert not compiled("has(card.title)").evaluate({"card": {"title": ""}})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("card.value_amount > 1", {"value_amount": "many"}),
        ("card.value_amount > 1", {"value_amount": True}),
        ("card.value_amount > 1", {"value_amount": float("nan")}),
        ("card.value_amount > 1", {"value_amount": float("inf")}),
        ("card.value_amount > 1", {"value_amount": 10**5000}),
        ("card.value_amount > 1", {"value_amount": Decimal("1e400")}),
        ("card.value_amount * 1 > 1", {"value_amount": [1]}),
        ("1 / card.value_amount > 1", {"value_amount": 0}),
        ("1 % card.value_amount > 1", {"value_amount": 0.0}),
        ("card.title == 'x'", {"title": 5}),
        ("card.title == 'x'", {"title": "x" * 30_000}),
        ("card.won", {"won": "yes"}),
        ("card.go_live > today", {"go_live": datetime(2026, 1, 1, tzinfo=UTC)}),
        ("card.entered_at > now", {"entered_at": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is the point
        ("card.entered_at > now", {"entered_at": date(2026, 1, 1)}),
        (
            "card.entered_at + duration('100000 hours') > now",
            {"entered_at": datetime(9999, 1, 1, tzinfo=UTC)},
        ),
        ("'a' in card.tags", {"tags": "abc"}),
        ("'a' in card.tags", {"tags": ["a"] * 501}),
        ("card.tags[5] == 'a'", {}),
        ("card.tags[-1] == 'a'", {}),
        ("card.tags[0.5] == 'a'", {}),
        ("card.fields.plan == 'x'", {"fields": "x"}),
        ("card.fields.free > 1", {"fields": {"free": "x"}}),
        ("card.fields.free", {"fields": {"free": 1}}),
        ("card.fields.free && true", {"fields": {"free": 1}}),
        ("card.fields.free == 1", {"fields": {"free": object()}}),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_with_a_sentence(text: str, values: dict[str, Any]) -> None:
    with pytest.raises(ExpressionError):
        answer(text, **values)


def test_dates_may_come_as_they_are_stored_in_forms() -> None:
    assert answer(
        "card.go_live > today && card.entered_at < now",
        go_live="2026-12-01",
        entered_at="2026-11-01T00:00:00+01:00",
    )


# -- what an expression says about itself ----------------------------------------------------------------


def test_the_names_it_reads() -> None:
    text = "card.fields['plan'] == 'x' && account.cards.exists(c, c.amount > 1) && now > card.entered_at"
    assert compiled(text).names == {
        "card.fields.plan",
        "account.cards",
        "account.cards[].amount",
        "now",
        "card.entered_at",
    }
    assert compiled("account != null").names == {"account"}
    assert compiled("true").names == frozenset()


def test_equal_requests_are_answered_once() -> None:
    assert compiled("card.won") is compile_expression("card.won", dict(DECLARED))


@pytest.mark.parametrize("declared", [{"x": "numbr"}, {"x": []}, {"x": {"y": 5}}, {"x": ["text", "text"]}])
def test_a_wrong_declaration_is_a_value_error(declared: Any) -> None:
    with pytest.raises(ValueError, match="x"):
        compile_expression("true", declared)


def test_nothing_is_changed_and_threads_may_share_it() -> None:
    expression = compiled("card.tags.exists(t, t == 'eu') && card.value_amount * 2 > 2000")
    before = repr(CONTEXT)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(200):
            if not expression.evaluate(CONTEXT):
                wrong.append(1)  # noqa: PERF401 - each thread adds as it goes

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert repr(CONTEXT) == before


# -- cost ------------------------------------------------------------------------------------------------


def test_an_evaluation_is_cheap() -> None:
    expression = compiled(
        "card.fields.discount_percent > 15 && card.title != 'x' || card.value_amount >= 1000"
    )
    # Counted, not timed: a busy machine must not fail it, a parse at every evaluation must.
    assert count_calls(lambda: expression.evaluate(CONTEXT)) < 150


def test_the_worst_that_fits_is_bounded() -> None:
    text = " || ".join(["card.tags.exists(t, 'z' in card.tags)"] * 24)
    begun = stopwatch.perf_counter()
    assert not answer(text, tags=[f"tag {number}" for number in range(500)])
    assert stopwatch.perf_counter() - begun < 60
    with pytest.raises(ExpressionError, match="too many lists"):
        compiled(f"card.tags.exists(t, {' || '.join(['t in card.tags'] * 4)})")
    product = "*".join(["card.value_amount"] * 50)
    with pytest.raises(ExpressionError):
        answer(f"{product} > 1", value_amount=Decimal("9e29"))


# -- properties ------------------------------------------------------------------------------------------

_names = st.sampled_from(
    [
        "card.value_amount",
        "card.title",
        "card.won",
        "card.tags",
        "card.fields.free",
        "account.cards",
        "now",
        "card",
        "today",
        "1",
        "1.5",
        "'x'",
        "true",
        "null",
        "[1, 2]",
        "duration('1h')",
        "t",
        "card.waited",
    ]
)
_expressions = st.recursive(
    _names,
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "in", "&&", "||"]),
            inner,
        ).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        inner.map(lambda each: f"!{each}"),
        inner.map(lambda each: f"-{each}"),
        inner.map(lambda each: f"size({each})"),
        inner.map(lambda each: f"has({each})"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}.exists(t, {parts[1]})"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}.contains({parts[1]})"),
        st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]"),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
    ),
    max_leaves=12,
)
_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(),
    st.datetimes(),
    st.dates(),
    st.timedeltas(),
    st.lists(st.integers() | st.text(), max_size=3),
    st.dictionaries(st.text(), st.integers(), max_size=2),
)


def _tried(text: str, context: dict[str, Any]) -> None:
    sentence = ""
    try:
        assert compiled(text).evaluate(context) in (True, False)
    except ExpressionError as error:
        sentence = str(error)
    assert len(sentence) < 400, text


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_answered_or_refused(text: str) -> None:
    _tried(text, CONTEXT)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="card.wontitle()[]{}'\"\\!&|<>=+-*/%?:, 019uxrb\n\t_", max_size=60))
def test_any_symbols_are_answered_or_refused(text: str) -> None:
    _tried(text, CONTEXT)


@settings(max_examples=500, deadline=None)
@given(_expressions, st.data())
def test_any_expression_over_any_values_is_answered_or_refused(text: str, data: st.DataObject) -> None:
    card = {name: data.draw(_values) for name in ("value_amount", "title", "won", "tags", "waited")}
    free = {"free": data.draw(_values)}
    _tried(
        text,
        CONTEXT
        | {"card": {**card, "fields": free}, "now": data.draw(_values), "account": data.draw(_values)},
    )


@pytest.mark.parametrize(
    "text",
    [
        "(" * 999,
        "(" * 500 + ")" * 499,
        "[" * 400 + "]" * 400,
        "-" * 999,
        "!" * 999,
        "a." * 499 + "a",
        "1+" * 499 + "1",
        "card" + "[0]" * 300,
        "true?" * 150 + "true" + ":true" * 150,
        "9" * 1000,
        "\x00",
        "\ud800",
        "🦊" * 500,
        "'" + "\\U99999999" + "' == 'x'",
        "size(" * 150 + "1" + ")" * 150,
        "'a'" + ".size()" * 130,
        "x" * 10**6,
        "card.tags" + ".filter(t, true)" * 50,
        "card.won" + " ? card.won : card.won" * 40,
        "/" * 999,
        '"' * 999,
        "0x",
        "1e",
        "-",
    ],
)
def test_hostile_text_is_refused_quickly(text: str) -> None:
    begun = stopwatch.perf_counter()
    _tried(text, CONTEXT)
    assert stopwatch.perf_counter() - begun < 30


_limit = sys.getrecursionlimit()
REFERENCE = celpy.Environment()
sys.setrecursionlimit(_limit)  # which the line above has raised

_doubles = st.integers(-1000, 1000).map(lambda number: number / 8)
_sums = st.recursive(
    st.sampled_from(["a", "b", "c"]) | _doubles.filter(lambda number: number >= 0).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({' '.join(parts)})"),
    max_leaves=6,
)
_tests = st.recursive(
    st.tuples(_sums, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), _sums).map(" ".join),
    lambda inner: st.tuples(inner, st.sampled_from(["&&", "||", "=="]), inner).map(
        lambda parts: f"({parts[0]}) {parts[1]} !({parts[2]})"
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(_tests, _doubles, _doubles, _doubles)
def test_where_cel_python_has_an_answer_it_is_the_same(text: str, a: float, b: float, c: float) -> None:
    """Eighths of small numbers are exact in binary and in decimal fractions alike."""
    values = {"a": a, "b": b, "c": c}
    reference = REFERENCE.program(REFERENCE.compile(text)).evaluate(
        {name: json_to_cel(value) for name, value in values.items()}
    )
    if len(text) <= 1000:
        assert compile_expression(text, dict.fromkeys(values, "number")).evaluate(values) is bool(reference)
