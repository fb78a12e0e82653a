-- Counts a trial before it begins, so that the count stands if the process dies in it, and renews the lease.
-- An entry whose last allowed trial was not survived either becomes a dead letter instead.
-- KEYS: stream, attempts, dead letters.
-- ARGV: group, instance, now, most attempts, consumer; then id, stage, code and error of the failure that the
-- trial counts as until it ends.
-- Reply: {fate, attempts}.
local names = {
    stream = KEYS[1], attempts = KEYS[2], dead_letters = KEYS[3],
    group = ARGV[1], instance = ARGV[2], now = ARGV[3],
}
local attempts_max, consumer = tonumber(ARGV[4]), ARGV[5]
local failure = {
    id = ARGV[6], failed_at = names.now, stage = ARGV[7], code = ARGV[8], error = ARGV[9], sqlstate = '',
}

local leased, lost = renew_leases(names.stream, names.group, consumer, {failure.id})
if #lost > 0 then
    redis.call('HDEL', names.attempts, failure.id)
    return {'lost', 0}
end
if #leased == 0 then
    return {'taken_over', 0}
end
local recorded = read_attempts(names.attempts, failure.id)
if recorded.n >= attempts_max then
    local row = pending_row(names.stream, names.group, failure.id)
    make_dead_letter(names, failure, fields_of(names, failure.id), deliveries_of(row), recorded, recorded.n)
    return {'dead_lettered', recorded.n}
end
count_failure(names, failure, recorded, recorded.n + 1)
return {'left_pending', recorded.n + 1}
