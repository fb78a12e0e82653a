"""What the service says of itself: each fact is reported once, and is counted, logged, or both."""
