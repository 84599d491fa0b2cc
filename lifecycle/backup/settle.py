"""What a restored installation must not do again.

A backup is older than what happened since: mail that waited in it has probably left, rules have probably been
performed, reminders sent. So nothing that was due is done by itself. Each is put into a final state that
people see with its reason, and can be sent or tried again by them: messages under Messages, rules under
Automation.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from psycopg import sql

from lifecycle.records.outbox.states import RESTORED
from lifecycle.records.reminders.record import EXPIRE

# Credentials that wait may have been shown since: once is once. A backup of an older schema has none.
# Requests that have expired do expire: that writes to nobody, and a link must not live on after a restore.
_STATEMENTS: Final = (
    """
    update public.outbox_messages set state = 'unconfirmed', last_error = {why}
    where state in ('held', 'due', 'claimed', 'handing_over')
    """,
    """
    update public.reminders set state = 'skipped', settled_at = {now}, outcome = {why}
    where state = 'pending' and due_at <= {now} and step <> {expire}
    """,
    """
    update public.rule_firings set state = 'failed', last_error = {why} where state = 'pending'
    """,
    """
    do $$ begin
        if to_regclass('public.client_secrets') is not null then
            update public.client_secrets set sealed = null, revoked_at = {now} where sealed is not null;
        end if;
    end $$
    """,
    """
    update public.card_imports set state = 'failed', failure = {why}, finished_at = {now}
    where state in ('checking', 'running')
    """,
)
_LINK: Final = r"\[\[(token|code):[^\]]*\]\]"
_NO_LINK: Final = "(this link is gone: ask for a new one)"


def statements(backup_at: datetime, now: datetime) -> list[sql.Composed]:
    """Return what settles everything that was due; safe to run again."""
    told = {"why": reason(backup_at), "now": now.isoformat(), "expire": EXPIRE}
    literals = {name: sql.Literal(value) for name, value in told.items()}
    return [sql.SQL(statement).format(**literals) for statement in _STATEMENTS]


def without_links() -> sql.Composed:
    """Return what takes the places of links out of all messages: another key cannot make these links."""
    return sql.SQL(
        """
        do $$ begin
            update public.outbox_messages set text_body = regexp_replace(text_body, {link}, {none}, 'g'),
                html_body = regexp_replace(html_body, {link}, {none}, 'g')
                where text_body ~ {link} or html_body ~ {link};
            -- A backup of an older schema has no SMS.
            if exists (
                select from pg_attribute where attrelid = 'public.outbox_messages'::regclass
                and attname = 'sms_text' and not attisdropped
            ) then
                update public.outbox_messages set sms_text = regexp_replace(sms_text, {link}, {none}, 'g')
                    where sms_text ~ {link};
            end if;
        end $$
        """
    ).format(link=sql.Literal(_LINK), none=sql.Literal(_NO_LINK))


def reason(backup_at: datetime) -> str:
    """Return what people read wherever something was not done because of the restore."""
    return f"{RESTORED} of {backup_at:%-d %b %Y, %H:%M} UTC: it may have been done since."
