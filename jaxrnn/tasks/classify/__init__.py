"""Classification: which label a text or a series has."""
