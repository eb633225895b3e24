"""Frames that follow on a film."""
