"""Question answering about stories."""
