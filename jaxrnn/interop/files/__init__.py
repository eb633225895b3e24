"""Files of arrays. Each format lists names, shapes and dtypes first, checks them against the file's size, and reads an
array only when it is asked for. Nothing in a file is executed."""

from jaxrnn.interop.files.opening import Opened, in_memory, opened
from jaxrnn.interop.files.writing import write, writer_of

__all__ = ["Opened", "in_memory", "opened", "write", "writer_of"]
