"""Programs that are timed, each a process of its own that does what it is told and says how long it took."""
