-- Removes a note where it says what is expected.
-- KEYS: note; ARGV: text

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
