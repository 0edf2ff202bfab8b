"""The tape: one SQLite database per run, with its inputs, decisions, fills, settings, models and snapshots.

`writer` and `reader` implement the ports, `intact` hashes stored rows again, `export` writes them as Parquet.
"""
