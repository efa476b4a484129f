-- Appends a turn to a conversation that is there; says whether it is there. Done twice, it appends once.
-- KEYS: conversation, concealed, stream, turns
-- ARGV: what tells the turn from every other (16 hexadecimal digits), its text, most turns, most bytes of all texts
--
-- turns: list of '<what tells it from every other>:<text>', the oldest first; what the texts take is '@turn_bytes' of the
--   conversation, without which the list is of a former one, which an older Callgate has forgotten

local ttl = redis.call('HGET', KEYS[1], '@ttl')
if not ttl then return 0 end

local bytes = redis.call('HGET', KEYS[1], '@turn_bytes')
if not bytes then redis.call('DEL', KEYS[4]) end
local count = redis.call('LLEN', KEYS[4])
bytes = count > 0 and tonumber(bytes) or 0

local turn = ARGV[1] .. ':' .. ARGV[2]
if not redis.call('LPOS', KEYS[4], turn, 'RANK', -1) then
  count = redis.call('RPUSH', KEYS[4], turn)
  bytes = bytes + #ARGV[2]
  while count > tonumber(ARGV[3]) or bytes > tonumber(ARGV[4]) do
    bytes = bytes - (#redis.call('LPOP', KEYS[4]) - #ARGV[1] - 1)
    count = count - 1
  end
  redis.call('HSET', KEYS[1], '@turn_bytes', whole(bytes))
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ttl) end
return 1
