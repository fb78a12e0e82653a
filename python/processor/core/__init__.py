"""Decisions, and nothing else: no await, no clock, no I/O, and no import of this package from outside the core.

A function here takes what is known and returns what to do; whoever calls it does the waiting. So each rule is
tested as a table, and by Hypothesis, without a server or an event loop.
"""
