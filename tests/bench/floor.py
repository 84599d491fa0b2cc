"""The floor: the least that a server under Flask and PostgreSQL can do for the same bytes and the same rows.

The same web server with as many processes, one raw statement, no permission, no gate, no evidence, no
template. Each address says how many bytes to answer and how many rows of what width to write, so that a ratio
to it says what the product costs beyond that, on whatever machine.
"""

from __future__ import annotations

import os
import threading
import uuid

import psycopg
from flask import Flask, Response, request

app = Flask(__name__)
_own = threading.local()

_BOARD = """
select s.id, s.key, s.name, c.* from stages s cross join lateral (
    select id, visit_id, version, title, value_amount, value_currency, sla_due_at, next_action, account_id,
        next_action_due_at, owner_id, gate_passed, gate_total, board_order, waiting_on_client, is_paused
    from cards where stage_id = s.id and archived_at is null order by board_order, id limit 12) c
where s.pipeline_id = %s and s.kind = 'open'
"""
_COLUMN = """
select * from cards where stage_id = %s and archived_at is null and (board_order, id) > (%s, %s)
order by board_order, id limit 13
"""
_CARD = "select * from cards join accounts on accounts.id = cards.account_id where cards.id = %s"
_SEARCH = """
select cards.id, cards.title, accounts.name from cards join accounts on accounts.id = cards.account_id
where lifecycle_fold(accounts.name) like %s and cards.archived_at is null limit 20
"""
# What a report tells of each stage, in the plainest statement that finds it.
_FUNNEL = """
select v.stage_id, count(*), count(distinct v.card_id), count(*) filter (where v.left_at is null)
from stage_visits v join cards c on c.id = v.card_id
where c.pipeline_id = %s and c.withdrawn_at is null group by 1
"""
_VELOCITY = """
select v.stage_id, count(*), avg(v.left_at - v.entered_at),
    percentile_cont(array[0.5, 0.75, 0.9]) within group (order by v.left_at - v.entered_at)
from stage_visits v join cards c on c.id = v.card_id
where c.pipeline_id = %s and c.withdrawn_at is null and v.left_at is not null group by 1
"""


@app.get("/")
def alive() -> str:
    """Say that it runs."""
    return "ok"


def _connection() -> psycopg.Connection[tuple[object, ...]]:
    """Return this thread's connection."""
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(os.environ["FLOOR_DATABASE_URL"])
    connection: psycopg.Connection[tuple[object, ...]] = _own.connection
    return connection


def _answer(statement: str, *values: object) -> Response:
    connection = _connection()
    connection.execute(statement, values).fetchall()
    connection.rollback()
    return Response(b"x" * int(request.args["bytes"]), mimetype="text/html")


@app.get("/board/<int:pipeline>")
def board(pipeline: int) -> Response:
    """Answer a board's bytes after one lateral query."""
    return _answer(_BOARD, pipeline)


@app.get("/column/<int:stage>/<int:order>/<uuid:card>")
def column(stage: int, order: int, card: uuid.UUID) -> Response:
    """Answer a column page's bytes."""
    return _answer(_COLUMN, stage, order, card)


@app.get("/card/<uuid:card>")
def card(card: uuid.UUID) -> Response:
    """Answer a card's bytes."""
    return _answer(_CARD, card)


@app.get("/search/<text>")
def search(text: str) -> Response:
    """Answer a search's bytes."""
    return _answer(_SEARCH, f"%{text}%")


@app.get("/funnel/<int:pipeline>")
def funnel(pipeline: int) -> Response:
    """Answer a funnel's bytes."""
    return _answer(_FUNNEL, pipeline)


@app.get("/velocity/<int:pipeline>")
def velocity(pipeline: int) -> Response:
    """Answer a velocity report's bytes."""
    return _answer(_VELOCITY, pipeline)


@app.post("/moves/<uuid:card>")
def move(card: uuid.UUID) -> Response:
    """Write in one transaction as many rows as a move does, each with a statement of its own."""
    connection = _connection()
    with connection.transaction():
        connection.execute("select body from floor.cards where id = %s for update", (card,)).fetchone()
        connection.execute("update floor.cards set board_order = board_order + 1 where id = %s", (card,))
        for width in request.args.getlist("row", type=int):
            connection.execute("insert into floor.added (card_id, body) values (%s, %s)", (card, "x" * width))
    return Response(b"x" * int(request.args["bytes"]), mimetype="application/json")
