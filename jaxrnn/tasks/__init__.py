"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.char_lm import CharLM as CharLM
from jaxrnn.tasks.translation import Translation as Translation

TASKS = {"char_lm": CharLM, "translation": Translation}
