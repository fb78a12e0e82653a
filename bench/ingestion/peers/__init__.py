"""Services that do what tcp-ingestion does, in other languages."""
