"""The first stage: bars onto the minute grid, checked, minutes without a trade filled or left empty."""
