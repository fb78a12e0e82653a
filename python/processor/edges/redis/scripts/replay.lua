-- Puts dead letters back into the stream: the original fields under a new id, with `dlq_replays` one higher. Each
-- letter is in one of the two streams: nothing else runs in between, and if XADD is refused, nothing has happened.
-- KEYS: dead letters, stream.
-- ARGV: most replays, dry run ('1' or '0'), whether a payload follows ('1' or '0'), that payload or ''; then ids.
-- Reply: {id, word, detail} each: {'replayed', new id or ''}, {'missing', ''}, {'exhausted', replays},
-- {'too_many_fields', their number}, or {'refused', message}, behind which nothing was tried.
local dead_letters, stream = KEYS[1], KEYS[2]
local replays_max, dry_run = tonumber(ARGV[1]), ARGV[2] == '1'
local payload = ARGV[3] == '1' and ARGV[4] or nil

-- Lua passes about 8,000 arguments to a command at most.
local FIELDS_MAX = 3900
local SAID = {
    dlq_source_id = true, dlq_stage = true, dlq_code = true, dlq_error = true, dlq_sqlstate = true,
    dlq_attempts = true, dlq_deliveries = true, dlq_instance = true, dlq_first_failed_at = true,
    dlq_dead_at = true, dlq_replays = true,
}

-- Marks what is no original field, as parse_letter has it; also returns the number of replays.
-- One that cannot be read counts as none.
local function said_in(fields)
    local is_said, found, replays = {}, {}, 0
    for i = #fields - 1, 1, -2 do
        local name = fields[i]
        if SAID[name] and not found[name] then
            found[name], is_said[i] = true, true
            if name == 'dlq_replays' then
                replays = string.match(fields[i + 1], '^%d+$') and tonumber(fields[i + 1]) or 0
            end
        elseif name == 'dlq_replays' then
            is_said[i] = true
        end
    end
    return is_said, replays
end

local function entry_of(fields, is_said, replays)
    local entry, mended = {'XADD', stream, '*'}, not payload
    for i = 1, #fields, 2 do
        if not is_said[i] then
            local replaced = payload and fields[i] == 'payload'
            mended = mended or replaced
            entry[#entry + 1] = fields[i]
            entry[#entry + 1] = replaced and payload or fields[i + 1]
        end
    end
    if not mended then
        entry[#entry + 1] = 'payload'
        entry[#entry + 1] = payload
    end
    entry[#entry + 1] = 'dlq_replays'
    entry[#entry + 1] = string.format('%d', replays + 1)
    return entry
end

local function replay(id)
    local letter = redis.call('XRANGE', dead_letters, id, id)[1]
    if not letter then
        return {id, 'missing', ''}
    end
    local is_said, replays = said_in(letter[2])
    if replays >= replays_max then
        return {id, 'exhausted', string.format('%.0f', replays)}
    end
    if #letter[2] > 2 * FIELDS_MAX then
        return {id, 'too_many_fields', #letter[2] / 2}
    end
    if dry_run then
        return {id, 'replayed', ''}
    end
    -- Behind the XADD nothing may be refused: the letter would be there twice.
    if not redis.acl_check_cmd('XDEL', dead_letters, id) then
        return {id, 'refused', 'NOPERM this user may not run XDEL on ' .. dead_letters}
    end
    -- The server's own words for this differ, and do not name the command.
    if not redis.acl_check_cmd('XADD', stream, '*', 'payload', '') then
        return {id, 'refused', 'NOPERM this user may not run XADD on ' .. stream}
    end
    local added = redis.pcall(unpack(entry_of(letter[2], is_said, replays)))
    if type(added) == 'table' and added.err then
        return {id, 'refused', added.err}
    end
    redis.call('XDEL', dead_letters, id)
    return {id, 'replayed', added}
end

local reply = {}
for i = 5, #ARGV do
    reply[#reply + 1] = replay(ARGV[i])
    if reply[#reply][2] == 'refused' then
        break
    end
end
return reply
