"""Clips that are made here: handwritten digits that move, one after another, and a sentence that says which and where.

"three moves left then nine moves up": as in speech, the words come in the order of what is seen.
"""

from __future__ import annotations

import numpy as np

from jaxrnn.tasks.shared.mnist import HEADER, SIDE, TEST, WHERE, parse
from jaxrnn.tasks.shared.shipped import DATA
from jaxrnn.train import read_sources

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
DIRECTIONS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}  # rows, columns
HANDS = {"training": (0, 8000), "validation": (8000, 9000), "test": (9000, 10_000)}  # MNIST's digits of each split
COUNTS = (2000, 200, 200)  # clips for training, validation and test
MOVES = 3  # in a clip at most
FRAMES = 24
SPEED = 0.8, 1.6  # pixels a frame, the least and the most
PLACE = 0.4, 0.6  # the middle of a move, in shares of the room that a digit has
NOISE = 12.0  # standard deviation of what is added to the grey values
EDGE = 4  # pixels of each picture of MNIST that hold nothing of the digit
SMALL = SIDE - 2 * EDGE  # a moving digit is so high and wide
LABELS = "t10k-labels-idx1-ubyte"


def moving_digits(
    split: str, count: int, height: int, width: int
) -> tuple[list[str], np.ndarray, list[tuple[str, ...]]]:
    """Names, frames (uint8 [count, 24, height, width]) and sentences of a split's clips: always the same."""
    first, last = HANDS[split]
    draw = np.random.default_rng(first)
    folder = str(DATA / "mnist")
    contents = read_sources(folder, [TEST, LABELS], WHERE)
    labels = np.frombuffer(contents[LABELS], np.uint8, offset=HEADER // 2)[first:last]  # one axis: a shorter header
    small = parse(contents[TEST], TEST)[first:last, EDGE:-EDGE, EDGE:-EDGE]
    clips, sentences = np.zeros((count, FRAMES, height, width)), []
    for clip in clips:
        moves = int(draw.integers(1, MOVES + 1))
        words: list[str] = []
        starts = np.arange(moves) * (FRAMES // MOVES) + int(draw.integers(0, 1 + (MOVES - moves) * (FRAMES // MOVES)))
        for start in starts:
            digit, direction = int(draw.integers(len(small))), str(draw.choice(list(DIRECTIONS)))
            words += [*(["then"] if words else []), DIGITS[labels[digit]], "moves", direction]
            _move(clip[start : start + int(draw.integers(6, FRAMES // MOVES + 1))], small[digit], direction, draw)
        sentences.append(tuple(words))
    for clip in clips:  # one by one, for memory's sake
        clip += draw.normal(0, NOISE, clip.shape)
    return [f"{split}{n:04d}" for n in range(count)], clips.clip(0, 255, out=clips).astype(np.uint8), sentences


def _move(frames: np.ndarray, digit: np.ndarray, direction: str, draw: np.random.Generator) -> None:
    """Put a digit into each of some frames [T, height, width], moving through their middle."""
    steps = np.arange(len(frames)) - (len(frames) - 1) / 2
    speed = draw.uniform(*SPEED)
    room = np.array(frames.shape[1:]) - SMALL
    aside = draw.uniform(*PLACE, 2) * room
    for frame, step in zip(frames, steps, strict=True):
        y, x = (aside + speed * step * np.array(DIRECTIONS[direction])).round().astype(int).clip(0, room)
        frame[y : y + SMALL, x : x + SMALL] = digit
