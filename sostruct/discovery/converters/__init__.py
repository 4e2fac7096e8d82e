"""To and from the result formats of other packages, none of which is imported: formats are arrays, graphs networkx.

One file per package, with its convention in the first lines. Reading gives a `networkx.MultiDiGraph` that
`Discovery.compare` and `ss.compare` take; what a format cannot hold is said where it is lost.
"""
