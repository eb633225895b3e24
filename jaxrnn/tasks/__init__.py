"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.babi import Babi as Babi
from jaxrnn.tasks.char_lm import CharLM as CharLM
from jaxrnn.tasks.draw import Draw as Draw
from jaxrnn.tasks.translation import Translation as Translation
from jaxrnn.tasks.word_lm import WordLM as WordLM

TASKS = {"char_lm": CharLM, "word_lm": WordLM, "translation": Translation, "babi": Babi, "draw": Draw}
