"""The books as plain SQL: each statement finds the rows that break one promise, one line `what` for each.

They ask for `:now`, the present as the product has it, `:grace`, how late the sweepers may be, and `:owed`,
what the playbooks owe for a move (see `reading.py`). Nothing here trusts a trigger, a unique index or a
foreign key to have done its work: that is what is being asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Promise = Literal["bypassed", "lost", "doubled", "stuck"]


@dataclass(frozen=True)
class Book:
    """One promise: what it is called, the rows it is about (`of`), and how to find those that break it."""

    promise: Promise
    name: str
    of: str
    broken: str


_BYPASSED: Final = (
    Book(
        "bypassed",
        "a card stands in the stage of its open visit",
        "cards",
        """
        select 'card ' || c.id as what from cards c
        where not exists (
            select from stage_visits v
            where v.id = c.visit_id and v.card_id = c.id and v.stage_id = c.stage_id and v.left_at is null)
        """,
    ),
    Book(
        "bypassed",
        "a card has one open visit",
        "stage_visits where left_at is null",
        """
        select 'card ' || card_id || ' has ' || count(*) as what from stage_visits
        where left_at is null group by card_id having count(*) > 1
        """,
    ),
    Book(
        "bypassed",
        "visits follow each other without a gap",
        "stage_visits",
        """
        select 'visit ' || v.id || ' of card ' || v.card_id as what from (
            select id, card_id, number, entered_at,
                row_number() over chain as place, lag(left_at) over chain as before_left
            from stage_visits window chain as (partition by card_id order by number, id)) v
        where v.number <> v.place or (v.place > 1 and v.before_left is distinct from v.entered_at)
        """,
    ),
    Book(
        "bypassed",
        "a move has its passed gate report, dated before it",
        "stage_visits where number > 1 and continues_visit_id is null and not is_imported",
        """
        select 'visit ' || v.id || ' of card ' || v.card_id as what from stage_visits v
        where v.number > 1 and v.continues_visit_id is null and not v.is_imported and not exists (
            select from gate_reports r
            join stage_visits f on f.id = r.from_visit_id
            where r.id = v.gate_report_id and r.card_id = v.card_id and r.to_stage_id = v.stage_id
              and f.card_id = v.card_id and f.number = v.number - 1
              and r.outcome = 'passed' and r.at <= v.entered_at)
        """,
    ),
    Book(
        "bypassed",
        "a gate report lets through one move",
        "gate_reports where outcome = 'passed'",
        """
        select 'gate report ' || gate_report_id || ' used ' || count(*) || ' times' as what from stage_visits
        where gate_report_id is not null group by gate_report_id having count(*) > 1
        """,
    ),
    Book(
        "bypassed",
        "a way in without a gate is an undo or an import",
        "stage_visits where continues_visit_id is not null or is_imported",
        """
        select 'visit ' || v.id || ' of card ' || v.card_id as what from stage_visits v
        join cards c on c.id = v.card_id
        where (v.is_imported and c.import_id is null)
           or (v.continues_visit_id is not null and not exists (
                select from stage_visits f
                where f.id = v.continues_visit_id and f.card_id = v.card_id and f.stage_id = v.stage_id
                  and f.number < v.number - 1))
        """,
    ),
)

_LOST: Final = (
    Book(
        "lost",
        "a gate that passed has its move",
        "gate_reports where outcome = 'passed'",
        """
        select 'gate report ' || r.id || ' of card ' || r.card_id as what from gate_reports r
        where r.outcome = 'passed' and not exists (select from stage_visits v where v.gate_report_id = r.id)
        """,
    ),
    Book(
        "lost",
        "a move is on record once",
        "stage_visits where gate_report_id is not null",
        """
        select 'visit ' || v.id || ' of card ' || v.card_id || ' is on record '
            || count(e.id) || ' times' as what
        from stage_visits v
        left join events e on e.card_id = v.card_id and e.kind = 'card.stage.entered'
            and e.body #>> '{data,to,visit}' = cast(v.id as text)
        where v.gate_report_id is not null group by v.id, v.card_id having count(e.id) <> 1
        """,
    ),
    Book(
        "lost",
        "a move sets off what its playbook says",
        "events where kind = 'card.stage.entered'",
        """
        select 'rule ' || owed.rule || ' of event ' || e.id as what from events e
        join cards c on c.id = e.card_id
        join pipelines p on p.id = c.pipeline_id
        join jsonb_to_recordset(cast(:owed as jsonb))
            as owed(revision text, rule text, pipelines jsonb, stages jsonb)
            on owed.revision = e.body #>> '{data,revision}'
        where e.kind = 'card.stage.entered'
          and (owed.pipelines = '[]' or owed.pipelines ? p.key)
          and (owed.stages = '[]' or owed.stages ? (e.body #>> '{data,to,stage}'))
          and not exists (
            select from rule_firings f
            where f.card_id = e.card_id and f.rule_key = owed.rule and f.cause = cast(e.id as text))
        """,
    ),
    Book(
        "lost",
        "a rule that told somebody by mail has its message",
        "rule_firings where state = 'done'",
        """
        select 'firing ' || f.id || ' of ' || f.rule_key as what from rule_firings f
        join jsonb_to_recordset(cast(:owed as jsonb)) as owed(revision text, rule text, mails jsonb)
            on owed.revision = cast(f.revision_id as text) and owed.rule = f.rule_key
        join lateral jsonb_array_elements_text(owed.mails) as place on true
        where f.state = 'done' and f.results -> cast(place as int) ->> 'says' like 'Told: %'
          and f.results -> cast(place as int) ->> 'says' not like '%nobody%'
          and not exists (
            select from outbox_messages m where m.cause like 'firing/' || f.id || '/' || place || '/%')
        """,
    ),
    Book(
        "lost",
        "a client who was asked was written to",
        "client_requests where asked_at is not null",
        """
        select 'request ' || r.id || ' of card ' || r.card_id as what from client_requests r
        where r.asked_at is not null and not exists (
            select from outbox_messages m
            where m.request_id = r.id and m.cause like 'request/' || r.id || '/%')
        """,
    ),
    Book(
        "lost",
        "a reminder that fired told somebody",
        "reminders where state = 'fired'",
        """
        select 'reminder ' || r.id || ' of ' || r.subject as what from reminders r
        where r.state = 'fired' and (
            (r.outcome like 'Reminded %'
                and not exists (select from outbox_messages m where m.cause = 'reminder/' || r.id))
            or (r.outcome like 'Told %' and r.outcome not like 'Told nobody%'
                and not exists (select from notices n where n.cause like 'reminder/' || r.id || '/%')))
        """,
    ),
    Book(
        "lost",
        "what a client accepted is on record with its proof",
        "client_requests where status = 'accepted'",
        """
        select 'request ' || r.id || ' of card ' || r.card_id as what from client_requests r
        where r.status = 'accepted' and (r.answered_at is null or r.proof = '{}' or not exists (
            select from events e where e.card_id = r.card_id and e.kind = 'card.request.accepted'
              and e.body #>> '{data,request}' = cast(r.id as text)))
        """,
    ),
)

_DOUBLED: Final = (
    Book(
        "doubled",
        "a cause owes one message",
        "outbox_messages where cause is not null",
        """
        select cause || ' has ' || count(*) as what from outbox_messages
        where cause is not null group by cause having count(*) > 1
        """,
    ),
    Book(
        "doubled",
        "a message has a Message-ID of its own",
        "outbox_messages",
        """
        select message_id || ' of ' || count(*) as what from outbox_messages
        group by message_id having count(*) > 1
        """,
    ),
    Book(
        "doubled",
        "a cause tells a person once in the app",
        "notices",
        "select cause || ' has ' || count(*) as what from notices group by cause having count(*) > 1",
    ),
    Book(
        "doubled",
        "a cause sets off a rule once",
        "rule_firings",
        """
        select rule_key || ' for ' || cause || ' on card ' || card_id || ': ' || count(*) as what
        from rule_firings group by card_id, rule_key, cause having count(*) > 1
        """,
    ),
    Book(
        "doubled",
        "one reminder for a subject, step and due time",
        "reminders",
        """
        select subject || ', ' || step || ', ' || due_at || ': ' || count(*) as what
        from reminders group by subject, step, due_at having count(*) > 1
        """,
    ),
    Book(
        "doubled",
        "a client accepts a request once",
        "events where kind = 'card.request.accepted'",
        """
        select 'request ' || (body #>> '{data,request}') || ': ' || count(*) as what from events
        where kind = 'card.request.accepted' group by body #>> '{data,request}' having count(*) > 1
        """,
    ),
    Book(
        "doubled",
        "one open request to a client for each card and key",
        "client_requests where closed_at is null",
        """
        select key || ' of card ' || card_id || ': ' || count(*) as what from client_requests
        where closed_at is null group by card_id, key having count(*) > 1
        """,
    ),
)

_STUCK: Final = (
    Book(
        "stuck",
        "a message is final, or younger than its next attempt",
        "outbox_messages",
        """
        select 'message ' || id || ' is ' || state as what from outbox_messages
        where (state in ('due', 'held') and held_by is null and next_attempt_at < :now - :grace
               and not exists (
                   select from team_channels channel where channel.key = team_key
                   and channel.last_failure_at > coalesce(channel.last_success_at, '-infinity')))
           or (state in ('claimed', 'handing_over')
               and (claimed_at is null or claimed_at < :now - :grace))
        """,
    ),
    Book(
        "stuck",
        "a message that was sent says when and how often it was tried",
        "outbox_messages where state = 'sent'",
        """
        select 'message ' || id as what from outbox_messages
        where state = 'sent' and (sent_at is null or attempts < 1)
        """,
    ),
    Book(
        "stuck",
        "a rule that was set off is done, failed or not yet due",
        "rule_firings",
        """
        select 'firing ' || id || ' of ' || rule_key as what from rule_firings
        where state = 'pending' and next_attempt_at < :now - :grace
        """,
    ),
    Book(
        "stuck",
        "a reminder is settled or not yet due",
        "reminders",
        """
        select 'reminder ' || id || ' of ' || subject as what from reminders
        where state = 'pending' and due_at < :now - :grace
        """,
    ),
    Book(
        "stuck",
        "an import that runs gives signs of life",
        "card_imports",
        """
        select 'import ' || id || ' is ' || state as what from card_imports
        where state in ('checking', 'running') and coalesce(seen_at, created_at) < :now - :grace
        """,
    ),
)

_COUNTED: Final = Book(
    "lost",
    "a stage's totals are those of its cards",
    "stages",
    """
    select 'stage ' || coalesce(counted.stage_id, told.stage_id) as what
    from (
        select stage_id, coalesce(value_currency, '') as currency, count(*) as cards,
            coalesce(sum(value_amount), 0) as amount
        from cards where archived_at is null group by 1, 2) counted
    full join (
        select stage_id, currency, sum(cards) as cards, sum(amount) as amount
        from (
            select stage_id, currency, cards, amount from stage_totals
            union all
            select stage_id, currency, cards, cards * amount from stage_total_changes) part
        group by 1, 2 having sum(cards) <> 0 or sum(amount) <> 0) told using (stage_id, currency)
    where (counted.cards, counted.amount) is distinct from (told.cards, told.amount)
    """,
)

_FLOWED: Final = Book(
    "lost",
    "what entered, was won and was lost is what the visits say",
    "stage_visits where number = 1",
    """
    select 'pipeline ' || coalesce(counted.pipeline_id, told.pipeline_id) || ' at '
        || coalesce(counted.at, told.at) as what
    from (
        select s.pipeline_id, to_timestamp(floor(extract(epoch from v.entered_at) / 900) * 900) as at,
            count(*) filter (where v.number = 1) as entered, count(*) filter (where s.kind = 'won') as won,
            count(*) filter (where s.kind = 'lost') as lost
        from stage_visits v
        join stages s on s.id = v.stage_id
        join cards c on c.id = v.card_id
        left join stage_visits f on f.card_id = v.card_id and f.number = v.number + 1
        where c.withdrawn_at is null and f.continues_visit_id is null and v.continues_visit_id is null
          and v.entered_by_edge <> 'imported_undated' and (v.number = 1 or s.kind <> 'open')
        group by 1, 2) counted
    full join (
        select pipeline_id, at, sum(entered) as entered, sum(won) as won, sum(lost) as lost
        from (
            select pipeline_id, at, entered, won, lost from flow_totals
            union all
            select pipeline_id, at, entered, won, lost from flow_changes) part
        group by 1, 2 having sum(entered) <> 0 or sum(won) <> 0 or sum(lost) <> 0) told
        using (pipeline_id, at)
    where (counted.entered, counted.won, counted.lost) is distinct from (told.entered, told.won, told.lost)
    """,
)

BOOKS: Final = (*_BYPASSED, *_LOST, _COUNTED, _FLOWED, *_DOUBLED, *_STUCK)
