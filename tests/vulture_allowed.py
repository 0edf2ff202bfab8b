"""What vulture takes for unused and why it is not. Read by vulture alone, never run."""

# pydantic calls validators; click calls methods of groups and types, and fills parameters.
_instruments_are_distinct
_halt_before_delisting
get_command
convert
model_config
params

# Named in annotations that are text.
ModelVersion

# Set on objects of other libraries, which read them.
default_flow_style  # ruamel.yaml
handlers  # logging
rounding  # decimal

# Alembic reads a migration's neighbours.
down_revision

# What a test compares the whole learning path with.
optimal_probabilities

# What a notebook reads of a live run's tape beside its batches.
stored_bars
