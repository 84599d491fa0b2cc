"""The base of every form, so that the missing types of Flask-WTF are excused in one place."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from werkzeug.datastructures import MultiDict
from wtforms import DecimalField


class AmountField(DecimalField):
    """An amount of money, whose complaint says how to write one."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read what was typed; raises ValueError with a sentence for the person."""
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(f"{self.label.text} must be a number, written like 1234.50.") from None


class Form(FlaskForm):  # type: ignore[misc]  # Flask-WTF ships no types.
    """A form with CSRF protection, that takes text where text is asked for, and files where files are.

    Flask-WTF puts a file, or what JSON holds, in the place of any field of that name, where validators and
    the domain expect text.
    """

    class Meta(FlaskForm.Meta):  # type: ignore[misc]  # The same.
        """How what was sent is read."""

        def wrap_formdata(self, form: FlaskForm, formdata: Any) -> Any:
            """Return the fields that were posted, each of the kind its place is for."""
            if formdata is None or isinstance(formdata, MultiDict):
                return formdata
            if request.method != "POST":
                return None
            wanted: MultiDict[str, Any] = MultiDict(request.form)
            for name, unbound in form._unbound_fields:  # noqa: SLF001 - there is no public way
                if issubclass(unbound.field_class, FileField):
                    wanted.setlist(name, request.files.getlist(name))
            return wanted
