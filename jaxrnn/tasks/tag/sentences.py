"""Sentences whose words have tags: files in the format of CoNLL, those that ship and a user's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, NoReturn

from jaxrnn.base.errors import Said, fail
from jaxrnn.tasks.shared.alike import tell_alike
from jaxrnn.tasks.shared.own_files import files_of, kept, lines_of, located, shortened, text_of, wrong
from jaxrnn.tasks.shared.own_splits import SPLITS, named_split, parted
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.tasks.tag.options import DataOptions
from jaxrnn.tasks.tag.spans import stray
from jaxrnn.train import Vocabulary
from jaxrnn.train.sources import bare

WHERE = (
    "A word a line with its tag behind a tab (data.token and data.tag say which columns; of CoNLL-U 1 and 3), an empty "
    "line behind each sentence."
)
EXPECTED = "sentences with tags"
ANSWERED = "sentences, of a .txt one a line, of other files a word a line and an empty line between"
SUFFIXES = (".conll", ".conllu", ".bio", ".iob", ".iob2", ".txt", ".tsv")
DOCUMENT = "-DOCSTART-"  # where one begins
NOTE = re.compile(r"# ?(\w+)(?: id)?(?: = ?([^\t]*)|(?<=newdoc|newpar))$")  # any other line may begin with the word #
PARTIAL = re.compile(r"\d+[-.]\d+")  # of CoNLL-U: a line for two words together, or for one that is not written
SHIPPED = {"turkish": "turkish_web", "addresses": "us_addresses"}


class Sentence(NamedTuple):
    """Words and their tags."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


class Found(NamedTuple):
    """A sentence of a file, the part that it is for where that is said, and its document."""

    sentence: Sentence
    split: str | None
    document: str


Parts = dict[str, list[Sentence]]


def sentences_of(data: DataOptions) -> Parts:
    """Of each part; those of one document are in one.

    Raises:
        ValueError: If a line is no word with a tag, or there are too few; the message names file and line.
    """
    path = str(DATA / SHIPPED[data.set]) if data.set in data.ships else data.path
    found = _read(path, data.token, data.tag, data.set if data.set in data.full else "")
    if data.held_out < 1 and len({tag for one in found for tag in one.sentence.tags}) < 2:
        fail("data.path", f"{EXPECTED}, of two tags or more", Said(f"{path!r}, with one"), WHERE)
    of_documents = len({one.document for one in found}) > 2  # a file that is one document is cut between sentences
    together = (lambda one: one.document) if of_documents else None
    parts = parted(found, lambda one: one.split, data, repr(path), EXPECTED, together)
    return {split: [piece for one in parts[split] for piece in cut(one.sentence, data.longest)] for split in SPLITS}


def cut(sentence: Sentence, longest: int) -> list[Sentence]:
    """Pieces of at most so many words."""
    starts = range(0, len(sentence.words), longest)
    return [Sentence(*(part[start : start + longest] for part in sentence)) for start in starts]


@kept
def _read(path: str, token: int, tag: int, called: str) -> list[Found]:
    place = located(path, EXPECTED, WHERE)
    files, found = _files(path, called), []
    for file in files:
        split = named_split(file.relative_to(place)) if place.is_dir() else None
        found += [one._replace(split=one.split or split) for one in read_conll(file, token, tag)]
    if not found:
        fail("data.path", EXPECTED, Said(f"{path!r}, where there is none"), WHERE)
    tags = {one for some in found for one in some.sentence.tags}
    _check_spans(files, tags, tag)
    tell_alike(sorted(tags), "tags", path)
    return found


def _check_spans(files: list[Path], tags: set[str], column: int) -> None:
    """Of spans all tags or none: one that is mistyped would change the figure by which all others are judged."""
    if odd := stray(tags):
        _wrong_tag(files, odd, column, "tags of spans such as B-person, I-person and O, since others are such")


