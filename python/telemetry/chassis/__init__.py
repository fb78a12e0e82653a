"""What a service is built on, whatever it does: its life and end, its settings, log, endpoints and crash dumps."""
