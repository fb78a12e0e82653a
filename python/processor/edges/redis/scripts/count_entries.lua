-- Counts the entries behind an id, here, so that none of them is sent; changes nothing.
-- KEYS: stream. ARGV: id, number of entries at most.
-- Reply: {number, id of the last one or nil}.
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
return {#entries, #entries > 0 and entries[#entries][1]}
