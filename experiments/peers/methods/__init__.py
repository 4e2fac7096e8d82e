"""One file per peer: `fit(series, max_lag, **settings) -> Outcome`."""
