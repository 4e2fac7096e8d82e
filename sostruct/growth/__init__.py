"""When and where to change a graph, and at what price."""
