"""From the process into the table: batches, the decision about each failed write, and what is kept of devices."""
