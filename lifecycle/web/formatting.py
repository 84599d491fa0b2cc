"""Template filters: how dates, times, money and names look."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from babel import Locale
from babel.numbers import format_compact_currency, format_currency, format_decimal
from flask import Flask
from flask_babel import format_date, format_datetime, get_locale, to_user_timezone
from jinja2 import StrictUndefined
from markupsafe import Markup

from lifecycle.core.clock import now
from lifecycle.core.words import SOURCE
from lifecycle.insight.boards.view import initials, short_span
from lifecycle.web.localization import is_zone_known


def init_app(app: Flask) -> None:
    """Register the filters and refuse undefined names in templates."""
    app.jinja_env.filters.update(
        money=money,
        short_money=short_money,
        day=day,
        long_day=long_day,
        iso_day=iso_day,
        bdi=bdi,
        moment=moment,
        initials=initials,
        local_input=local_input,
        number=number,
        ago=ago,
        span=short_span,
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True


def money(amount: Decimal | None, currency: str | None = None) -> str:
    """Return `1,234.50 EUR` in the reader's style; an empty string for no amount."""
    if amount is None:
        return ""
    here = _locale()
    return format_currency(amount, currency, locale=here) if currency else format_decimal(amount, locale=here)


def short_money(amount: Decimal | None, currency: str | None = None) -> str:
    """Return an amount short enough for a card or a header, like `€12.3K`; exact below 10,000."""
    if amount is None:
        return ""
    here = _locale()
    if abs(amount) < 10_000 or not currency:
        pattern = "¤#,##0" if amount == amount.to_integral_value() else None
        return (
            format_currency(amount, currency, pattern, locale=here, currency_digits=pattern is None)
            if (currency)
            else format_decimal(amount, locale=here)
        )
    return format_compact_currency(amount, currency, locale=here, fraction_digits=1)


def number(value: float | Decimal) -> str:
    """Return a number with grouped digits."""
    return format_decimal(value, locale=_locale())


def day(value: date | datetime | None) -> str:
    """Return `12 Mar 2026` in the reader's time zone and language; an empty string for None."""
    return format_date(value, _day_pattern("d MMM y")) if value else ""


def long_day(value: date | datetime | None) -> str:
    """Return `12 March 2026`, as letters have it; an empty string for None."""
    return format_date(value, _day_pattern("d MMMM y")) if value else ""


def iso_day(text: str) -> str:
    """Return a stored day as `long_day` does."""
    return long_day(date.fromisoformat(text))


def moment(value: datetime | None) -> str:
    """Return `12 Mar 2026, 14:05` in the reader's time zone and language; an empty string for None.

    A client whose time zone nobody knows reads whose time it is.
    """
    if not value:
        return ""
    shown = format_datetime(value, f"{_day_pattern('d MMM y')}, HH:mm")
    return shown if is_zone_known() else f"{shown} UTC"


def bdi(text: str) -> Markup:
    """Return what people wrote, set apart: its direction does not disturb the sentence around it."""
    return Markup("<bdi>{}</bdi>").format(text)


def _locale() -> Locale:
    return get_locale() or Locale(SOURCE)


def _day_pattern(english: str) -> str:
    """Return how a day is written out; English is shorter in tables, where staff read it."""
    here = _locale()
    return english if here.language == SOURCE else str(here.date_formats["long"].pattern)


def local_input(value: datetime | None) -> str:
    """Return what a date and time control takes, in the reader's time zone; an empty string for None."""
    return to_user_timezone(value).strftime("%Y-%m-%dT%H:%M") if value else ""


def ago(value: datetime) -> str:
    """Return how long since, in one unit, like `3 d`."""
    return short_span(now() - value)
