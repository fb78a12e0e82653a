"""Drills: the service is stopped, killed and cut off under load, and then judged by what the two servers hold.

A drill looks from outside alone: log lines, exit codes, the stream and the table, all as the contract has them.
"""
