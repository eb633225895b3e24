"""The engine: runs cells over time."""
