"""One life of the service: its start, its rings of tasks, its drain, and the hand-over at its end."""