def check_known(data: DataOptions, known: Vocabulary) -> None:
    """See to it that a trained model knows the tags of sentences that it is scored on.

    Raises:
        ValueError: If it does not; the message names file and line.
    """
    every = {tag for one in _read(data.path, data.token, data.tag, "") for tag in one.sentence.tags}
    for odd in sorted(every):
        if odd not in known:
            _wrong_tag(_files(data.path, ""), odd, data.tag, "tags that the model knows")


def _wrong_tag(files: list[Path], odd: str, column: int, expected: str) -> NoReturn:
    """The error of the first line that has a tag."""
    lines = ((file, number, _cells(line)) for file in files for number, line in lines_of(file))
    file, number = next((f, n) for f, n, cells in lines if len(cells) > max(column, 0) and cells[column].strip() == odd)
    wrong(file, number, expected, repr(odd))


def _files(path: str, called: str) -> list[Path]:
    files = files_of(path, SUFFIXES, EXPECTED, WHERE)
    return [file for file in files if file.name.startswith(called) and file.name not in ("SOURCE.txt", "LICENSE.txt")]


def _cells(line: str) -> list[str]:
    """The columns of a line: with tabs between, or else blanks."""
    return line.split("\t") if "\t" in line else line.split()


def read_conll(file: Path, token: int, tag: int | None) -> list[Found]:
    """The sentences of a file; without `tag`, of a file whose tags are not known, each is "".

    Raises:
        ValueError: If a line lacks a column; the message names file and line.
    """
    found: list[Found] = []
    words: list[str] = []
    tags: list[str] = []
    split, documents, document = None, 0, ""
    lines = [*text_of(file).split("\n"), ""]
    plain = next((line for line in lines if line.strip() and not line.startswith(("#", DOCUMENT))), "")
    columns = 0  # of the first word, and so of all

    def ended() -> None:
        if words:
            name = document or f"{file} {len(found)}"
            found.append(Found(Sentence(tuple(words), tuple(tags)), split, name))
            words.clear()
            tags.clear()

    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(DOCUMENT):
            ended()
            if line.strip():
                documents += 1
                document = f"{file}, document {documents}"
            continue
        note = NOTE.match(line)
        if note or (token and line.startswith("#")):
            name, value = (note[1], note[2] or "") if note else ("", "")
            if name == "split":
                split = named_split(value)
                if value and split is None:
                    wrong(file, number, "train, valid or test as a split, or nothing", repr(value))
            elif name == "newdoc":
                documents += 1
                document = f"{file}, document {documents}"
            elif name == "sent_id" and ":" in value:
                document = value.rpartition(":")[0]
            continue
        cells = _cells(line)
        if line.startswith("# ") and (len(cells) != len(_cells(plain)) or ("\t" in plain and "\t" not in line)):
            continue  # a remark
        if token and PARTIAL.fullmatch(cells[0]):
            continue
        if not token and not columns and cells[0] == "1" and bare(file.name.lower()).endswith(".conllu"):
            number_of = "'1', a word's number, which CoNLL-U has first"
            wrong(file, number, "a word in column 0", number_of, "`--data.token 1 --data.tag 3` trains on such files.")
        most = max(token, token if tag is None else tag)
        if len(cells) <= most or (tag == -1 and len(cells) < token + 2) or not cells[token].strip():
            expected = "a word" if tag is None else f"a word in column {token} and a tag in column {tag}"
            wrong(file, number, expected, shortened(line), WHERE)
        if tag is not None and columns not in (0, len(cells)):  # a word with a space in it would lose its end
            wrong(file, number, f"{columns} columns, as its first word has", f"{len(cells)}, {shortened(line)}", WHERE)
        columns = len(cells)
        words.append(cells[token].strip())
        tags.append("" if tag is None else cells[tag].strip())
        if tag is not None and not tags[-1]:
            wrong(file, number, f"a tag in column {tag}", shortened(line), WHERE)
    return found
