"""Kinds of files that are no text, by their first bytes: a table that a program saved, or a browser packed."""

from __future__ import annotations

REMEDY = "Unpack it, or save it as text: a table as .csv in UTF-8. A text packed by gzip or xz is named so, .gz or .xz."
KINDS = {  # by their first bytes
    b"PK\x03\x04": "a zip archive, such as a workbook (.xlsx) is",
    b"\xd0\xcf\x11\xe0": "a workbook or document of an old kind (.xls, .doc)",
    b"\x1f\x8b": "a file packed by gzip",
    b"BZh": "a file packed by bzip2",
    b"\xfd7zXZ": "a file packed by xz",
    b"\x28\xb5\x2f\xfd": "a file packed by zstd",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"RIFF": "a picture, a film or a sound (WebP, AVI, WAV)",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "an array of NumPy",
}


def kind_of(content: bytes) -> str:
    """What a file is that is no text, whatever its name says."""
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), "")
    if not kind or b"\0" in content:
        return kind
    try:
        content.decode()
    except UnicodeDecodeError:
        return kind
    return ""  # a text may begin with such letters
