"""Everything around the service that a developer runs: servers, the schema, the demo."""
