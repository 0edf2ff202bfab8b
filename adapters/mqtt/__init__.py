"""MQTT 5: what a run publishes, the commands it takes, bars that come by topic."""
