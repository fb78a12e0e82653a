"""The fifth comparison: records at an everyday pace, from XADD to commit, beside services of other languages."""
