"""The long-lived tasks, one file each, and the parts that they share.

A task is given all that it touches, edges as ports, and starts no other task. Its docstring says what it owns, when it
stops, what is lost if it is cancelled and who recovers that, and what it raises. It retries what a server can mend;
every other error ends the process.
"""
