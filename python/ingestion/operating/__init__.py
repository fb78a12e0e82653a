"""What operators ask of running instances, a use case a module; the command line is above it."""
