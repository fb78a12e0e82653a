-- Removes what is recorded of entries that are not pending any more.
-- KEYS: stream, attempts. ARGV: group, ids.
-- Reply: {those that are pending}.
local pending = {}
for i = 2, #ARGV do
    -- What is no entry's id is asked for as none: Redis would refuse it.
    local is_id = string.match(ARGV[i], '^%d+%-%d+$')
    if is_id and pending_row(KEYS[1], ARGV[1], ARGV[i]) then
        pending[#pending + 1] = ARGV[i]
    else
        redis.call('HDEL', KEYS[2], ARGV[i])
    end
end
return pending
