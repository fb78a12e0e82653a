"""Pure decisions: nothing here waits, reads a clock or knows of tasks."""
