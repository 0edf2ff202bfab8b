"""The control API: a live run seen and ordered about over HTTP, and the client that `papertape ctl` uses."""
