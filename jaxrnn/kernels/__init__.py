"""Backends for one kind of hardware each; they are imported where one is chosen, and decline with a reason."""
