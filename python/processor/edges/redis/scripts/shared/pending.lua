-- Shared: rows of the pending entries list.

-- The reply of a command; `instead` if the group or the stream does not exist, since nothing is pending then.
-- Raises every other error.
local function unless_no_group(instead, ...)
    local reply = redis.pcall(...)
    if type(reply) ~= 'table' or not reply.err then
        return reply
    end
    if string.sub(reply.err, 1, 7) == 'NOGROUP' then
        return instead
    end
    error(reply)
end

-- The row of XPENDING {id, owner, idle ms, deliveries} of one entry; nil if it is not pending, or not the
-- consumer's if one is given.
local function pending_row(stream, group, id, ...)
    return unless_no_group({}, 'XPENDING', stream, group, id, id, 1, ...)[1]
end

-- How often the entry of such a row was delivered, at most the largest number that Lua holds exactly: XNACK
-- FATAL of later servers sets the highest count there is, which would come back negative.
local function deliveries_of(row)
    return math.min(row[4], 2 ^ 53)
end
