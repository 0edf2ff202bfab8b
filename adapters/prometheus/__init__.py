"""Figures of a run for Prometheus: what families there are, and the server that a scrape asks."""
