-- Shared: what happens to an entry that has failed. `names` has the keys `stream`, `attempts`,
-- `dead_letters`, and `group`, `instance`, `now` (ISO-8601); a failure has `id`, `failed_at`, `stage`,
-- `code`, `error` and `sqlstate`.

-- Lua passes about 8,000 arguments to a command at most.
local ORIGINAL_FIELDS_MAX = 3500

-- Acknowledges an entry, and removes its recorded attempts.
local function settle(names, id)
    redis.call('XACK', names.stream, names.group, id)
    redis.call('HDEL', names.attempts, id)
end

-- The entry's fields as a flat list of names and values; nil if it is no longer in the stream.
local function fields_of(names, id)
    local entry = redis.call('XRANGE', names.stream, id, id)[1]
    return entry and entry[2]
end

local function count_failure(names, failure, recorded, n)
    local first = recorded.first_failed_at
    write_attempts(names.attempts, failure.id, {
        n = n, first_failed_at = first ~= '' and first or failure.failed_at,
        last_failed_at = failure.failed_at, code = failure.code,
    })
end

-- Copies the entry to the dead-letter stream and settles it. XADD comes first: if Redis refuses it, nothing has
-- happened and the entry stays pending. Nothing else runs in between, so that one entry leaves one dead letter.
local function make_dead_letter(names, failure, fields, deliveries, recorded, n)
    local letter, originals, replays = {'XADD', names.dead_letters, '*'}, 0, '0'
    for i = 1, #fields, 2 do
        if fields[i] == 'dlq_replays' then
            replays = fields[i + 1]
        else
            originals = originals + 1
            if originals <= ORIGINAL_FIELDS_MAX then
                letter[#letter + 1] = fields[i]
                letter[#letter + 1] = fields[i + 1]
            end
        end
    end
    local message, first = failure.error, recorded.first_failed_at
    if originals > ORIGINAL_FIELDS_MAX then
        message = string.format('%s (of its %d fields only the first %d are kept here)',
            message, originals, ORIGINAL_FIELDS_MAX)
    end
    for _, value in ipairs({
        'dlq_source_id', failure.id, 'dlq_stage', failure.stage, 'dlq_code', failure.code,
        'dlq_error', message, 'dlq_sqlstate', failure.sqlstate, 'dlq_attempts', n,
        'dlq_deliveries', deliveries, 'dlq_instance', names.instance,
        'dlq_first_failed_at', first ~= '' and first or failure.failed_at, 'dlq_dead_at', names.now,
        'dlq_replays', replays,
    }) do
        letter[#letter + 1] = value
    end
    redis.call(unpack(letter))
    settle(names, failure.id)
end
