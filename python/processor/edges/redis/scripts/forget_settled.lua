-- Removes what is recorded of entries that are not pending any more.
-- KEYS: stream, attempts. ARGV: group, ids.
-- Reply: how many of them were removed.
local removed = 0
for i = 2, #ARGV do
    -- What is no entry's id is asked for as none: Redis would refuse it.
    local is_id = string.match(ARGV[i], '^%d+%-%d+$')
    if not (is_id and pending_row(KEYS[1], ARGV[1], ARGV[i])) then
        removed = removed + redis.call('HDEL', KEYS[2], ARGV[i])
    end
end
return removed
