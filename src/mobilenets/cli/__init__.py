"""The command line: one file per command, loaded when called, each over the function of the same name."""
