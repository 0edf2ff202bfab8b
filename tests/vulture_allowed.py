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

# wsgiref's server calls it for every request.
log_message

# Alembic reads a migration's neighbours.
down_revision

# What a test compares the whole learning path with.
optimal_probabilities

# What a notebook reads of a live run's tape beside its batches.
stored_bars

# paho reads it of a message's properties.
CorrelationData

# Payloads over MQTT: whoever subscribes reads them.
gross_ratio
net_ratio
drawdown_ratio
weight_ratio
p_down
p_flat
p_up
edge_ratio
target_weight_ratio
accuracy_ratio
majority_accuracy_ratio
skill_nats
skill_low_nats
skill_high_nats
information_coefficient
drifted_features
drifted_predictions
ok

# What a test sees of the faults that a simulated exchange makes.
in_force

# Answers of the control API: whoever asks reads them.
lost_instruments
age_seconds
queued_messages
waiting_commands
ended_by
sigma_ratio
because
calibration_error_ratio
edge_predicted_ratio
edge_realised_ratio
data_end
champion_skill_nats
gain_nats

# uvicorn reads it.
should_exit

# enum reads it.
_value_
