"""From probabilities to target weights: edge after costs, gate, sizing, limits, exits, trading state."""
