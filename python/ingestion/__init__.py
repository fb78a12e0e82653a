"""tcp-ingestion: from devices' sockets to the stream. Not built yet."""
