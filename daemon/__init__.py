"""papertape's core: it decides and does no I/O.

The stage folders stand in the order in which a bar passes them: bars, features, labels, models, policy,
positions, vitals. ``training`` stands beside them. ``engine`` joins the stages, ``service`` runs the engine,
and ``commands`` alone brings adapters and core together.
"""

__version__ = "0.1.0"
