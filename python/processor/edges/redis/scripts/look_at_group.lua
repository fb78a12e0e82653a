-- Looks at the stream and a group, both in one moment; changes nothing.
-- KEYS: stream. ARGV: group.
-- Reply: {milliseconds of Redis' clock, stream or nil, group or nil}
-- stream: {length, entries ever added, last generated id, id of the first entry or nil}
-- group: {last delivered id, Redis' lag or nil, pending, id of the first entry to deliver or nil,
-- id of the oldest pending entry or nil}
local function first_id(from)
    local entry = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', 1)[1]
    return entry and entry[1] or false
end

local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
if redis.call('EXISTS', KEYS[1]) == 0 then
    return {now_ms, false, false}
end
local info = by_name(redis.call('XINFO', 'STREAM', KEYS[1]))
local stream = {info['length'], info['entries-added'], info['last-generated-id'], first_id('-')}
for _, list in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = by_name(list)
    if group['name'] == ARGV[1] then
        local delivered, pending = group['last-delivered-id'], group['pending']
        local oldest = pending > 0 and redis.call('XPENDING', KEYS[1], ARGV[1])[2]
        return {now_ms, stream, {delivered, group['lag'], pending, first_id('(' .. delivered), oldest}}
    end
end
return {now_ms, stream, false}
