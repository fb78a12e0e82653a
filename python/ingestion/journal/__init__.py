"""What the service reports of itself: each fact is reported once, and is counted, logged, or both."""

SERVICE = "tcp-ingestion"
"""The service's name in its log and its panic dumps."""
