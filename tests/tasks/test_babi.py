"""Questions about stories: files written by hand, the splits, figures counted one by one, and questions asked."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from functools import partial
from itertools import islice

import jax
import numpy as np
import pytest

from jaxrnn.tasks import Babi
from jaxrnn.tasks.models import load_model, shipped
from jaxrnn.tasks.question_answering.babi import DataOptions, ModelOptions
from jaxrnn.tasks.question_answering.pictures import PUBLISHED, table
from jaxrnn.tasks.question_answering.simulator import words
from jaxrnn.tasks.question_answering.simulator.sets import TWENTY, hold_out
from jaxrnn.tasks.question_answering.stories import parse, tokenize
from jaxrnn.train import EMPTY, Experiment, LoopOptions, OptimizerOptions
from tests import oracle
from tests.tasks.resuming import run_in_two_pieces

READERS = ("lstm", "attentive")
BY_HAND = """1 Mary moved to the bathroom.
2 Where is Mary? \tbathroom\t1
3 John got the milk there.
4 What does John carry?\tmilk,apple\t3 1
1 Is it so?\tno\t
"""


def small(reader="attentive", tasks=(4, 15), rows=7, **model):
    data = DataOptions(tasks=tasks, questions=100, rows=rows)
    return Babi(ModelOptions(**{"reader": reader, "hidden": 5, "hops": 2} | model), data)


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


@pytest.mark.parametrize("text", ["2 Mary went out.\n", "Mary went out.\n", "1 \n", "1 A b.\n\nc\n", "<html>"])
def test_what_is_no_story_is_quoted(text):
    with pytest.raises(ValueError, match=r"`data.path` must be lines such as .*line \d of the stories"):
        parse(text, task=1)


@pytest.mark.usefixtures("unchecked")  # a million choices, each a call
def test_every_kind_has_its_questions():
    task = Babi(ModelOptions(), DataOptions(questions=100))
    assert [len(task.questions[split]) for split in ("train", *task.splits)] == [2000, 4000, 20000]
    for questions in task.questions.values():
        assert {q.task for q in questions} == {*range(1, 21)}
        assert all(q.story and q.question and q.answer for q in questions)
    assert len(TWENTY) == 20
    assert task.data.names == TWENTY == DataOptions("babi", "x").names


def test_no_story_is_split_between_training_and_validation():
    asked = "2 B?\tc\t1\n3 B?\tc\t1\n4 B?\tc\t1\n".splitlines(keepends=True)
    stories = parse("".join(f"1 A {n}.\n" + "".join(asked[: 1 + n % 3]) for n in range(40)), task=1)
    train, validation = hold_out(stories)
    every = [q for story in stories for q in story]
    assert [*train, *validation] == every
    assert 0 <= len(every) / 10 - len(validation) < 3
    assert not {q.story for q in train} & {q.story for q in validation}


def test_a_missing_file_is_named_with_where_to_get_it(tmp_path):
    (tmp_path / "qa1_single-supporting-fact_train.txt").write_text(BY_HAND)
    task = Babi(ModelOptions(), DataOptions("babi", str(tmp_path), (1,)))
    with pytest.raises(ValueError, match=r"file qa1_single-supporting-fact_test.txt.*bAbI project"):
        task.vocabulary  # noqa: B018


def test_a_folder_of_ones_own(tmp_path):
    text = "".join(f"1 Mary went {place}.\n2 Where is Mary?\t{place}\t1\n" for place in ["out", "home"] * 10)
    for split in ("train", "test"):
        (tmp_path / f"qa7_{TWENTY[6]}_{split}.txt").write_text(text)
    task = replace(small(), data=DataOptions("babi", str(tmp_path), (7,)))
    assert [len(task.questions[split]) for split in ("train", *task.splits)] == [18, 2, 20]
    assert task.answers.tokens == ("home", "out")
    assert "mary" in task.vocabulary  # bAbI's people are words
    assert set(task.evaluate(random_params(task), jax.device_put)) == {"loss", "accuracy", "qa7"}


def test_a_split_without_questions_is_refused(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"qa1_{TWENTY[0]}_{split}.txt").write_text("1 A b.\n2 A?\tb\t1\n")
    with pytest.raises(ValueError, match="qa1, whose validation is empty"):
        Babi(ModelOptions(), DataOptions("babi", str(tmp_path), (1,))).questions  # noqa: B018


ROW = "{}\tBen is married to Ava. | They have a child called Leo.\tWhat is Leo to Ben?\tson\n"


@pytest.mark.parametrize("pack", [False, True])
def test_tables_of_reasoning_games(tmp_path, pack):
    for name, kinds in (("train", ("kin", "cube", "kin")), ("valid", ("kin",)), ("test", ("cube", "kin"))):
        text = "".join(map(ROW.format, kinds)).encode()
        (tmp_path / f"{name}.tsv{'.gz' * pack}").write_bytes(gzip.compress(text) if pack else text)
    task = Babi(ModelOptions(), DataOptions("reasoning", str(tmp_path), (1,)))
    told = ("ben", "is", "married", "to", "ava"), ("they", "have", "a", "child", "called", "leo")
    question = (1, told, ("what", "is", "leo", "to", "ben"), "son")
    assert task.questions == {"train": [question] * 2, "validation": [question], "test": [question]}
    assert task.others == {"commonest answer": {1: 100.0}}
    with pytest.raises(ValueError, match="qa2, whose validation is empty"):
        Babi(ModelOptions(), DataOptions("reasoning", str(tmp_path), (2,))).questions  # noqa: B018


@pytest.mark.parametrize("line", ["kin\tA b.\tC?\n", "love\tA b.\tC?\td\n", "kin\tA b.\t?\td\n", "kin\tA b.\tC?\t\n"])
def test_what_is_no_line_of_a_table_is_quoted(tmp_path, line):
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.tsv").write_text(ROW.format("kin") + line)
    with pytest.raises(ValueError, match=r"`data.path` must be lines of four parts, got line 2 of train.tsv: "):
        Babi(ModelOptions(), DataOptions("reasoning", str(tmp_path))).questions  # noqa: B018


@pytest.mark.parametrize("reader", READERS)
def test_an_epoch_has_every_training_question_once(reader):
    task = small(reader, tasks=(4, 20), rows=48)
    batches = task.batches()
    seen = list(islice(batches, batches.batches))
    rows = np.concatenate([b.task for b in seen])
    assert sum(map(task.count, seen)) == len(task.questions["train"]) == (rows != EMPTY).sum()
    assert len(seen) * 48 == len(rows) > len(task.questions["train"])  # the last batch is filled up
    answers = np.concatenate([b.answer[b.task != EMPTY] for b in seen])
    expected = task.answers.encode([task._as_read(q).answer for q in task.questions["train"]])
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
        story, question = [" ".join(s) for s in q.story], " ".join(q.question)
        logs = np.asarray(task._log_probabilities(params, task._text(task._told(story, question))))
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
    told = ["The tower lies just north of the kitchen.", "  "]
    found = task.answer(params, told, "what lies just north of the kitchen ?")
    asked = task._told(["the tower lies just north of the kitchen"], "What lies just north of the kitchen")
    logs = task._log_probabilities(params, task._text(asked))
    assert found == task.answer(
        params, ["the TOWER lies just north of the kitchen !"], "What lies just north of the kitchen?"
    )
    assert list(found.values()) == sorted(np.exp(np.asarray(logs[0])), reverse=True)[:5]
    assert list(found) == [task.answers.tokens[n] for n in np.argsort(-np.asarray(logs[0]), kind="stable")[:5]]
    assert np.isfinite(list(task.answer(params, [], "what lies just north ?").values())).all()  # nothing was told


@pytest.mark.parametrize("reader", READERS)
def test_a_prediction_is_that_of_the_question_by_itself(reader):
    """Whatever is read beside it: more questions than a batch has rows, of unlike lengths, about unlike people."""
    task = small(reader, tasks=(5, 15), rows=4)
    params = random_params(task)
    asked = task.questions["test"][:: len(task.questions["test"]) // 9]
    assert len({len(q.story) for q in asked}) > 2 < task.data.rows < len(asked)
    found = [*task.predict(params, asked)]
    assert [answer["question"] for answer in found] == [" ".join(q.question) for q in asked]
    for answer, q in zip(found, asked, strict=True):
        alone = task.answer(params, [" ".join(words) for words in q.story], " ".join(q.question))
        assert answer["answer"] == next(iter(alone))
        np.testing.assert_allclose(answer["probability"], alone[answer["answer"]], rtol=1e-12)
    assert [*task.predict(params, [])] == []


@pytest.mark.parametrize("reader", READERS)
def test_whoever_a_story_is_about_the_answer_is_the_same(reader):
    """People are read by number: other names, of any split, change the name in the answer and nothing else."""
    task = small(reader, tasks=(5,))
    params = random_params(task)
    story, question = ["{0} took the lamp.", "{0} gave the lamp to {1}."], "To whom did {0} last give the lamp?"

    def told(*people):
        return [sentence.format(*people) for sentence in story], question.format(*people)

    def ask(*people):
        answers = task.answer(params, *told(*people))
        return {people.index(answer) if answer in people else answer: p for answer, p in answers.items()}

    found = ask("Anna", "Ben")
    assert found == ask("Mary", "Henry") == ask("Ben", "Anna")
    chances = np.exp(task._log_probabilities(params, task._text(task._told(*told("Anna", "Ben")))))[0]
    every = dict(zip(task.answers.tokens, chances, strict=True))
    del every["person3"]  # a third one is nobody in this story
    best = sorted(every, key=every.get, reverse=True)[:5]
    assert list(found) == [{"person1": 0, "person2": 1}.get(answer, answer) for answer in best]
    assert list(found.values()) == [every[answer] for answer in best]


def test_people_are_read_by_number_and_the_answer_too():
    task = small(tasks=(5,))
    for split, questions in task.questions.items():
        for q in questions[:50]:
            every = [word for sentence in (*q.story, q.question) for word in sentence]
            people = dict.fromkeys(word for word in every if word.capitalize() in words.people(split))
            numbers = {name: f"person{n}" for n, name in enumerate(people, start=1)}
            back = {number: name for name, number in numbers.items()}
            read = task._as_read(q)
            assert not {*words.EVERYONE} & {w for s in (*read.story, read.question, (read.answer,)) for w in s}
            assert tuple(tuple(back.get(w, w) for w in s) for s in read.story) == q.story
            assert tuple(back.get(w, w) for w in read.question) == q.question
            assert back.get(read.answer, read.answer) == q.answer.lower()
    assert not {*words.EVERYONE} & {*task.vocabulary.tokens}


@pytest.mark.parametrize(
    ("story", "question", "message"),
    [
        (["the kitchin lies just north"], "what lies north?", "got 'kitchin'. Did you mean 'kitchen'?"),
        (["Anna is a baker", "Marry is a baker"], "which pet does Anna keep?", "got 'marry'. Did you mean 'mary'?"),
        (
            ["Anna is a baker", "Ben is a baker", "Tom is a baker", "Mary is a baker"],
            "which pet does Carl keep?",
            "must be 4 people or fewer, got anna, ben, tom, mary, carl",
        ),
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
        (
            DataOptions,
            {"set": "squad"},
            "`data.set` must be 'simulated' or 'babi' or 'reasoning' or 'own'",
        ),
        (DataOptions, {"set": "own"}, "`data.path` must be your own file or folder with `data.set` own, got none"),
        (DataOptions, {"tasks": (21,)}, "`data.tasks` must be different numbers from 1 to 20"),
        (DataOptions, {"set": "reasoning", "tasks": (6,)}, "`data.tasks` must be different numbers from 1 to 5"),
        (DataOptions, {"questions": 0}, "`data.questions` must be a multiple of 20"),
        (DataOptions, {"questions": 50}, "`data.questions` must be a multiple of 20"),
        (DataOptions, {"story_seed": -1}, "`data.story_seed` must be"),
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
    for word in [word for sentence in (*q.story, q.question) for word in sentence]:
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
    chosen = [questions[n] for n in (0, 105, 1, 100, 199)] + [questions[0]._replace(story=())]
    chosen[2] = chosen[2]._replace(story=chosen[2].story[:2])
    assert sorted({len(q.story) for q in chosen})[:2] == [0, 2]
    assert max(len(q.story) for q in chosen) == 8
    task.__dict__["questions"] = task.questions | {"train": chosen}
    return [*map(task._as_read, chosen)], task._collate("train")[1](np.array([3, 0, EMPTY, 5, 1, 2, 4]))


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
    task = small(reader, tasks=(20,), rows=32, hidden=16, dropout=0.1)
    task.__dict__["questions"] = {split: questions[:100] for split, questions in task.questions.items()}
    loop = LoopOptions(steps=60, log_every=10, validate_every=30, checkpoint_every=20)
    experiment = Experiment("babi", 0, task, OptimizerOptions(learning_rate=1e-2, warmup=5), loop)
    pieces, losses = run_in_two_pieces(experiment, tmp_path, looks=25)
    assert losses[-1] < losses[0] - 0.2
    figures = json.loads((pieces / "result.json").read_text())["figures"]
    assert figures["test accuracy"] == figures["test qa20"]
    assert (pieces / "accuracy.png").stat().st_size > 10_000
    assert (pieces / "attention.png").exists() == (reader == "attentive")


def test_the_position_of_the_data_can_be_stored():
    task = small("lstm", rows=64)
    batches, again = task.batches(), task.batches()
    for _ in range(40):  # into the second epoch
        next(batches)
    again.set_state(batches.get_state())
    jax.tree.map(np.testing.assert_array_equal, next(batches), next(again))


def test_table_and_pictures_stand_beside_published_figures(monkeypatch):
    monkeypatch.setattr(Babi, "_published", True)  # of which data they are is tested with the rest of what is published
    figures = {"accuracy": 75.0, "qa1": 100.0, "qa19": 50.0}
    others = Babi(ModelOptions(), DataOptions("babi", "x")).others
    lines = table(figures, TWENTY, others).splitlines()
    assert lines[0].split() == ["here", "LSTM", "MemN2N"]
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
    experiment, params, _ = load_model("babi")
    ask = partial(experiment.task.answer, params)
    story = ["Mary took the lamp.", "Mary went to the garden.", "John is in the cellar."]
    assert next(iter(ask(story, "Where is Mary?"))) == "garden"
    assert next(iter(ask(story, "Is John in the cellar?"))) == "yes"
    assert next(iter(ask(story, "What does Mary carry?"))) == "lamp"
    assert next(iter(ask(["Mary took the map.", "Mary gave the map to John."], "Who last received the map?"))) == "John"
    assert sum(path.stat().st_size for path in shipped()["babi"].iterdir()) < 300_000
