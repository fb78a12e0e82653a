-- Removes consumers from the group that have nothing pending, have been idle for so long, and are not live. A consumer
-- is judged and removed in one step: entries cannot be delivered to it in between, which would be lost with it.
-- KEYS: stream. ARGV: group, least idle ms, number to remove at most (-1: none is removed, all are named),
-- live names.
-- Reply: {{removed names}, {name, 'live' or 'pending' or 'idle', pending, idle ms} of each that is kept}.
local group, idle_min, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local is_live = {}
for i = 4, #ARGV do
    is_live[ARGV[i]] = true
end

local function why_kept(row)
    if is_live[row['name']] then
        return 'live'
    elseif row['pending'] > 0 then
        return 'pending'
    elseif row['idle'] < idle_min then
        return 'idle'
    end
end

local removed, kept = {}, {}
for _, row in ipairs(consumers_of(KEYS[1], group)) do
    local why = why_kept(row)
    if why then
        kept[#kept + 1] = {row['name'], why, row['pending'], row['idle']}
    elseif most < 0 or #removed < most then
        if most >= 0 then
            redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, row['name'])
        end
        removed[#removed + 1] = row['name']
    end
end
return {removed, kept}
