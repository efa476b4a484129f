-- Somebody was told the result that nobody was told before.
-- KEYS: claim, conversation (or claim again)

local known = redis.call('HMGET', KEYS[1], 'phase', 'is_orphan')
if known[1] == 'ended' and known[2] == '1' then
  local time = KEYS[2] ~= KEYS[1] and redis.call('HGET', KEYS[2], '@now') or '0'
  redis.call('HSET', KEYS[1], 'is_orphan', '0', 'ended_at_step', time)
end
return 1
