"""The native CPU backend: any cell of vector operations, whole loops in one call, on all cores without waiting.

`vectors` reads gate equations as operations on vectors (`graph`; `elementwise` and `shapes` know JAX's primitives) and
`row` differentiates them; `arrays`, `program`, `call` and `calls` write down what the library (`src/`, C++) runs;
`primitives` make it known to JAX; `backend` is what the engine sees.

Products may be of bfloat16 or float16 (`dtype`). The former are multiplied in pairs, by the processor's dot products
where it has them (AVX512-BF16), the latter in float32. Sums, gates and carry are float32, and so are the gradients of
float32 parameters.

Equations run here when each unit of a vector is computed by itself: all of JAX's elementary functions and comparisons,
`where`, `clip`, `jax.checkpoint`, custom derivatives, constants of any type, and over gates `stack`, `sum`, `max`,
`mean`, `softmax` and slices. They are declined, each with its reason (`jaxrnn.explain`), where they

- mix the units: a sum, a maximum, a softmax, a norm over them, as layer normalisation has;
- move, cut or join the units: `roll`, slices, `concatenate` along the last axis, `sort`;
- multiply matrices themselves (`@`, `einsum`), in place of `recur`;
- hold constants that differ from unit to unit (a parameter may);
- loop or branch (`lax.scan`, `fori_loop`, `while_loop`, `cond`), or draw random numbers;
- compute with integers that depend on inputs (`argmax`, `jnp.select`, `astype(int)`), index with arrays, look at bits;
- convert to another floating type, as mixed precision does;
- use `lgamma`, `digamma`, `erf_inv` or Bessel functions.
"""
