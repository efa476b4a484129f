-- Forgets a conversation with all that belongs to it; says whether it was there.
-- KEYS: conversation, concealed, stream, turns, unsent

local was_there = redis.call('EXISTS', KEYS[1])
redis.call('UNLINK', unpack(KEYS))
return was_there
