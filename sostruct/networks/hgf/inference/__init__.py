"""Fitting belief networks to what was observed and to what subjects did."""
