"""Functions that a user picks by name: activations, initialisers, regularisers, constraints."""
