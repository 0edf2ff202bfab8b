"""What touches the world: files, databases, clocks, networks. Adapters decide nothing and know no other."""
