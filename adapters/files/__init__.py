"""Adapters that read and write files."""
