"""`/styleguide`."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue

from lifecycle.blueprints.styleguide import samples, styleguide
from lifecycle.blueprints.styleguide.forms import SpecimenForm
from lifecycle.web.access import public


@styleguide.get("/styleguide")
@public
def show_styleguide() -> ResponseReturnValue:
    """Show the components; `?theme=dark` or `?theme=light` fixes the theme, else the reader's holds."""
    form = SpecimenForm(meta={"csrf": False})
    refused = SpecimenForm(formdata=samples.REFUSED_INPUT, prefix="refused-", meta={"csrf": False})
    refused.validate()
    return render_template(
        "styleguide/show.html",
        form=form,
        refused=refused,
        theme=request.args.get("theme"),
        cards=samples.CARDS,
        columns=samples.COLUMNS,
        report=samples.REPORT,
        report_passed=samples.REPORT_PASSED,
        targets=samples.TARGETS,
        phases=samples.PHASES,
    )


@styleguide.get("/styleguide/board")
def show_board() -> ResponseReturnValue:
    """Show a whole board page without data behind it; `?panel=gate` and `?panel=targets` open the drawer."""
    return render_template(
        "styleguide/board.html",
        columns=samples.COLUMNS,
        report=samples.REPORT,
        targets=samples.TARGETS,
        panel=request.args.get("panel"),
    )
