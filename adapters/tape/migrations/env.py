"""Alembic's entry point: runs the steps on the connection that `adapters.tape.migrate` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
