"""The commands that take text from a person: which lines reach the model, and what is printed of its answers."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from jaxrnn.cli import main
from jaxrnn.tasks import models
from tests.train.toy import Toy, ToyOptions, experiment


class Backwards(Toy):
    """Translates by turning words round; answers with the last word of the story."""

    def translate(self, params, text, beam):
        return f"{' '.join(reversed(text.split()))} ({params}, beam {beam})"

    def answer(self, params, story, question):
        last = story[-1].split()[-2] if story else "nobody knows"
        return {last: 0.75, question.split()[0]: 0.25}


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command on a model by its name, with some standard input: (exit code, stdout, stderr)."""
    tasks = {"speaks": Backwards(ToyOptions()), "counts": experiment().task}

    def load(name):
        return models.Model(SimpleNamespace(task=tasks[name], name="toy"), "weights")

    monkeypatch.setattr(models, "load_model", load)

    def call(*arguments, typed=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(list(arguments))
        return code, *capsys.readouterr()

    return call


def test_translate_sentences_of_the_command_line(run):
    code, out, _ = run("translate", "speaks", "a b c", "d e", "--beam", "2")
    assert (code, out) == (0, "c b a (weights, beam 2)\ne d (weights, beam 2)\n")


def test_translate_lines_as_they_are_typed(run):
    assert run("translate", "speaks", typed="one two\n\n  three \n")[1] == (
        "two one (weights, beam 5)\nthree (weights, beam 5)\n"
    )


def test_a_question_is_about_the_lines_before_it(run):
    lines = ["john is here .", "who is here ?", "mary left .", "who left ?"]
    expected = "here (75%)  who (25%)\nleft (75%)  who (25%)\n"
    assert run("ask", "speaks", *lines)[:2] == (0, expected)
    assert run("ask", "speaks", typed="\n".join(lines))[:2] == (0, expected)
    assert run("ask", "speaks", "who ?")[1] == "nobody knows (75%)  who (25%)\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["translate", "counts", "a"], "counts: a model of the task toy does not translate"),
        (["ask", "counts", "a ?"], "counts: a model of the task toy answers no questions"),
        (["evaluate", "counts", "--split", "training"], "--split: expected one of validation, test, got 'training'"),
        (["results", "nowhere"], "`RUN` must be a finished run's folder, or its result.json, got 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, command, message):
    code, out, error = run(*command)
    assert (code, out) == (1, "")
    assert error.startswith(f"jaxrnn: error: {message}")
    assert error.count("\n") == 1
