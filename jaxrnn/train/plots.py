"""Pictures: the learning curve of a run, and how any figure is written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from jaxrnn.base.files import replacing

# With letters that matplotlib's own font lacks, as systems and Noto's packages have them.
FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Hiragino Sans",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)


def learning_curve(lines: list[dict[str, Any]], title: str, path: Path, best: int | None) -> None:
    """Draw training and validation loss by step from the lines of metrics.jsonl, and mark the best step's."""
    training = [(line["step"], line["loss"]) for line in lines if line.get("loss") is not None]
    validation = {line["step"]: loss for line in lines if (loss := line.get("validation_loss")) is not None}
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    if training:
        axes.plot(*zip(*training, strict=True), color="tab:blue", linewidth=1, alpha=0.8, label="training")
    if validation:
        axes.plot(
            *zip(*validation.items(), strict=True), color="tab:orange", marker="o", markersize=4, label="validation"
        )
    if best is not None and best in validation:
        axes.annotate(
            f"best: {validation[best]:.4f} at step {best}",
            (best, validation[best]),
            xytext=(0, 24),
            textcoords="offset points",
            horizontalalignment="right",
            arrowprops={"arrowstyle": "->"},
        )
    axes.set(title=title, xlabel="step", ylabel="loss (nats)")
    axes.grid(alpha=0.3)
    if training or validation:
        axes.legend()
    save_figure(figure, path, dpi=120)


def curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the validation losses of several runs by step into one picture, as `read_results` gives their records."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for record in records:
        points = [(line["step"], line["validation_loss"]) for line in record.get("curve", ())]
        some = [point for point in points if point[1] is not None]
        label = Path(record.get("run", record["command"])).name + (" (unfinished)" if "unfinished" in record else "")
        axes.plot([step for step, _ in some], [loss for _, loss in some], marker="o", markersize=3, label=label)
    axes.set(xlabel="step", ylabel="validation loss (nats)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(figure, path, dpi=120)


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Write a picture as PNG, all of it or nothing; letters of other alphabets with the fonts that are installed."""
    FigureCanvasAgg(figure)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    others = [name for name in FONTS if name in installed]
    for text in figure.findobj(Text) if others else ():
        text.set_fontfamily([*text.get_fontfamily(), *others])
    with replacing(path) as temporary, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(temporary, format="png", dpi=dpi)
    boxes = [one for one in said if "missing from font" in str(one.message)]
    for other in (one for one in said if one not in boxes):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    if boxes:
        remedy = "Noto's fonts have them"
        warnings.warn(f"{path.name} has boxes for letters that no installed font has; {remedy}", stacklevel=2)


def save_image(image: Image.Image, path: Path, **options: Any) -> None:
    """Write an image, or a film of several, in the format that the suffix says: all of it or nothing."""
    with replacing(path) as temporary:
        image.save(temporary, format=path.suffix.removeprefix("."), **options)
