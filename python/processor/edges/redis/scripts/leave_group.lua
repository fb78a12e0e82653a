-- Deletes a consumer from the group, unless entries are pending under its name: they would be lost with it.
-- KEYS: stream. ARGV: group, consumer.
-- Reply: 1 if the group has no such consumer now, else 0.
local pending = unless_no_group(nil, 'XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if not pending then
    return 1
end
if #pending > 0 then
    return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
