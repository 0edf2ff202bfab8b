"""How a tape's schema came to be, step by step (Alembic)."""
