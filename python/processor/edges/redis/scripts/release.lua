-- Lets go of what is still the consumer's: an entry that has been idle for so long is claimed by whoever
-- looks next. By JUSTID it is no delivery that counts.
-- KEYS: stream. ARGV: group, consumer, idle ms, ids.
-- Reply: {released ids}.
local ids = {}
for i = 4, #ARGV do
    ids[i - 3] = ARGV[i]
end
local released = lease(KEYS[1], ARGV[1], ARGV[2], ids, 'IDLE', ARGV[3])
return released
