// A real OAuth 2.0 server (oidc-provider) with the client credentials grant,
// and a protected resource that takes its tokens, on a free port of 127.0.0.1.
//
//   node oidc_server.mjs <install dir> [token lifetime in seconds, 600]
//
// Prints `listening <port>`; exits when stdin closes.
//
//   POST /token              the token endpoint
//   POST /token/introspection
//   GET  /orders             needs a live token with the scope orders.read
//   POST /orders             … orders.write; answers with what it was sent
//   any  /refuses            401 to every token, which it prints in its answer
//   GET  /_last-bearer       the token that /orders or /refuses saw last
//   GET  /_stats             what has been asked for so far
//   POST /_revoke-all        every token issued so far is dead
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [installDir, lifetime = '600'] = process.argv.slice(2);
const ttl = Number(lifetime);
if (!installDir || !(ttl > 0)) {
  console.error('usage: node oidc_server.mjs <install dir> [token lifetime in seconds]');
  process.exit(2);
}

// oidc-provider says at import that it prefers Node.js 22; it works on 18 and 20.
const { warn } = console;
console.warn = () => {};
const { resolve: find } = createRequire(`${resolve(installDir)}/`);
const load = (name) => import(pathToFileURL(find(name)));
const { Provider, errors } = await load('oidc-provider');
const { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } = await load('jose');
console.warn = warn;

// --- what the server remembers ---------------------------------------------

const stats = {
  token_requests: 0,
  token_failures: 0,
  tokens_issued: 0,
  resource_requests: 0,
  resource_accepted: 0,
  resource_unauthorized: 0,
  resource_forbidden: 0,
  last_token_request: null,
};

/** Tokens and clients by model and id; no more than the provider asks of a store. */
const store = new Map();
class Store {
  constructor(model) {
    this.model = model;
  }

  async upsert(id, payload) {
    store.set(`${this.model}:${id}`, payload);
  }

  async find(id) {
    return store.get(`${this.model}:${id}`);
  }

  async destroy(id) {
    store.delete(`${this.model}:${id}`);
  }
}

/** How many opaque tokens have not expired. */
function alive() {
  const tokens = [...store].filter(([key]) => key.startsWith('ClientCredentials:'));
  return tokens.filter(([, payload]) => payload.exp * 1000 > Date.now()).length;
}

let lastBearer = null;

/** JWT access tokens are in no store: the ids of those not revoked. */
const liveJwts = new Set();

// --- the provider -------------------------------------------------------------

const clients = [
  {
    client_id: 'callgate-header',
    // Each of these characters is one that RFC 6749 section 2.3.1 has encoded
    // before the pair goes into the Basic header.
    client_secret: 'header secret:with+odd%chars/&=~',
    token_endpoint_auth_method: 'client_secret_basic',
  },
  {
    client_id: 'callgate-body',
    client_secret: 'body secret:with+odd%chars/&=~',
    token_endpoint_auth_method: 'client_secret_post',
  },
].map((client) => ({
  ...client,
  grant_types: ['client_credentials'],
  response_types: [],
  redirect_uris: [],
  scope: 'orders.read orders.write',
}));

const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
const signingKey = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'test' };
const verifyingKeys = createLocalJWKSet({
  keys: [{ ...(await exportJWK(publicKey)), alg: 'RS256', use: 'sig', kid: 'test' }],
});

/** Asked for with `resource=`; the tokens for it are JWTs. All others are opaque. */
const jwtResource = 'urn:callgate:test:orders';

function configuration() {
  return {
    adapter: Store,
    clients,
    jwks: { keys: [signingKey] },
    scopes: ['openid', 'orders.read', 'orders.write'],
    ttl: { ClientCredentials: ttl },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_ctx, resource) => {
          if (resource !== jwtResource) throw new errors.InvalidTarget();
          return {
            scope: 'orders.read orders.write',
            audience: jwtResource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: ttl,
          };
        },
      },
    },
  };
}

