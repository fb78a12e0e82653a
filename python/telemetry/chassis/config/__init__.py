"""The means of any service to read its settings: a dataclass in which each field is a variable with its parser."""
