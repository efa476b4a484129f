-- Begins a conversation if it is not there, and keeps it from expiring; or only looks.
-- KEYS: conversation, concealed, stream, turns, unsent
-- ARGV: ttl in ms, 'use' or 'look', the change that is made to it if it begins now (or ''), limits
-- Gives {is_new, ms to live, fields, concealed texts}, or {} where there is none.

local is_new = 0
if redis.call('EXISTS', KEYS[1]) == 0 then
  if ARGV[2] == 'look' then return {} end
  is_new = 1
  redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  redis.call('HSET', KEYS[1], '@started', whole(now()), '@ttl', ARGV[1], '@bytes', 0, '@events', 0)
  if ARGV[3] ~= '' then
    apply(KEYS[1], KEYS[2], KEYS[3], KEYS[4], cjson.decode(ARGV[3]), cjson.decode(ARGV[4]))
  end
end
if ARGV[2] == 'use' then
  local ttl = redis.call('HGET', KEYS[1], '@ttl')
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
end
return {is_new, redis.call('PTTL', KEYS[1]), redis.call('HGETALL', KEYS[1]), redis.call('ZREVRANGE', KEYS[2], 0, -1)}
