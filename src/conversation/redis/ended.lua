-- What became of a call. KEYS: claim
local known = redis.call('HMGET', KEYS[1], 'phase', 'result', 'lease', 'is_write')
if not known[1] then return {'free'} end
if known[1] == 'ended' then return {'settled', known[2]} end
if tonumber(known[3]) > now() then return {'under_way'} end
if known[1] == 'sending' and known[4] == '1' then return {'lost'} end
return {'free'}
