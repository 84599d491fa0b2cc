"""What people fill in to begin an import. The domain has the last word on every file."""

from __future__ import annotations

from flask_wtf.file import FileField, FileRequired
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # Newer than its stubs.
from wtforms.validators import InputRequired

from lifecycle.exchange.imports.queries import list_boards
from lifecycle.web.form import Form


class UploadForm(Form):
    """A board and the files for it."""

    board = SelectField("Board", [InputRequired("Choose a board.")])
    file = FileField(
        "File",
        [FileRequired("Choose a CSV file.")],
        description="CSV with a header row. From a spreadsheet, save as “CSV UTF-8”.",
        render_kw={"accept": ".csv,.txt,.tsv,text/csv"},
    )
    accounts = FileField(
        "Accounts file",
        description="A second CSV that tells more about the accounts: their country, website and so on.",
        render_kw={"accept": ".csv,.txt,.tsv,text/csv"},
    )
    map = FileField(
        "Map file",
        description="A map saved from an earlier import, as YAML. Without one, you map the columns next.",
        render_kw={"accept": ".yaml,.yml"},
    )

    def offer(self) -> None:
        """Offer the boards there are."""
        self.board.choices = [SelectChoice(slug, f"{name} ({slug})") for slug, name in list_boards()]
