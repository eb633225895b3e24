"""Numbers in people's files are numbers, and texts are texts, whatever a file's name says."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxrnn.tasks.classify.own_examples import read_examples
from jaxrnn.tasks.handwriting.own_strokes import check_texts, own_strokes
from jaxrnn.tasks.shared.own_files import text_of
from jaxrnn.tasks.shared.own_splits import OwnData
from jaxrnn.tasks.shared.own_tables import table_of

WHOLE = OwnData(held_out=1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"strokes": [[[0, True], [1, 1]]]}, r"\(points are numbers\)"),
        ({"strokes": [[["0", "1"], ["1", "1"]]]}, r"\(points are numbers\)"),
        ({"strokes": [[[0, None], [1, 1]]]}, r"\(points are numbers\)"),
        ({"strokes": {"x": [1, 2]}}, r"\(points are numbers\)"),
        ({"drawing": [[["0", "1"], [1, 1]]]}, r"\(points are numbers\)"),
        ({"points": [[[0, 0], [1, 1]]], "text": "hi"}, r"the keys points, text\. A file"),
        ({"strokes": None}, r"the keys strokes\. A file"),
    ],
)
def test_what_is_no_number_is_no_place(tmp_path, line, message):
    good = {"strokes": [[[0, 0], [1, 1]]], "text": "hi"}
    (tmp_path / "s.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(line)}\n")
    with pytest.raises(ValueError, match=rf'`data\.path` must be a drawing in "strokes", got line 2 of .*{message}'):
        own_strokes(WHOLE, str(tmp_path / "s.jsonl"))


def test_the_first_drawing_without_a_text_is_named(tmp_path):
    good = {"strokes": [[[0, 0], [1, 1]]], "text": "hi"}
    lines = [good, good | {"text": ""}, good, good | {"text": ""}]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(ValueError, match=r"got 2 of 4 drawings without one in .*, the first in line 2 of '.*s\.jsonl'"):
        check_texts(str(tmp_path / "s.jsonl"))


@pytest.mark.parametrize("values", [[["1", "2"]], [[True, False]], [[1, 2], [3, "4"]]])
def test_series_are_of_numbers(tmp_path, values):
    (tmp_path / "s.jsonl").write_text(json.dumps({"label": "a", "values": values}))
    with pytest.raises(ValueError, match=r"must be a series, a list of numbers a step, got line 1 of"):
        read_examples(tmp_path / "s.jsonl", labels=True)


def test_a_series_is_for_one_part(tmp_path):
    (tmp_path / "s.csv").write_text("series,label,split,x\n1,a,train,1\n1,a,test,2\n")
    with pytest.raises(ValueError, match=r"must be one split a series, got line 2 of '.*s\.csv': 2 in '1'"):
        read_examples(tmp_path / "s.csv", labels=True)


def workbook() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (workbook(), r"a zip archive, such as a workbook \(\.xlsx\) is"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), r"a workbook or document of an old kind"),
        (gzip.compress(b"label,text\n"), "a file packed by gzip"),
        (picture(), r"a picture \(PNG\)"),
        (array(), "an array of NumPy"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    ],
    ids=["zip", "old workbook", "gzip", "picture", "array", "PDF"],  # contents hold the time
)
def test_other_files_that_are_called_tables_are_named(tmp_path, content, kind):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"must be '.*a\.csv' a text, got {kind}.*, as its first bytes say\. Unpack"):
        table_of(tmp_path / "a.csv")


def test_a_text_may_begin_as_other_files_do(tmp_path):
    (tmp_path / "a.txt").write_text("RIFFs and BZhang, %PDF")
    assert text_of(tmp_path / "a.txt") == "RIFFs and BZhang, %PDF"
    (tmp_path / "b.txt").write_text("BZh\u00e4")
    assert text_of(tmp_path / "b.txt") == "BZh\u00e4"
