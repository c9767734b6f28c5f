"""One way to choose questions a file; every file here is found by `repro.selection.registry`."""
