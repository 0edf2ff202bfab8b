"""Experts, their calibration, the blend, and the bundle that holds them."""
