"""Generated markets whose truth is known: bars for the demo and for tests of the whole learning path."""
