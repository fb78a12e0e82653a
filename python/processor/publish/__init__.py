"""Replays captured Teltonika traffic into the stream as tcp-ingestion would."""
