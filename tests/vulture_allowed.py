"""What vulture takes for unused and why it is not. Read by vulture alone, never run."""

# pydantic calls validators; click calls the group's methods and fills parameters.
_instruments_are_distinct
_halt_before_delisting
get_command
model_config
params

# Set on objects of other libraries, which read them.
default_flow_style  # ruamel.yaml
handlers  # logging
rounding  # decimal

# Alembic reads a migration's neighbours.
down_revision

# What a test compares the whole learning path with.
optimal_probabilities
