-- Gives an intent back.
-- KEYS: claim, twins (or claim again), conversation (or claim again), unsent (or claim again)
-- ARGV: holder, action, the claim's own part of its name

local known = redis.call('HMGET', KEYS[1], 'holder', 'phase', 'is_counted')
if known[1] ~= ARGV[1] or known[2] == 'ended' then return 0 end
redis.call('DEL', KEYS[1])
redis.call('LREM', KEYS[2], 0, ARGV[3])
redis.call('HDEL', KEYS[4], ARGV[3])
if known[3] == '1' and KEYS[3] ~= KEYS[1] then uncount(KEYS[3], ARGV[2]) end
return 1
