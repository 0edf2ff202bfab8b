"""Adapters for the machine that papertape runs on: its log and its process."""
