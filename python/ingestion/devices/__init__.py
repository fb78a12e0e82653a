"""Which devices are known: a set of IMEIs in Redis, read again now and then."""
