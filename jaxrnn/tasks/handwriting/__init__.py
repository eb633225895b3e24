"""Handwriting, drawn and written."""
