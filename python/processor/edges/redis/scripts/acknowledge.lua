-- Acknowledges entries, and removes the recorded attempts of some of them. Not a MULTI, which Redis refuses as
-- a whole while its memory is full, although either command frees some.
-- KEYS: stream, attempts. ARGV: group, number of ids to acknowledge, these ids; then the ids whose attempts go.
-- Reply: the number that were pending.
local acked = redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 3, 2 + ARGV[2]))
-- If this is refused, the XACK stands all the same: each sweep removes the attempts again, and reports it.
redis.pcall('HDEL', KEYS[2], unpack(ARGV, 3 + ARGV[2]))
return acked
