"""The schema as operators see it: the table against the contract, and two databases' tables against each other."""
