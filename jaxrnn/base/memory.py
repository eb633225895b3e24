"""Whether the process keeps the memory that a call frees for the next one.

glibc's `malloc` maps what is larger than 32 MiB afresh in each call and unmaps it when it is freed, whatever threshold
it is told, and hands a large free end of its heap back: the system then fills every page with zeros again, at a fault
for each 4 KiB. A training step's temporaries are one such piece.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

LINE = 2**25  # bytes; a larger piece is mapped afresh
RESERVED = 2**30  # bytes of addresses whose pages are large ones; none of them is taken before it is used
HUGE, PAGE = 14, 2**21  # MADV_HUGEPAGE, and what it asks for
NEVER_MAP, NEVER_TRIM, ONE_HEAP = (-4, 0), (-1, -1), (-8, 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD, M_ARENA_MAX
_kept = False


@dataclass(frozen=True)
class KeptMemory:
    """What `keep_memory` did.

    Args:
        reason: why nothing was changed; None where freed memory is kept.
    """

    reason: str | None = None

    @property
    def held(self) -> int:
        """Bytes that nothing uses now, and that are there for later calls."""
        return 0 if self.reason else max(0, _resident() - _used())

    def give_back(self) -> None:
        """Hand what is held back to the system, once; what is freed later is kept again."""
        if self.reason is None:
            _library().malloc_trim(0)
            _reserve()

    def __str__(self) -> str:
        if self.reason:
            return f"freed memory is not kept: {self.reason}"
        return f"freed memory is kept, {self.held / 1e6:.0f} MB at present; `give_back()` returns them"


def keep_memory() -> KeptMemory:
    """Make this process keep the memory that it frees, for its next calls.

    Programs whose temporaries exceed 32 MiB then find their pages in place after some calls, where they would fault
    each one anew in each call: in training some 15 % less time, and more where little is computed for each page. The
    process stays as large as it ever was, by up to two such pieces larger than without; other libraries' memory is kept
    too. It is a setting of glibc's `malloc`, for the whole process and until its end, which no import makes: call it
    before JAX computes anything, since threads that are there already have heaps of their own. The command line does.

    Returns:
        A KeptMemory: `print` it. Its `reason` says why nothing was changed where the C library is not glibc, or where
        it is too late; `held` is what is kept now; `give_back()` returns that to the system.

    >>> import jaxrnn
    >>> memory = jaxrnn.keep_memory()
    >>> held = memory.held  # bytes
    >>> memory.give_back()
    """
    global _kept
    if why := _why_not():
        return KeptMemory(why)
    for parameter, value in (ONE_HEAP, NEVER_TRIM, NEVER_MAP):
        if not _library().mallopt(parameter, value):
            return KeptMemory(f"the C library refuses mallopt({parameter}, {value})")
    _kept = True
    _reserve()
    return KeptMemory()


def maps_afresh(size: float) -> bool:
    """Whether a piece of memory of so many bytes is mapped afresh each time, until `keep_memory` is called."""
    return size > LINE and _is_glibc() and not _kept


def _reserve() -> None:
    """Make the heap's end long, and its pages large ones where the system has these."""
    library = _library()
    library.malloc.restype = library.sbrk.restype = ctypes.c_void_p
    library.free(ctypes.c_void_p(library.malloc(ctypes.c_size_t(RESERVED))))
    end = (library.sbrk(ctypes.c_ssize_t(0)) or 0) // PAGE * PAGE
    start = end - RESERVED // PAGE * PAGE
    library.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), HUGE)


def _why_not() -> str | None:
    if not _is_glibc():
        return "the C library is not glibc, whose settings these are"
    heaps = len(re.findall("<heap ", _report()))
    return None if heaps == 1 else f"threads have {heaps - 1} heaps of their own already; call it before JAX computes"


def _is_glibc() -> bool:
    try:
        return hasattr(_library(), "gnu_get_libc_version")
    except (OSError, TypeError):  # Windows has no library of that name
        return False


def _resident() -> int:
    """Bytes of the heap that are in memory."""
    parts = Path("/proc/self/smaps").read_text().split("[heap]\n")[1:]  # with large pages, and without
    found = (re.search(r"Rss: +(\d+) kB", part) for part in parts)
    return sum(1024 * int(rss[1]) for rss in found if rss)


def _used() -> int:
    """Bytes of the heap that are in use."""
    whole = _report().rpartition("</heap>")[2]  # after those of each heap
    size = re.search(r'<system type="current" size="(\d+)"', whole)
    free = re.findall(r'<total type="(?:fast|rest)" count="\d+" size="(\d+)"', whole)
    return int(size[1] if size else 0) - sum(map(int, free))


def _report() -> str:
    """What glibc says of its heaps, XML."""
    library = _library()
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    library.open_memstream.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(library.open_memstream(ctypes.byref(text), ctypes.byref(size)))
    library.malloc_info(0, stream)
    library.fclose(stream)
    report = ctypes.string_at(text.value or 0, size.value).decode()
    library.free(text)
    return report


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)
