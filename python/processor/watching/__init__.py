"""Tasks that watch Redis and PostgreSQL beside the work: metrics and readiness show what they see."""
