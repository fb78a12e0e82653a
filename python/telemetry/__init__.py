"""What every service of the telemetry plane stands on. It imports no service."""
