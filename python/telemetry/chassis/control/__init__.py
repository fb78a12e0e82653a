"""Requests to running instances of a service, over Redis Pub/Sub (contract section 10).

`messages` has their form, `asking` is the command's side, and `responder` the service's. What can be asked is the
service's own: it gives each request a name and an answer.
"""
