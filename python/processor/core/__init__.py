"""Decisions, and nothing else: no await, no clock and no I/O. The core imports nothing else of this package.

A function here takes what is known and returns what to do. The caller does the waiting. So each rule is tested
as a table, and by Hypothesis, without a server or an event loop.
"""
