"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.babi import Babi as Babi
from jaxrnn.tasks.char_lm import CharLM as CharLM

TASKS = {"babi": Babi, "char_lm": CharLM}
