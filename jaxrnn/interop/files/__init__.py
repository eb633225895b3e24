"""Files of arrays. Each format lists names, shapes and dtypes first, checks them against the file's size, and reads an
array only when it is asked for. Nothing in a file is executed."""

from jaxrnn.interop.files.opening import Opened, in_memory, opened, path_of
from jaxrnn.interop.files.writing import check_target, write

__all__ = ["Opened", "check_target", "in_memory", "opened", "path_of", "write"]
