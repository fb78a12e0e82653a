"""Back to Redis: acknowledgements, recorded failures, leases, and the release at the end of a life."""
