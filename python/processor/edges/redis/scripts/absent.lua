-- Tells which entries are no longer in the stream; changes nothing.
-- KEYS: stream. ARGV: ids.
-- Reply: {absent ids}.
local absent = {}
for _, id in ipairs(ARGV) do
    if #redis.call('XRANGE', KEYS[1], id, id) == 0 then
        absent[#absent + 1] = id
    end
end
return absent
