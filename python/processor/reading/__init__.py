"""From Redis into the process: new entries, those that others left behind, and suspects; all pass the intake."""
