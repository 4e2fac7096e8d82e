"""Belief networks as sources of data: series drawn from them, agents that act on them, checks of them."""
