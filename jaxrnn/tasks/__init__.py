"""The applications, by the name that a configuration's `task` gives."""

from jaxrnn.tasks.adding import Adding as Adding
from jaxrnn.tasks.char_lm import CharLM as CharLM

TASKS = {"char_lm": CharLM, "adding": Adding}
