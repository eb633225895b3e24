"""Trained layers as C: what the native backend compiles, written down as one file."""

from jaxrnn.kernels.c.export import CFile as CFile
from jaxrnn.kernels.c.export import export_c as export_c
