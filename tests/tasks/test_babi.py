"""The bAbI tasks: the parser on a file written by hand, the splits, figures counted one by one, and questions asked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Babi
from jaxrnn.tasks.models import load_model, shipped
from jaxrnn.tasks.question_answering.babi import DataOptions, ModelOptions
from jaxrnn.tasks.question_answering.pictures import PUBLISHED, table
from jaxrnn.tasks.question_answering.stories import NAMES, hold_out, parse, read_questions, tokenize
from jaxrnn.train import EMPTY, Experiment, LoopOptions, OptimizerOptions
from tests import oracle
from tests.tasks.resuming import run_in_two_pieces

READERS = ("lstm", "attentive")
READ = read_questions("", range(1, 21))
BY_HAND = """1 Mary moved to the bathroom.
2 Where is Mary? \tbathroom\t1
3 John got the milk there.
4 What does John carry?\tmilk,apple\t3 1
1 Is it so?\tno\t
"""


def small(reader="attentive", tasks=(4, 15), rows=7, **model):
    return Babi(ModelOptions(**{"reader": reader, "hidden": 5, "hops": 2} | model), DataOptions("", tasks, rows))


def random_params(task, seed=0):
    draw = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: draw.normal(size=leaf.shape) * 0.4, task.init(jax.random.key(0)))


def test_parser_on_a_file_by_hand():
    (first, second), (third,) = parse(BY_HAND, task=3)
    told = ("mary", "moved", "to", "the", "bathroom")
    assert first == (3, (told,), ("where", "is", "mary"), "bathroom")
    assert second == (
        3,
        (told, ("john", "got", "the", "milk", "there")),
        ("what", "does", "john", "carry"),
        "milk,apple",
    )
    assert third == (3, (), ("is", "it", "so"), "no")


@pytest.mark.parametrize("text", ["2 Mary went out.\n", "Mary went out.\n", "1 \n", "1 A b.\n\n", "<html>"])
def test_what_is_no_story_is_quoted(text):
    with pytest.raises(ValueError, match=r"`data.path` must be lines such as .*line \d of qa1"):
        parse(text, task=1)


@pytest.mark.parametrize("task", range(1, 21))
def test_every_task_has_its_questions(task):
    """Counted in another way: a question is a line with a tab, a story a line that starts with 1."""
    for split in ("train", "test"):
        stories = READ[task, split]
        assert sum(map(len, stories)) == 1000
        assert all(q.task == task and q.question and q.answer for story in stories for q in story)
        assert all(len(a.story) <= len(b.story) for story in stories for a, b in pairwise(story))


def test_no_story_is_split_between_training_and_validation():
    for task in (1, 18, 20):
        stories = READ[task, "train"]
        train, validation = hold_out(stories)
        assert [*train, *validation] == [q for story in stories for q in story]
        assert 80 <= len(validation) <= 100
        starts = np.cumsum([0, *map(len, stories)])
        assert len(train) in starts


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(BY_HAND)
    task = Babi(ModelOptions(), DataOptions(str(tmp_path), (1,)))
    with pytest.raises(ValueError, match=r"file qa1_single-supporting-fact_test.txt.*bAbI project"):
        task.vocabulary  # noqa: B018


def test_a_folder_of_ones_own(tmp_path):
    text = "".join(f"1 Mary went {place}.\n2 Where is Mary?\t{place}\t1\n" for place in ["out", "home"] * 10)
    for split in ("train", "test"):
        (tmp_path / f"qa7_{NAMES[6]}_{split}.txt").write_text(text)
    task = replace(small(), data=DataOptions(str(tmp_path), (7,)))
    assert [len(task.questions[split]) for split in ("train", *task.splits)] == [18, 2, 20]
    assert task.answers.tokens == ("home", "out")
    assert set(task.evaluate(random_params(task), jax.device_put)) == {"loss", "accuracy", "qa7"}


def test_a_split_without_questions_is_refused(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"qa1_{NAMES[0]}_{split}.txt").write_text("1 A b.\n2 A?\tb\t1\n")
    with pytest.raises(ValueError, match="qa1, whose validation is empty"):
        Babi(ModelOptions(), DataOptions(str(tmp_path), (1,))).questions  # noqa: B018


@pytest.mark.parametrize("reader", READERS)
def test_an_epoch_has_every_training_question_once(reader):
    task = small(reader, tasks=(4, 20), rows=64)
    batches = task.batches()
    seen = list(islice(batches, batches.batches))
    rows = np.concatenate([b.task for b in seen])
    assert sum(map(task.count, seen)) == len(task.questions["train"]) == (rows != EMPTY).sum()
    assert len(seen) * 64 == len(rows) > len(task.questions["train"])  # the last batch is filled up
    answers = np.concatenate([b.answer[b.task != EMPTY] for b in seen])
    expected = task.answers.encode([q.answer for q in task.questions["train"]])
    np.testing.assert_array_equal(np.sort(answers), np.sort(expected))


@pytest.mark.parametrize("reader", READERS)
def test_figures_are_those_of_the_questions_one_by_one(reader):
    """A question alone, encoded by `answer`, must give what it gives in a batch beside longer ones and empty rows."""
    task = small(reader, tasks=(4, 20), rows=7)
    kept = {split: questions[::41] for split, questions in task.questions.items()}
    task.__dict__["questions"] = kept
    params = random_params(task)
    losses, right = [], {4: [], 20: []}
    for q in kept["validation"]:
        logs = np.asarray(
            task._log_probabilities(params, task._text([" ".join(s) for s in q.story], " ".join(q.question)))
        )
        losses.append(-logs[0, task.answers.number(q.answer)])
        right[q.task].append(task.answers.tokens[logs[0].argmax()] == q.answer)
    found = task.evaluate(params, jax.device_put)
    by_task = {f"qa{n}": 100 * np.mean(values) for n, values in right.items()}
    expected = {"loss": np.mean(losses), "accuracy": np.mean(list(by_task.values()))} | by_task
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=1e-9)


@pytest.mark.parametrize("reader", READERS)
def test_answers_come_best_first_with_their_probabilities(reader):
    task = small(reader)
    params = random_params(task)
    found = task.answer(params, ["The office is north of the kitchen.", "  "], "what is the kitchen south of ?")
    logs = task._log_probabilities(
        params, task._text(["the office is north of the kitchen"], "What is the kitchen south of")
    )
    assert found == task.answer(params, ["the OFFICE is north of the kitchen !"], "What is the kitchen south of?")
    assert list(found.values()) == sorted(np.exp(np.asarray(logs[0])), reverse=True)[:5]
    assert list(found) == [task.answers.tokens[n] for n in np.argsort(-np.asarray(logs[0]))[:5]]
    assert np.isfinite(list(task.answer(params, [], "what is the kitchen ?").values())).all()  # nothing was told


@pytest.mark.parametrize(
    ("story", "question", "message"),
    [
        (["the kitchin is north"], "what is north?", "got 'kitchin'. Did you mean 'kitchen'?"),
        ([], "what is zzz?", "got 'zzz'."),
        ([], " ? ", "`question` must be words"),
    ],
)
def test_a_bad_question_is_named_before_anything_is_computed(story, question, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small().answer(None, story, question)


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        (ModelOptions, {"reader": "bert"}, "`model.reader` must be"),
        (ModelOptions, {"hidden": 0}, "`model.hidden` must be"),
        (ModelOptions, {"hops": 0}, "`model.hops` must be"),
        (ModelOptions, {"dropout": 1.0}, "`model.dropout` must be"),
        (DataOptions, {"tasks": ()}, "`data.tasks` must be"),
        (DataOptions, {"tasks": (1, 1)}, "`data.tasks` must be"),
        (DataOptions, {"tasks": (0,)}, "`data.tasks` must be"),
        (DataOptions, {"rows": 0}, "`data.rows` must be"),
        (DataOptions, {"seed": -1}, "`data.seed` must be"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_options(options, given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        options(**given)


def test_words():
    assert tokenize(" Is  Mary's dog, here?! ") == ("is", "mary's", "dog", "here")


# ---------------------------------------------------------------- the readers in NumPy, one question at a time


def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def readout(params, h):
    return log_softmax(h @ params["readout"]["kernel"] + params["readout"]["bias"])


def read_once(task, params, q):
    carry = np.zeros(5), np.zeros(5)
    for word in [word for words in (*q.story, q.question) for word in words]:
        one_hot = np.eye(len(task.vocabulary))[task.vocabulary.number(word)]
        carry, h = oracle.lstm(params["rnn"], carry, one_hot)
    return readout(params, h), None


def bag(task, params, words):
    total = np.zeros(5)
    for j, word in enumerate(words, start=1):
        for k in range(1, 6):
            weight = (1 - j / len(words)) - k / 5 * (1 - 2 * j / len(words))
            total[k - 1] += weight * params["embedding"][task.vocabulary.number(word), k - 1]
    return total


def read_looking_back(task, params, q):
    xs = [bag(task, params, words) for words in q.story]
    qs, gates = [bag(task, params, q.question)] * len(xs), []
    passes = [("hop_0", "forward", 1), ("hop_0", "backward", -1), ("hop_1", "forward", 1)]
    for hop, way, order in passes:
        p, h, states = params[hop][way], np.zeros(5), np.zeros((len(xs), 5))
        gates.append(np.zeros(len(xs)))
        for s in range(len(xs))[::order]:
            seen = np.concatenate([xs[s] * qs[s], xs[s], qs[s]])
            z = oracle.sigmoid(seen @ p["kernel"][:, 0] + p["bias"][0])
            h = (1 - z) * h + z * np.tanh(seen @ p["kernel"][:, 1] + p["bias"][1])
            states[s], gates[-1][s] = h, z.mean()
        if order == 1:
            forward = states
        else:
            qs = forward + states
    return readout(params, h), np.stack(gates)


ORACLES = {"lstm": read_once, "attentive": read_looking_back}


def ragged(task):
    """Questions of both tasks of `small`, stories of 2 to 8 sentences, one without any, and an empty row."""
    questions = task.questions["train"]
    chosen = [questions[n] for n in (0, 905, 1, 900, 1000)] + [questions[0]._replace(story=())]
    task.__dict__["questions"] = task.questions | {"train": chosen}
    return chosen, task._collate("train")[1](np.array([3, 0, EMPTY, 5, 1, 2, 4]))


@pytest.mark.parametrize("reader", READERS)
def test_readers_equal_numpy(reader):
    task = small(reader)
    params = random_params(task)
    chosen, batch = ragged(task)
    logs = task._log_probabilities(params, batch.text)
    rows = {0: 3, 1: 0, 3: 5, 4: 1, 5: 2, 6: 4}
    losses, right = [], []
    for row, n in rows.items():
        expected, weights = ORACLES[reader](task, params, chosen[n])
        np.testing.assert_allclose(logs[row], expected, rtol=1e-10, atol=1e-12)
        losses.append(-expected[task.answers.number(chosen[n].answer)])
        right.append(task.answers.tokens[expected.argmax()] == chosen[n].answer)
        if reader == "attentive":
            story = [" ".join(words) for words in chosen[n].story]
            np.testing.assert_allclose(task.attention(params, story, " ".join(chosen[n].question)), weights, rtol=1e-9)
    loss, (_, metrics) = task.loss(params, (), batch, None)
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-11)
    np.testing.assert_allclose(metrics["accuracy"], 100 * np.mean(right), rtol=1e-12)


@pytest.mark.parametrize("reader", READERS)
def test_what_lies_in_the_padding_changes_no_bit(reader):
    task = small(reader)
    params = random_params(task)
    _, batch = ragged(task)

    def spoil(words, lengths):
        beyond = np.arange(words.shape[-1]) >= np.asarray(lengths)[..., None]
        return np.where(beyond, 3 + np.arange(words.shape[-1], dtype=np.int32), words)

    text = batch.text
    if reader == "lstm":
        spoilt = text._replace(words=spoil(text.words, text.lengths))
    else:
        beyond = np.arange(text.story.shape[1]) >= text.sentences[:, None]
        words = np.where(beyond, 2, text.words).astype(np.int32)  # sentences that nobody said
        story = np.where(beyond[..., None], 7, spoil(text.story, text.words)).astype(np.int32)
        question = spoil(text.question, text.question_words)
        spoilt = text._replace(story=story, words=words, question=question)
    gradient = jax.jit(jax.value_and_grad(task.loss, has_aux=True))
    expected, found = (gradient(params, (), batch._replace(text=t), None) for t in (text, spoilt))
    assert any((a != b).any() for a, b in zip(text, spoilt, strict=True))
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reader", READERS)
def test_dropout_changes_with_the_key_and_is_absent_without_one(reader):
    task = small(reader, dropout=0.5)
    params, batch = random_params(task), next(task.batches())
    keys = [None, *(jax.random.key(n) for n in (1, 1, 2))]
    losses = [task.loss(params, (), batch, key)[0].item() for key in keys]
    assert losses[1] == losses[2]
    assert len(set(losses)) == 3
    assert losses[0] == small(reader).loss(params, (), batch, None)[0]


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_training_learns_stops_and_resumes(reader, tmp_path):
    """The loss falls, a run in two pieces writes what an unbroken one does, and what is left shows the test figures."""
    task = small(reader, tasks=(15,), rows=32, hidden=16, dropout=0.1)
    task.__dict__["questions"] = {split: questions[:100] for split, questions in task.questions.items()}
    loop = LoopOptions(steps=60, log_every=10, validate_every=30, checkpoint_every=20)
    experiment = Experiment("babi", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=5), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=25)
    assert losses[-1] < losses[0] - 0.2
    figures = json.loads((pieces / "result.json").read_text())["figures"]
    assert figures["test accuracy"] == figures["test qa15"]
    assert (pieces / "accuracy.png").stat().st_size > 10_000
    assert (pieces / "attention.png").exists() == (reader == "attentive")


def test_the_position_of_the_data_can_be_stored():
    task = small("lstm", rows=64)
    batches, again = task.batches(), task.batches()
    for _ in range(40):  # into the second epoch
        next(batches)
    again.set_state(batches.get_state())
    jax.tree.map(np.testing.assert_array_equal, next(batches), next(again))


def test_table_and_pictures_stand_beside_published_figures():
    figures = {"accuracy": 75.0, "qa1": 100.0, "qa19": 50.0}
    lines = table(figures).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["qa1", "single-supporting-fact", "100.0", "50.0", "100.0"],
        ["qa19", "path-finding", "50.0", "8.0", "12.0"],
        ["mean", "75.0", "29.0", "56.0"],
    ]
    means = {name: np.mean(values) for name, values in PUBLISHED.items()}
    assert {name: round(mean, 1) for name, mean in means.items()} == {
        "LSTM, Weston 2015": 49.2,  # printed: 49
        "MemN2N, Sukhbaatar 2015": 87.6,  # printed: an error of 12.4
    }


@pytest.mark.slow
def test_the_shipped_model_answers():
    experiment, params = load_model("babi")
    ask = partial(experiment.task.answer, params)
    story = ["Mary got the milk.", "Mary went to the garden.", "John is in the office."]
    assert next(iter(ask(story, "Where is Mary?"))) == "garden"
    assert next(iter(ask(story, "Is John in the office?"))) == "yes"
    assert next(iter(ask(story, "What is Mary carrying?"))) == "milk"
    assert sum(path.stat().st_size for path in shipped()["babi"].iterdir()) < 300_000
