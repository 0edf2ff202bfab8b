"""Real uses of every command, in an order in which each finds what those before it made.

`test_no_network.py` runs them in one folder and refuses connections; it also fails if a command is missing.
`{repository}` is the root of the repository; everything else is relative to the folder.
"""

COMMAND_LINES: tuple[str, ...] = (
    "config check {repository}/configs/default.yaml",
    "config show --describe",
    "config schema",
)
