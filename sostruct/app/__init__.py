"""The command line's own parts: typed settings, one run from settings to report, what the terminal shows."""
