"""The frame of every service: process, rings of tasks and their end, settings, log, endpoints and crash dumps.

A service brings its tasks and its own sections, facts and settings; nothing here imports a service.
"""
