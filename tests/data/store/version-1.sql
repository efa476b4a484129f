-- A file of the first version, with what it may hold.
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL);
INSERT INTO schema_version VALUES (1, '2026-11-01T00:00:00.000Z');
CREATE TABLE conversations (
    environment  TEXT NOT NULL,
    id           TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ttl          INTEGER NOT NULL,
    ended_at     INTEGER,
    state        TEXT,
    variables    TEXT NOT NULL DEFAULT '{}', -- JSON: name -> {value, shown, source, sensitive, hidden, set_at_ms}
    bytes        INTEGER NOT NULL DEFAULT 0, -- of the variables
    calls        TEXT NOT NULL DEFAULT '{}', -- JSON: action -> {begun, succeeded}
    concealed    TEXT NOT NULL DEFAULT '[]', -- JSON: texts that models must not see
    newest_event INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, id)
) WITHOUT ROWID;
CREATE INDEX conversations_by_start ON conversations (environment, started_at, id);
CREATE INDEX conversations_by_expiry ON conversations (expires_at);

CREATE TABLE events (
    environment  TEXT NOT NULL,
    conversation TEXT NOT NULL,
    id           INTEGER NOT NULL,           -- counted from 1 in each conversation
    at           INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    data         TEXT NOT NULL,              -- JSON
    PRIMARY KEY (environment, conversation, id)
) WITHOUT ROWID;

CREATE TABLE claims (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    key          BLOB NOT NULL UNIQUE,       -- SHA-256 of the intent
    holder       INTEGER NOT NULL,
    environment  TEXT,
    conversation TEXT,
    action       TEXT NOT NULL,
    arguments    BLOB NOT NULL,              -- SHA-256
    twin         BLOB,                       -- the same write, whatever its id
    is_write     INTEGER NOT NULL,
    is_counted   INTEGER NOT NULL,           -- among the begun calls of the conversation
    is_orphan    INTEGER NOT NULL DEFAULT 0, -- nobody was told the result
    phase        TEXT NOT NULL CHECK (phase IN ('claimed', 'sending', 'ended', 'lost')),
    result       TEXT,                       -- JSON
    claimed_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    keep         INTEGER NOT NULL,
    twin_window  INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
);
CREATE INDEX claims_by_twin ON claims (twin, number) WHERE twin IS NOT NULL;
CREATE INDEX claims_by_expiry ON claims (expires_at);

INSERT INTO conversations (environment, id, started_at, expires_at, ttl, state, variables, bytes, calls, newest_event)
    VALUES ('development', 'c', 1796025801476, 7258118400000, 7200000, 'greeting',
    '{"customer.name":{"value":"Ann","shown":"Ann","source":"caller","set_at_ms":1796025801475}}', 18,
    '{"book":{"begun":3,"succeeded":1},"look":{"begun":1,"succeeded":0}}', 2);
INSERT INTO events VALUES ('development', 'c', 1, 1796025801476, 'conversation_started', '{"by":"caller","current_state":null}');
INSERT INTO events VALUES ('development', 'c', 2, 1796025801477, 'variable_set', '{"name":"customer.name","value":"Ann"}');
INSERT INTO claims (number, key, holder, environment, conversation, action, arguments, twin, is_write, is_counted, phase,
    result, claimed_at, ended_at, keep, twin_window, expires_at) VALUES
    (1, x'0101010101010101010101010101010101010101010101010101010101010101', 1, 'development', 'c', 'book', x'0000000000000000000000000000000000000000000000000000000000000000', NULL, 1, 1, 'ended',
    '{"tool_call_id":"call_1","name":"book","status":"success","status_code":200,"body":1,"variables":{},"error":null,"attempts":1,"duration_ms":9,"timestamp":"2026-11-30T08:03:21.497Z"}', 1796025801497, 1796025801507, 7200000, 30000, 7258118400000),
    (2, x'0202020202020202020202020202020202020202020202020202020202020202', 2, 'development', 'c', 'book', x'0000000000000000000000000000000000000000000000000000000000000000', NULL, 1, 1, 'claimed',
    NULL, 1796025801497, NULL, 7200000, 30000, 7258118400000),
    (3, x'0303030303030303030303030303030303030303030303030303030303030303', 3, 'development', 'c', 'look', x'0000000000000000000000000000000000000000000000000000000000000000', NULL, 0, 1, 'sending',
    NULL, 1796025801497, NULL, 7200000, 30000, 7258118400000),
    (4, x'0404040404040404040404040404040404040404040404040404040404040404', 4, 'development', 'c', 'book', x'0000000000000000000000000000000000000000000000000000000000000000', NULL, 1, 1, 'sending',
    NULL, 1796025801497, NULL, 7200000, 30000, 7258118400000);
