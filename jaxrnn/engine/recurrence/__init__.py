"""Linear recurrences over time, all steps at once: `h[t] = a[t] h[t - 1] + b[t]`."""
