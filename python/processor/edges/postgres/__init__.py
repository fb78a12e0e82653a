"""PostgreSQL under Trio: the only importer of psycopg, whose generators Trio drives.

A session has the settings that it asks for, whatever the role or the database say, and no transaction stays open
while anything but the server is awaited.
"""
