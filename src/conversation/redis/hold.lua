-- Says that the holder lives: 'sending' also marks that the first byte is about to go.
-- KEYS: claim; ARGV: holder, lease, 'sending' or 'renew'. Gives 1, or 0 where the claim is another's.

local known = redis.call('HMGET', KEYS[1], 'holder', 'phase')
if known[1] ~= ARGV[1] or known[2] == 'ended' then return 0 end
redis.call('HSET', KEYS[1], 'lease', whole(now() + ARGV[2]))
if ARGV[3] == 'sending' then redis.call('HSET', KEYS[1], 'phase', 'sending') end
return 1
