"""Observed variables that are several inputs of the graph: what they are called, how they are read and tabulated."""