// --- the protected resource ------------------------------------------------

/** The token's scopes, or null where the token is not (or no longer) good. */
async function scopesOf(provider, issuer, token) {
  const opaque = await provider.ClientCredentials.find(token);
  if (opaque) return opaque.isExpired ? null : opaque.scope ?? '';
  try {
    const { payload } = await jwtVerify(token, verifyingKeys, { issuer, audience: jwtResource });
    return liveJwts.has(payload.jti) ? payload.scope ?? '' : null;
  } catch {
    return null;
  }
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function bearer(request) {
  const [scheme, token] = (request.headers.authorization ?? '').split(' ');
  lastBearer = scheme === 'Bearer' && token ? token : null;
  return lastBearer;
}

function unauthorized(response, token) {
  stats.resource_unauthorized += 1;
  const challenge = token ? 'Bearer error="invalid_token"' : 'Bearer';
  answer(response, 401, { error: 'invalid_token', token }, { 'www-authenticate': challenge });
}

async function orders(provider, issuer, request, response) {
  stats.resource_requests += 1;
  const body = await read(request);
  const token = bearer(request);
  const live = token ? await scopesOf(provider, issuer, token) : null;
  if (live === null) {
    unauthorized(response, token);
    return;
  }
  const needed = request.method === 'POST' ? 'orders.write' : 'orders.read';
  const scopes = live.split(' ');
  if (!scopes.includes(needed)) {
    stats.resource_forbidden += 1;
    answer(response, 403, { error: 'insufficient_scope', scope: needed });
    return;
  }
  stats.resource_accepted += 1;
  if (request.method === 'POST') {
    answer(response, 201, { id: `ord_${stats.resource_accepted}`, received: JSON.parse(body) });
  } else {
    answer(response, 200, { orders: [{ id: 'ord_1', status: 'shipped' }], scopes });
  }
}

// --- the port ---------------------------------------------------------------------

let handle = (_request, response) => answer(response, 503, { error: 'starting' });
const server = createServer((request, response) => {
  Promise.resolve(handle(request, response)).catch((error) => {
    console.error(error);
    if (!response.headersSent) answer(response, 500, { error: 'server_error' });
  });
});
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const { port } = server.address();

// The issuer has the port in it, so the provider comes after the listener.
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, configuration());
provider.use(async (ctx, next) => {
  if (ctx.path !== '/token') return next();
  stats.token_requests += 1;
  await next();
  const form = ctx.oidc?.body ?? {};
  // Of what is secret only the names: a test may print this.
  stats.last_token_request = {
    authorization: ctx.get('authorization').split(' ')[0] || null,
    content_type: ctx.get('content-type') || null,
    accept: ctx.get('accept') || null,
    grant_type: form.grant_type ?? null,
    scope: form.scope ?? null,
    resource: form.resource ?? null,
    parameters: Object.keys(form).sort(),
    status: ctx.status,
  };
  const token = ctx.oidc?.entities.ClientCredentials;
  if (ctx.status !== 200 || !token) {
    stats.token_failures += 1;
    return undefined;
  }
  stats.tokens_issued += 1;
  if (token.resourceServer) liveJwts.add(token.jti);
  return undefined;
});
const oauth = provider.callback();

handle = async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  const route = `${request.method} ${pathname}`;
  if (route === 'GET /orders' || route === 'POST /orders') {
    return orders(provider, issuer, request, response);
  }
  if (pathname === '/refuses') {
    stats.resource_requests += 1;
    return unauthorized(response, bearer(request));
  }
  if (route === 'GET /_last-bearer') return answer(response, 200, { token: lastBearer });
  if (route === 'GET /_stats') return answer(response, 200, { ...stats, tokens_alive: alive() });
  if (route === 'POST /_revoke-all') {
    const revoked = store.size + liveJwts.size;
    store.clear();
    liveJwts.clear();
    return answer(response, 200, { revoked });
  }
  return oauth(request, response);
};

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
console.log(`listening ${port}`);
