-- Takes entries off the pending list, and forgets what is recorded of some of them. No MULTI, which Redis
-- refuses as a whole while its memory is full, although either command frees some.
-- KEYS: stream, attempts. ARGV: group, how many ids are acknowledged, these ids; then the ids to be forgotten.
-- Reply: the number that were pending.
local acked = redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 3, 2 + ARGV[2]))
-- Where this is refused, the ack stands all the same: each sweep tries it again, and reports it.
redis.pcall('HDEL', KEYS[2], unpack(ARGV, 3 + ARGV[2]))
return acked
