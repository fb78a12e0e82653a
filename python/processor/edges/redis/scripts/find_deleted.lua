-- Finds the entries that are no longer in the stream; changes nothing.
-- KEYS: stream. ARGV: ids.
-- Reply: {deleted ids}.
local deleted = {}
for _, id in ipairs(ARGV) do
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
        deleted[#deleted + 1] = id
    end
end
return deleted
