"""The two servers as a drill sees them: asked directly, never through the service's own connections."""
