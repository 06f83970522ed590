-- Counts one request in both windows, or in none.
--
-- KEYS: the hour's and the minute's hash, named after the beginning of their window.
-- ARGV: for the hour and the minute each: the limit, what the node knows to be used, and the seconds to live.
-- Returns what is used of the hour and of the minute, whether the request is allowed, and whether it is the first
-- refused one.

local limit = { tonumber(ARGV[1]), tonumber(ARGV[4]) }
local known = { tonumber(ARGV[2]), tonumber(ARGV[5]) }
local seconds = { ARGV[3], ARGV[6] }

local used = {}
for window, key in ipairs(KEYS) do
    used[window] = math.max(tonumber(redis.call('HGET', key, 'used') or 0), known[window])
end

if used[1] < limit[1] and used[2] < limit[2] then
    for window, key in ipairs(KEYS) do
        used[window] = used[window] + 1
        -- Set for the first time: from now on the key has its time to live.
        if redis.call('HSET', key, 'used', used[window]) == 1 then
            redis.call('EXPIRE', key, seconds[window])
        end
    end
    return { used[1], used[2], 1, 0 }
end

local refusing = used[1] >= limit[1] and 1 or 2
local is_first = redis.call('HSETNX', KEYS[refusing], 'refused', 1)
if is_first == 1 then
    redis.call('EXPIRE', KEYS[refusing], seconds[refusing])
end
return { used[1], used[2], 0, is_first }
