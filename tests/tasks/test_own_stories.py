"""Files of stories that people have: what is a question and what is not, whose lines follow, and how one is named."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest

from jaxrnn.tasks import Babi
from jaxrnn.tasks.question_answering import babi
from jaxrnn.tasks.question_answering.stories import asks, parse, tokenize


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 Mary went out.\n2 Where is Mary?\n", r"an answer behind a tab, got line 2 of"),
        ("1 Mary went out.\n2 Where is Mary? garden 1\n", r"an answer behind a tab, got line 2 of"),
        ("1 Mary went out.\n2 Where is Mary?    garden  1\n", r"an answer behind a tab, got line 2 of"),
        (
            "1 Mary went out.\n2 \u03a0\u03bf\u03cd \u03b5\u03af\u03bd\u03b1\u03b9;\n",
            r"an answer behind a tab, got line",
        ),
        ("1 Mary went out.\n2 Where?\tout\t1\n3 John left\tthe room.\n", r"as in line 2, .* got line 3 of"),
        ("1 Mary went\tout\tof the house.\n", r"numbers of lines behind another, got line 1 of"),
        ("1 Mary went out.\n2 Where?\tout\t1\tin|out\n", r"numbers of lines behind another, got line 2 of"),
        ("1 Mary went out.\n3 Where?\tout\n", r"numbered one by one, 2 or, of a new story, 1, got line 2 of"),
        ("1 A b.\n2 C d.\n2 Where?\tout\n", r"numbered one by one, 3 or, of a new story, 1, got line 3 of"),
        ("1 A b.\n2 C d.\n3 Where?\tout\n2 E f.\n", r"numbered one by one, 4 or, of a new story, 1, got line 4 of"),
        ("1 A.\n2 B?\tOut\n3 B?\tout\n", r"in one spelling, 'Out' as in line 2 of the stories, got line 3 .*'out'"),
        ("1 A.\n2 B?\ta,b\n1 A.\n2 B?\ta, b\n", r"in one spelling, 'a,b' as in line 2 .*, got line 4 .*'a, b'"),
        ("1" * 5000 + " A.\n", "from 1 on"),
    ],
)
def test_what_would_be_read_as_something_else_is_refused_with_its_line(text, message):
    with pytest.raises(ValueError, match=rf"`data\.path` must be .*{message}"):
        parse(text, task=1)


def test_a_story_begins_with_any_alphabets_one():
    text = "01 A b.\n02 C?\td\n\u0661 E f.\n\u0662 C?\td\n\uff11 G h.\n\uff12 C?\td\n"
    assert [[question.story for question in story] for story in parse(text, 1)] == [
        [(("a", "b"),)],
        [(("e", "f"),)],
        [(("g", "h"),)],
    ]


def test_letters_with_marks_are_one_word_however_typed():
    assert tokenize("Cafe\u0301 \u00c9mile") == ("caf\u00e9", "\u00e9mile")
    (one, two), *_ = parse("1 A.\n2 B?\tcafe\u0301\n3 B?\tcaf\u00e9\n", 1)
    assert one.answer == two.answer


def test_questions_of_languages_without_a_mark_are_those_with_an_answer():
    """A file that marks none of its questions is read; the quotes behind a mark are no other end."""
    story = "1 \u7530\u4e2d\u306f\u5bb6\u3060\n2 \u3069\u3053\t\u5bb6\t1\n"
    assert [len(found) for found in parse(story * 3, 1)] == [1, 1, 1]
    assert [asks(line) for line in ("Who?\u201d", "(Who?)", "Who?!", "Who; me;", "Who")] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_a_word_that_a_model_does_not_know_is_named_with_its_line(tmp_path: Path):
    text = "".join(f"1 Mary is in room{n}.\n2 Where is Mary?\troom{n}\t1\n" for n in range(9))
    (tmp_path / "s.txt").write_text(text)
    task = Babi(babi.ModelOptions(hidden=4), babi.DataOptions(path=str(tmp_path / "s.txt")))
    task.init(jax.random.key(0))
    asked = tmp_path / "asked.txt"
    for wrong, row in (
        ("1 Mary is in room1.\n2 John saw Mary.\n3 Where is Mary?\n", 2),
        ("1 Mary is in room1.\n2 Why?\n", 2),
    ):
        asked.write_text("1 Mary is in room1.\n2 Where is Mary?\n\n" + wrong)
        with pytest.raises(ValueError, match=rf"line {row + 3} of '.*asked\.txt': `story and question` must be words"):
            task.inputs(asked)
    asked.write_text("1 Mary is in room1.\n")
    with pytest.raises(ValueError, match=r"'.*asked\.txt', where nothing is asked"):
        task.inputs(asked)


def test_answers_of_two_files_are_compared_too(tmp_path: Path):
    for name, answer in (("a", "Garden"), ("b", "garden")):
        (tmp_path / f"{name}.txt").write_text(f"1 Mary went out.\n2 Where is Mary?\t{answer}\n" * 3)
    task = Babi(babi.ModelOptions(), babi.DataOptions(path=str(tmp_path)))
    with pytest.raises(ValueError, match=r"'Garden' as in line 2 of '.*a\.txt', got line 2 of '.*b\.txt': 'garden'"):
        task.contents("test")
