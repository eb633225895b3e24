"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.captioning.captioning import Captioning as Captioning
from jaxrnn.tasks.classify.classify import Classify as Classify
from jaxrnn.tasks.drawing.draw import Draw as Draw
from jaxrnn.tasks.forecast.forecast import Forecast as Forecast
from jaxrnn.tasks.frame_prediction.frame_prediction import FramePrediction as FramePrediction
from jaxrnn.tasks.handwriting.handwriting import Handwriting as Handwriting
from jaxrnn.tasks.language.char_lm import CharLM as CharLM
from jaxrnn.tasks.language.word_lm import WordLM as WordLM
from jaxrnn.tasks.lip_reading.lip_reading import LipReading as LipReading
from jaxrnn.tasks.long_sequences.copying import Copying as Copying
from jaxrnn.tasks.long_sequences.sequential_digits import SequentialDigits as SequentialDigits
from jaxrnn.tasks.memory.adding import Adding as Adding
from jaxrnn.tasks.memory.reber import Reber as Reber
from jaxrnn.tasks.memory.timing import Timing as Timing
from jaxrnn.tasks.memory_policy.memory_policy import MemoryPolicy as MemoryPolicy
from jaxrnn.tasks.ppo.ppo import PPO as PPO
from jaxrnn.tasks.question_answering.babi import Babi as Babi
from jaxrnn.tasks.signal.signal import Signal as Signal
from jaxrnn.tasks.tag.tag import Tag as Tag
from jaxrnn.tasks.translation.translation import Translation as Translation
from jaxrnn.tasks.video_captioning.video_captioning import VideoCaptioning as VideoCaptioning

TASKS = {
    "char_lm": CharLM,
    "word_lm": WordLM,
    "translation": Translation,
    "babi": Babi,
    "captioning": Captioning,
    "lip_reading": LipReading,
    "video_captioning": VideoCaptioning,
    "adding": Adding,
    "reber": Reber,
    "timing": Timing,
    "memory_policy": MemoryPolicy,
    "copying": Copying,
    "sequential_digits": SequentialDigits,
    "ppo": PPO,
    "draw": Draw,
    "frame_prediction": FramePrediction,
    "handwriting": Handwriting,
    "classify": Classify,
    "tag": Tag,
    "forecast": Forecast,
    "signal": Signal,
}

__all__ = [
    "PPO",
    "TASKS",
    "Adding",
    "Babi",
    "Captioning",
    "CharLM",
    "Classify",
    "Copying",
    "Draw",
    "Forecast",
    "FramePrediction",
    "Handwriting",
    "LipReading",
    "MemoryPolicy",
    "Reber",
    "SequentialDigits",
    "Signal",
    "Tag",
    "Timing",
    "Translation",
    "VideoCaptioning",
    "WordLM",
]


def __dir__() -> list[str]:
    return __all__
