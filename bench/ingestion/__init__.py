"""The fourth comparison: frames of many devices to a stream and answers, beside services of other languages."""
