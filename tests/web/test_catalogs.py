"""P11: every sentence for clients is in every catalog, whole and with its placeholders."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from jinja2 import Environment, nodes

from lifecycle.core.words import LANGUAGES, SOURCE, catalog, direction, ngettext, translated
from tests.catalogs import PRODUCT, TRANSLATED, path_of, read, sentences

_PLACES = re.compile(r"%\(\w+\)s|\{\w+\}|%%")
_MARKUP = re.compile(r"</?\w+>")
PLURALS = {"fr": 2, "es": 2, "ar": 6}
# Names of kinds of files and of places that are the same in that language.
SAME = {
    "fr": {"Documents", ",", "Page %(number)s of %(all)s"},
    "es": {",", "No", "Error: ", "%(name)s: %(value)s"},
    "ar": {"%(name)s: %(value)s"},
}


def _forms(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [str(message.string)]


def _sources(message: Message) -> tuple[str, ...]:
    return tuple(message.id) if isinstance(message.id, tuple | list) else (str(message.id),)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalog_says_what_the_sources_say_and_nothing_else(language: str) -> None:
    wanted = {message.id for message in sentences() if message.id}
    there = read(language)
    assert {message.id for message in there if message.id} == wanted, "run: python -m tests.catalogs"
    assert not there.obsolete
    assert len(wanted) > 250, "the sources are not read"


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_translation_is_whole(language: str) -> None:
    for message in read(language):
        if not message.id:
            continue
        sources, forms = _sources(message), _forms(message)
        assert not message.fuzzy, message.id
        assert all(form.strip() for form in forms), message.id
        assert len(forms) == (PLURALS[language] if message.pluralizable else 1), message.id
        many = set(_PLACES.findall(sources[-1]))
        for form in forms:
            # "One more question" needs no number; whatever is named must exist.
            places = set(_PLACES.findall(form))
            assert places <= many, (message.id, form)
            assert many - places <= ({"%(num)s"} if message.pluralizable else set()), (message.id, form)
            assert _MARKUP.findall(form) == _MARKUP.findall(sources[-1]), (message.id, form)
            assert form.startswith(" ") == sources[-1].startswith(" "), message.id
            assert form.endswith(" ") == sources[-1].endswith(" "), message.id
        if sources[0] not in SAME[language]:
            assert forms[-1] != sources[-1], f"{message.id} is not translated"


def test_numbers_take_the_plural_forms_of_their_language() -> None:
    one, many = (
        "%(num)s answer is still missing; it is marked below.",
        ("%(num)s answers are still missing; they are marked below."),
    )
    found = [catalog("ar").ngettext(one, many, number) for number in (0, 1, 2, 3, 10, 11, 99, 100, 102, 103)]
    forms = list(dict.fromkeys(found))
    assert len(forms) == 5, "many and other read alike here"
    assert found[3] == found[4] == found[9]
    assert found[5] == found[6]
    french = [catalog("fr").ngettext(one, many, number) for number in (0, 1, 2)]
    assert french[0] == french[1] != french[2]
    assert catalog("es").ngettext(one, many, 0) == catalog("es").ngettext(one, many, 2)


def test_outside_of_an_application_words_are_the_source() -> None:
    assert ngettext("%(num)s left", "%(num)s left", 3) == "3 left"
    assert direction() == "ltr"
    assert translated("Yes", "en") == "Yes"
    assert translated("Yes", "../../etc") == "Yes", "no language is a path"
    assert translated("Hello %(name)s,", "ar", name="Ana").count("\u2068Ana\u2069") == 1


SPOKEN = ("aria-label", "title", "placeholder", "alt")


class _Texts(HTMLParser):
    """What stands in a template outside of its expressions, and in the attributes that people read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            text or "" for name, text in attrs if name in ("aria-label", "title", "placeholder", "alt")
        ]


TEMPLATES = [
    *sorted((PRODUCT / "templates" / "client_pages").glob("*.html")),
    PRODUCT / "templates" / "layouts" / "client.html",
    *(PRODUCT / "templates" / "components" / f"{name}.html" for name in ("field", "legal_text", "callout")),
    *(
        file
        for letter in ("client_code", "portal", "secret", "passed_on", "meeting_outcome")
        for file in sorted((PRODUCT / "templates" / "emails" / letter).iterdir())
    ),
]
# Names, and what is the same everywhere.
_WORDLESS = {"PDF", "UTC", "SHA"}
# What a tag whose name is an expression leaves over.
_LEFT_OVER = ' class="is-changed"'


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_no_template_for_clients_holds_a_bare_sentence(file: Path) -> None:
    tree = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(file.read_text())
    shown = "".join(
        part.data if isinstance(part, nodes.TemplateData) else "0"
        for output in tree.find_all(nodes.Output)
        for part in output.nodes
    )
    texts = _Texts()
    texts.feed(shown)
    words = set(re.findall(r"[A-Za-z]{2,}", " ".join(texts.found).replace(_LEFT_OVER, ""))) - _WORDLESS
    assert not words, f"not marked with _(…): {words}"


def test_no_refusal_of_the_domain_to_clients_is_a_bare_sentence() -> None:
    bare = []
    rooms = ("blueprints/client_pages", "governance/fields")
    names = ("answer", "codes", "fill", "form", "legal", "renew", "signing")
    files = [file for room in rooms for file in sorted((PRODUCT / room).glob("*.py"))]
    files += [PRODUCT / "governance" / "requests" / f"{name}.py" for name in names]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "Invalid", "Conflict", "NotFound", "ValueRefused", "flash",
            ):  # fmt: skip
                bare += [
                    f"{file.name}:{node.lineno}"
                    for given in node.args[:1]
                    if isinstance(given, ast.Constant | ast.JoinedStr)
                ]
    assert not bare


def test_each_language_has_a_catalog_and_a_name_of_its_own() -> None:
    assert set(TRANSLATED) == set(LANGUAGES) - {SOURCE} == set(PLURALS)
    assert len(set(LANGUAGES.values())) == len(LANGUAGES)
    for language in TRANSLATED:
        assert path_of(language).is_file()
