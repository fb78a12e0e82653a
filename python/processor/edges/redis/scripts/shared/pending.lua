-- Shared: what Redis says of pending entries.

-- The reply of a command; `instead` where the group or the stream does not exist: nothing is pending
-- there. Raises every other error.
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

-- The row of XPENDING {id, owner, idle ms, deliveries} of one entry; nil if it is not pending, or not
-- the consumer's where one is given.
local function pending_row(stream, group, id, ...)
    return unless_no_group({}, 'XPENDING', stream, group, id, id, 1, ...)[1]
end

-- How often the entry of such a row was delivered, at most what a number of Lua holds exactly: XNACK FATAL
-- of later servers sets the highest count that there is, which would come back as a negative one.
local function deliveries_of(row)
    return math.min(row[4], 2 ^ 53)
end
