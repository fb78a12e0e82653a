"""Replays captured Teltonika traffic into the stream as tcp-ingestion would.

A tool beside the service: it shares the codec and the form of an entry with it, and no connection.
"""
