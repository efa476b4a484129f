-- Says that the holder lives: 'sending' also marks that the first byte is about to go.
-- KEYS: claim, and unsent where the claim stands in it; ARGV: holder, lease, 'sending' or 'renew', the claim's own part
-- Gives 1, or 0 where the claim is another's.

local known = redis.call('HMGET', KEYS[1], 'holder', 'phase')
if known[1] ~= ARGV[1] or known[2] == 'ended' then return 0 end
redis.call('HSET', KEYS[1], 'lease', whole(now() + ARGV[2]))
if ARGV[3] == 'sending' then
  redis.call('HSET', KEYS[1], 'phase', 'sending')
  if KEYS[2] then redis.call('HDEL', KEYS[2], ARGV[4]) end
end
return 1
