-- Nobody was told the result. KEYS: claim
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'is_orphan', '1') end
return 1
