"""The execution of workflows: the walk over the graph, the blocks, what survives a killed worker."""
