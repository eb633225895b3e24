"""Figures of labels: how sure the right one was, how often it was said, and the mean of the labels' F1."""

from __future__ import annotations

import numpy as np


def label_figures(logs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Of log probabilities [N, L] and what is right [N]; none is a number where one of those is none."""
    if np.isnan(logs).any():
        return dict.fromkeys(("loss", "accuracy", "macro_f1"), float("nan"))
    answers = logs.argmax(-1)
    return {
        "loss": float(-np.take_along_axis(logs, labels[:, None], 1).mean(dtype=np.float64)),
        "accuracy": float((answers == labels).mean()),
        "macro_f1": macro_f1(answers, labels),
    }


def macro_f1(answers: np.ndarray, labels: np.ndarray) -> float:
    """The mean over labels of 2 right / (said + there), of labels that are said or there.

    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    count = max(answers.max(), labels.max()) + 1
    right = np.bincount(labels[answers == labels], minlength=count)
    both = np.bincount(answers, minlength=count) + np.bincount(labels, minlength=count)
    return float((2 * right[both > 0] / both[both > 0]).mean())
