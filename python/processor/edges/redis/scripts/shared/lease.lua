-- Shared: renews the leases of those ids that are still the consumer's.

-- The ids that are the consumer's. XCLAIM does not check that: a process that was frozen would take its entries
-- back from the consumer that has claimed them since. If the ids are sorted, one XPENDING of their range
-- shows which are own; else each is looked up.
local function owned_among(stream, group, consumer, ids)
    local is_own, seen_max = {}, 2 * #ids
    local rows = unless_no_group({}, 'XPENDING', stream, group, ids[1], ids[#ids], seen_max, consumer)
    for _, row in ipairs(rows) do
        is_own[row[1]] = true
    end
    local own = {}
    for _, id in ipairs(ids) do
        if is_own[id] or (#rows == seen_max and pending_row(stream, group, id, consumer)) then
            own[#own + 1] = id
        end
    end
    return own
end

-- Returns {leased ids}, {lost ids}: XCLAIM removes entries that are no longer in the stream from the pending
-- list and leaves them out. Further arguments are options of XCLAIM.
local function renew_leases(stream, group, consumer, ids, ...)
    local own = #ids > 0 and owned_among(stream, group, consumer, ids) or {}
    if #own == 0 then
        return {}, {}
    end
    local claim = {'XCLAIM', stream, group, consumer, 0}
    for _, argument in ipairs(own) do
        claim[#claim + 1] = argument
    end
    for _, option in ipairs({...}) do
        claim[#claim + 1] = option
    end
    claim[#claim + 1] = 'JUSTID'
    local leased = redis.call(unpack(claim))
    local is_leased, lost = {}, {}
    for _, id in ipairs(leased) do
        is_leased[id] = true
    end
    for _, id in ipairs(own) do
        if not is_leased[id] then
            lost[#lost + 1] = id
        end
    end
    return leased, lost
end
