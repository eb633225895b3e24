"""The commands for a person: what of the arguments reaches the model, and what is printed of its answers."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from jaxrnn.cli import main
from jaxrnn.tasks import models
from tests.train.toy import Toy, ToyOptions, experiment


class Backwards(Toy):
    """Translates by turning words round; answers with the last word of the story; writes and paints its arguments."""

    def translate(self, params, text, beam):
        return f"{' '.join(reversed(text.split()))} ({params}, beam {beam})"

    def answer(self, params, story, question):
        last = story[-1].split()[-2] if story else "nobody knows"
        return {last: 0.75, question.split()[0]: 0.25}

    def caption(self, params, picture, beam):
        return f"{picture} ({params}, beam {beam})"

    def write(self, params, text, path, bias, seed):
        return f"{text!r} ({params}, bias {bias}, seed {seed}) in {path}"

    def draw(self, params, path, count, seed):
        path.write_text(f"{count} by {params}, seed {seed}")


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


def test_caption_some_pictures(run):
    code, out, _ = run("caption", "speaks", "a.png", "b.jpg", "--beam", "1")
    assert (code, out) == (0, "a.png (weights, beam 1)\nb.jpg (weights, beam 1)\n")


def test_write_and_draw_into_files(run, tmp_path):
    assert run("write", "speaks", "a text", "--out", "a.gif", "--bias", "0.5", "--seed", "3")[1] == (
        "'a text' (weights, bias 0.5, seed 3) in a.gif\n"
    )
    assert run("write", "speaks")[1] == "'' (weights, bias 1.0, seed 0) in writing.svg\n"
    path = tmp_path / "b.png"
    assert run("draw", "speaks", "--out", str(path), "--count", "2", "--seed", "7")[1] == f"2 pictures in {path}\n"
    assert path.read_text() == "2 by weights, seed 7"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["translate", "counts", "a"], "counts: a model of the task toy does not translate"),
        (["ask", "counts", "a ?"], "counts: a model of the task toy answers no questions"),
        (["caption", "counts", "a.png"], "counts: a model of the task toy captions no pictures"),
        (["write", "counts", "a"], "counts: a model of the task toy does not write by hand"),
        (["draw", "counts"], "counts: a model of the task toy paints no pictures"),
        (["evaluate", "counts", "--quantize"], "counts: a model of the task toy does not run with int8 kernels"),
        (["evaluate", "counts", "--split", "training"], "--split: expected one of validation, test, got 'training'"),
        (["results", "nowhere"], "`RUN` must be a run's folder, or a result.json, got 'nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, command, message):
    code, out, error = run(*command)
    assert (code, out) == (1, "")
    assert error.startswith(f"jaxrnn: error: {message}")
    assert error.count("\n") == 1
