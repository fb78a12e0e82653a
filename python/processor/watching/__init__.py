"""Looks at both servers beside the work, so that nobody has to ask when something is wrong."""
