"""One file per command: the composition roots, where core and adapters are joined."""
