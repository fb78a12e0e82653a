-- Removes the recorded attempts of entries that are no longer pending.
-- KEYS: stream, attempts. ARGV: group, ids.
-- Reply: {ids that are pending}.
local pending = {}
for i = 2, #ARGV do
    -- Redis would refuse a field that is not an entry's id.
    local is_id = string.match(ARGV[i], '^%d+%-%d+$')
    if is_id and pending_row(KEYS[1], ARGV[1], ARGV[i]) then
        pending[#pending + 1] = ARGV[i]
    else
        redis.call('HDEL', KEYS[2], ARGV[i])
    end
end
return pending
