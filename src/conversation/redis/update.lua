-- KEYS: conversation, concealed, stream, turns; ARGV: change, limits
return apply(KEYS[1], KEYS[2], KEYS[3], KEYS[4], cjson.decode(ARGV[1]), cjson.decode(ARGV[2]))
