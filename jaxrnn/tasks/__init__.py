"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.adding import Adding as Adding
from jaxrnn.tasks.babi import Babi as Babi
from jaxrnn.tasks.captioning import Captioning as Captioning
from jaxrnn.tasks.char_lm import CharLM as CharLM
from jaxrnn.tasks.draw import Draw as Draw
from jaxrnn.tasks.handwriting import Handwriting as Handwriting
from jaxrnn.tasks.lip_reading import LipReading as LipReading
from jaxrnn.tasks.memory_policy import MemoryPolicy as MemoryPolicy
from jaxrnn.tasks.reber import Reber as Reber
from jaxrnn.tasks.timing import Timing as Timing
from jaxrnn.tasks.translation import Translation as Translation
from jaxrnn.tasks.video_captioning import VideoCaptioning as VideoCaptioning
from jaxrnn.tasks.word_lm import WordLM as WordLM

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
    "draw": Draw,
    "handwriting": Handwriting,
}

__all__ = [
    "TASKS",
    "Adding",
    "Babi",
    "Captioning",
    "CharLM",
    "Draw",
    "Handwriting",
    "LipReading",
    "MemoryPolicy",
    "Reber",
    "Timing",
    "Translation",
    "VideoCaptioning",
    "WordLM",
]
