"""Graphs of ONNX that are written: nodes for the layers that ONNX has, loops over the equations of all others."""
