"""From a folder's files to one document, remembering where everything stands."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel

from lifecycle.governance.language import catalogs
from lifecycle.governance.language.document import (
    KEY,
    PLAYBOOK_KEY,
    ClientRequestDocument,
    Content,
    LegalDocument,
    MessageDocument,
    PipelineDocument,
    PlaybookDocument,
    RuleDocument,
    RulesDocument,
)
from lifecycle.governance.language.errors import (
    BrokenPlaybook,
    Path,
    PlaybookError,
    nearest,
    path_in_words,
    shown,
)
from lifecycle.governance.language.reading import MOST_BYTES, Source, load_folder, read_text
from lifecycle.governance.language.shape import validated

LIBRARY: Final = FilePath(__file__).resolve().parents[2] / "playbooks_library"
"""The playbooks that come with the product, one folder each."""

MAIN_FILE: Final = "playbook.yaml"
RULES_FILE: Final = "rules.yaml"
FOLDERS: Final[dict[str, type[BaseModel]]] = {
    "messages": MessageDocument,
    "client_requests": ClientRequestDocument,
    "legal": LegalDocument,
}
"""What is written one thing a file, each named by its key, in a folder of its own."""


_ENDINGS: Final = {".yaml": MOST_BYTES, ".yml": MOST_BYTES, catalogs.ENDING: catalogs.MOST_BYTES}


@dataclass
class Places:
    """Which file holds which part: `playbook`, `rules`, `pipelines.<key>`, `messages.<key>` and so on.

    Without sources, as for a stored revision, mistakes name the part and no line.
    """

    sources: dict[Path, Source] = field(default_factory=dict)

    def error(self, path: Path, sentence: str, remedy: str = "", *, key: bool = False) -> PlaybookError:
        """Return a mistake at `path` of the whole document."""
        root, inner = path[:2], path[2:]
        if path[:1] == ("playbook",):
            root, inner = path[:1], path[1:]
        elif path[:1] == ("rules",):
            # The file itself begins with this word.
            root, inner = path[:1], path
        source = self.sources.get(root)
        if source is not None:
            return source.error(inner, sentence, remedy, key=key)
        return PlaybookError(str(root[-1]), None, None, path_in_words(inner), sentence, remedy)


@dataclass(frozen=True)
class Loaded:
    """A playbook whose files have the right shape; names are not looked up yet."""

    content: Content
    places: Places


def find_folder(name: str) -> FilePath:
    """Return the folder that `name` means: a path, or a playbook of the library.

    Raises BrokenPlaybook, suggesting the nearest name, when there is neither.
    """
    if _is_folder(name):
        return FilePath(name)
    if PLAYBOOK_KEY.fullmatch(name) and (LIBRARY / name).is_dir():
        return LIBRARY / name
    raise BrokenPlaybook(
        [
            PlaybookError(
                shown(name),
                None,
                None,
                "",
                "there is no such folder or playbook",
                nearest(name, library_names()),
            )
        ]
    )


def _is_folder(name: str) -> bool:
    try:
        return FilePath(name).is_dir() and name != ""
    except (OSError, ValueError):
        return False


def library_names() -> list[str]:
    """Return the names of the playbooks that come with the product."""
    return sorted(path.parent.name for path in LIBRARY.glob(f"*/{MAIN_FILE}"))


def load(origin: FilePath | Mapping[str, str]) -> Loaded:
    """Read a folder, or texts by file name. Raises BrokenPlaybook with everything that does not fit."""
    loading = _Loading()
    texts = origin if isinstance(origin, Mapping) else load_folder(origin, _ENDINGS)
    for file, text in texts.items():
        loading.take(
            catalogs.read_catalog(file, text) if file.endswith(catalogs.ENDING) else read_text(file, text)
        )
    return loading.loaded()


class _Loading:
    """Sorts files by what they are."""

    def __init__(self) -> None:
        self.main: PlaybookDocument | None = None
        self.pipelines: dict[str, PipelineDocument] = {}
        self.files: dict[str, dict[str, Any]] = {folder: {} for folder in FOLDERS}
        self.words: dict[str, dict[str, str]] = {}
        self.rules: dict[str, RuleDocument] = {}
        self.places = Places()
        self.errors: list[PlaybookError] = []
        self.has_main = False

    def take(self, source: Source) -> None:
        """Keep a file as what its name says it is; note what is wrong with it."""
        self.has_main = self.has_main or source.file == MAIN_FILE
        if not source.errors:
            if source.file == MAIN_FILE:
                self.main = validated(PlaybookDocument, source)
                self.places.sources["playbook",] = source
            elif source.file == RULES_FILE:
                self._take_rules(source)
            elif language := catalogs.language_of(source.file):
                self.places.sources["words", language] = source
                self.words[language] = source.data
            elif place := _folder_and_key(source.file):
                self._take_file(*place, source)
            elif "/" in source.file:
                remedy = " and ".join(f"{folder}/<key>.yaml" for folder in FOLDERS) + " are"
                self.errors.append(PlaybookError(source.file, 1, 1, "", "this file is not used", remedy))
            else:
                self._take_pipeline(source)
        self.errors += source.errors

    def loaded(self) -> Loaded:
        """Return the whole, or raise BrokenPlaybook."""
        if not self.has_main:
            self.errors.append(PlaybookError(MAIN_FILE, None, None, "", "there is no such file", "write one"))
        if self.errors or self.main is None:
            raise BrokenPlaybook(self.errors)
        pipelines = _in_order(self.main, self.pipelines)
        content = Content(
            playbook=self.main,
            pipelines=pipelines,
            messages=self.files["messages"],
            client_requests=self.files["client_requests"],
            legal=self.files["legal"],
            words=self.words,
            rules=self.rules,
        )
        return Loaded(content, self.places)

    def _take_file(self, folder: str, key: str, source: Source) -> None:
        self.places.sources[folder, key] = source
        document = validated(FOLDERS[folder], source)
        if document:
            self.files[folder][key] = document

    def _take_rules(self, source: Source) -> None:
        self.places.sources["rules",] = source
        document = validated(RulesDocument, source)
        if document:
            self.rules = document.rules

    def _take_pipeline(self, source: Source) -> None:
        pipeline = validated(PipelineDocument, source)
        if pipeline is None:
            return
        key = pipeline.pipeline
        if key in self.pipelines:
            first = self.places.sources["pipelines", key].file
            self.errors.append(source.error(("pipeline",), f"'{key}' is written in {first} already"))
        self.pipelines[key] = pipeline
        self.places.sources["pipelines", key] = source


def _folder_and_key(file: str) -> tuple[str, str] | None:
    folder, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0]
    return (folder, stem) if folder in FOLDERS and KEY.fullmatch(stem) else None


def _in_order(main: PlaybookDocument, pipelines: dict[str, PipelineDocument]) -> dict[str, PipelineDocument]:
    """Return the pipelines in the order the playbook names them, the others after these by name."""
    named = [key for key in main.pipelines if key in pipelines]
    return {key: pipelines[key] for key in [*named, *sorted(set(pipelines) - set(named))]}


def canonical(content: Content) -> dict[str, Any]:
    """Return the form that a revision keeps: plain data; what equals its default is left out."""
    data: dict[str, Any] = content.model_dump(mode="json", exclude_defaults=True)
    return {"language": content.language, **data}


def without_words(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical form without its catalogs, which change nothing of what a playbook does."""
    return {part: written for part, written in content.items() if part != "words"}


def canonical_text(content: Mapping[str, Any]) -> str:
    """Return the one way to write the canonical form: sorted keys, no blanks, UTF-8."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical_text(content).encode()).hexdigest()
