"""Agents that remember what they no longer see: proximal policy optimisation with a recurrent layer."""
