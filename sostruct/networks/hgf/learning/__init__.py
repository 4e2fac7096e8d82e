"""Learning the coupling strengths of belief networks."""
