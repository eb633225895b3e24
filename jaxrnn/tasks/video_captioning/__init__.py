"""Captions of videos."""
