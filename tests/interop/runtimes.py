"""Runtimes of ONNX, each as a function of a model and its inputs, by name, that gives the outputs by name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def in_onnxruntime(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """onnxruntime, on a CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, dict(given)), strict=True))


def in_openvino(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """OpenVINO, on a CPU, in the precision of the model."""
    import openvino

    read = openvino.Core().read_model(model.SerializeToString())
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    results = openvino.compile_model(read, "CPU", settings)(dict(given))
    return {output.name: results[output.name] for output in model.graph.output}


def in_tract(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """tract, which reads a file."""
    import tract

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        read = tract.onnx().load(path)
        names = [read.input_name(i) for i in range(read.input_count())]
        results = read.into_model().into_runnable().run([given[name] for name in names])
    return {o.name: a.to_numpy() for o, a in zip(model.graph.output, results, strict=True)}


RUN: dict[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = {
    "onnxruntime": in_onnxruntime,
    "openvino": in_openvino,
    "tract": in_tract,
}
