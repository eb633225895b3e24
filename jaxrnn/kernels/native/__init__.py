"""The native CPU backend: any cell of vector operations, whole loops in one call, on all cores without waiting.

`vectors` reads gate equations as operations on vectors, `row` differentiates them; `arrays`, `program`, `call` and
`calls` write down what the library (`src/`, C++) runs; `primitives` make it known to JAX; `backend` is what the engine
sees.
"""
