// nginx and Caddy, with the very files of `examples/`, in front of an API that has not a line of code about
// credentials. Everything that a caller may try is tried through each of them.

import assert from 'node:assert/strict';

import { check } from './check.js';
import { apiKey, bearer, call } from './proxies/caller.js';
import { Prover } from './proxies/prover.js';
import { Api, startCaddy, startNginx } from './proxies/world.js';
import { Database, LOOPBACK, Server, endWorld } from './world.js';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

const PATHS = ['/v1/contacts', '/v1/conversations', '/api/agents', '/v1/profile'];
const RATE = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'ratelimit-policy', 'ratelimit'];
const METHODS = {
  GET: 'read', HEAD: 'read', OPTIONS: 'read', POST: 'write', PUT: 'write', PATCH: 'write', DELETE: 'delete',
};

let database, server, api;
try {
  database = await Database.create();
  // The addresses of callers, which the proxies report, are others of 127.0.0.0/8.
  server = await Server.create(database, {
    COUNTERSIGN_TRUSTED_PROXIES: LOOPBACK,
    COUNTERSIGN_RESOURCES: 'https://api.example.com,https://localhost',
    COUNTERSIGN_DPOP_NONCES: 'everywhere',
  });
  api = await Api.create();
  for (const start of [startNginx, startCaddy]) await tryEverything(await start(server, api));
} finally {
  api?.end();
  await endWorld();
}

/** A call that must reach the API; what the API saw of it. */
async function passes(proxy, path, options) {
  const before = api.requests.length;
  const answer = await call(proxy, path, options);
  assert.equal(answer.status, 200, `${answer.status} ${answer.text}`);
  assert.equal(api.requests.length, before + 1, 'it reached the API once');
  for (const name of RATE) assert.ok(answer.headers[name], `the caller is told ${name}`);
  return { answer, seen: api.requests.at(-1) };
}

/** A call that must not; the caller is told so as if it had called Countersign itself. */
async function isRefused(proxy, path, status, code, options) {
  const before = api.requests.length;
  const answer = await call(proxy, path, options);
  assert.equal(answer.status, status, `${answer.status} ${answer.text}`);
  assert.equal(api.requests.length, before, 'it did not reach the API');
  if (options?.method === 'HEAD') return answer;
  assert.equal(answer.json?.error?.code, code, answer.text);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  return answer;
}

/** As Countersign tells it: status, body, and the headers that matter. */
async function isToldAsAtTheSource(answer, credential, method = 'GET', path = '/v1/auth/verify') {
  const source = await server.call(credential, method, path);
  assert.equal(answer.status, source.status);
  assert.deepEqual(answer.json, source.body);
  for (const name of ['www-authenticate', 'cache-control', 'x-ratelimit-limit', 'ratelimit-policy']) {
    assert.equal(answer.headers[name] ?? null, source.headers.get(name), name);
  }
}

async function tryEverything(proxy) {
  const { name } = proxy;
  const company = name.toLowerCase();
  const { organization, user, session } = await server.register(company);
  const key = server.key(organization, 'read', 'write');
  const admin = server.key(organization, 'admin');
  const client = server.command('client', 'create', '--organization', organization, '--name', 'Service', '--type', 'confidential',
    '--redirect-uri', 'https://app.example/callback', '--scope', 'read', '--scope', 'write', '--grant-type', 'client_credentials');
  const token = await clientToken(client, 'read');

  await check(`${name}: an API key, an OAuth token and a session pass to every path`, async () => {
    for (const path of PATHS) {
      for (const header of [bearer(key.key), apiKey(key.key), bearer(token), bearer(session)]) {
        await passes(proxy, path, { headers: [header] });
      }
    }
  });

  await check(`${name}: the API is told who is calling, and never the credential`, async () => {
    for (const [header, expected] of [
      [bearer(key.key), [key.id, 'read write', `api_key:${key.id}`]],
      [apiKey(key.key), [key.id, 'read write', `api_key:${key.id}`]],
      [bearer(token), [client.client_id, 'read', `client:${client.client_id}`]],
      [bearer(session), [user, 'read write delete admin', /^session:/]],
    ]) {
      const { seen } = await passes(proxy, '/v1/contacts?q=1', { headers: [header] });
      const [subject, scopes, credential] = expected;
      assert.equal(seen.headers['x-auth-subject'], subject);
      assert.equal(seen.headers['x-auth-organization'], organization);
      assert.equal(seen.headers['x-auth-scopes'], scopes);
      assert.match(seen.headers['x-auth-credential'], credential instanceof RegExp ? credential : new RegExp(`^${credential}$`));
      assert.equal(seen.headers.authorization, undefined);
      assert.equal(seen.headers['x-api-key'], undefined);
      assert.equal(seen.url, '/v1/contacts?q=1');
    }
  });

  await check(`${name}: each method takes its scope, and admin takes any`, async () => {
    for (const scope of ['read', 'write', 'delete', 'admin']) {
      const one = server.key(organization, scope);
      for (const [method, needed] of Object.entries(METHODS)) {
        const options = { method, headers: [bearer(one.key)] };
        if (scope === needed || scope === 'admin') {
          const { seen } = await passes(proxy, '/api/agents', options);
          assert.equal(seen.method, method);
        } else {
          const answer = await isRefused(proxy, '/api/agents', 403, 'forbidden', options);
          if (method !== 'HEAD') assert.match(answer.headers['www-authenticate'], new RegExp(`scope="${needed}"`));
        }
      }
      await (scope === 'admin' ? passes : (...all) => isRefused(...all.slice(0, 2), 403, 'forbidden', all[2]))(
        proxy, '/api/agents', { method: 'PROPFIND', headers: [bearer(one.key)] });
    }
  });

  await check(`${name}: a refusal reads as at Countersign itself`, async () => {
    await isToldAsAtTheSource(await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: [bearer('junk')] }), 'junk');
    const writer = server.key(organization, 'write');
    await isToldAsAtTheSource(await isRefused(proxy, '/v1/contacts', 403, 'forbidden', { headers: [bearer(writer.key)] }), writer.key);
    const stranger = await isRefused(proxy, '/v1/contacts', 401, 'unauthorized');
    assert.match(stranger.headers['www-authenticate'], /^Bearer resource_metadata="/);
    await isRefused(proxy, '/nothing/here', 401, 'unauthorized');
  });

  await check(`${name}: anybody is told what the API is, and by Countersign`, async () => {
    const before = api.requests.length;
    for (const headers of [[], [bearer('junk')], [['X-Forwarded-Host', 'evil.example']]]) {
      const answer = await call(proxy, WELL_KNOWN, { host: proxy.host, headers });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.resource, `https://${proxy.host}`);
      assert.deepEqual(answer.json.authorization_servers, [server.url]);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
    assert.equal((await call(proxy, `${WELL_KNOWN}/nothing`)).status, 404);
    assert.equal(api.requests.length, before, 'it did not reach the API');
  });

  await check(`${name}: a token that is bound to a key passes with a proof for the very request`, async () => {
    const prover = new Prover();
    const bound = await clientToken(client, 'read', prover);
    prover.nonce = undefined;
    const first = await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: prover.headers(proxy, bound, '/v1/contacts') });
    assert.match(first.headers['www-authenticate'], /^Bearer resource_metadata=.*DPoP error="use_dpop_nonce"/);
    prover.nonce = first.headers['dpop-nonce'];
    assert.ok(prover.nonce);

    const headers = prover.headers(proxy, bound, '/v1/contacts');
    const { seen, answer } = await passes(proxy, '/v1/contacts?q=1', { headers });
    assert.equal(seen.headers['x-auth-credential'], `client:${client.client_id}`);
    assert.equal(seen.headers.dpop, undefined);
    assert.equal(seen.headers['dpop-nonce'], undefined);
    assert.equal(seen.headers.authorization, undefined);
    assert.ok(answer.headers['dpop-nonce'], 'the caller is told the nonce for the next proof');

    const again = await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers });
    assert.match(again.headers['www-authenticate'], /DPoP error="invalid_dpop_proof"/);
    for (const bad of [
      [bearer(bound)],
      [['Authorization', `DPoP ${bound}`]],
      prover.headers(proxy, bound, '/v1/profile'),
      prover.headers(proxy, bound, '/v1/contacts', 'POST'),
      prover.headers({ host: 'evil.example', port: 443 }, bound, '/v1/contacts'),
      [...prover.headers({ host: 'evil.example', port: 443 }, bound, '/v1/contacts'), ['X-Forwarded-Host', 'evil.example']],
    ]) {
      await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: bad });
    }
  });

  await check(`${name}: whoever has no bound token is told no nonce`, async () => {
    const { answer } = await passes(proxy, '/v1/contacts', { headers: [bearer(token), ['DPoP-Nonce', 'forged']] });
    assert.equal(answer.headers['dpop-nonce'], undefined);
  });

  await check(`${name}: two credentials are refused`, async () => {
    for (const headers of [
      [bearer(key.key), apiKey(admin.key)],
      [apiKey(key.key), apiKey(admin.key)],
      [bearer(key.key), apiKey('junk')],
    ]) {
      await isRefused(proxy, '/v1/contacts', 400, 'bad_request', { headers });
    }
    const twice = await call(proxy, '/v1/contacts', { headers: [bearer(key.key), bearer(admin.key)] });
    assert.ok([400, 401].includes(twice.status), `${twice.status}`);
  });

  await check(`${name}: what a caller says of itself does not reach the API`, async () => {
    const forged = [
      ['X-Auth-Subject', 'root'], ['X-Auth-Organization', 'root'], ['X-Auth-Scopes', 'admin'], ['x-auth-credential', 'root'],
      ['X-Auth-Status', '200'], ['X-Auth-Error', '{}'], ['X-Auth-Subject', 'again'], ['X_Auth_Subject', 'root'],
      ['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-For', '6.6.6.6'], ['X-Forwarded-Proto', 'gopher'], ['Forwarded', 'for=6.6.6.6'],
      ['X-RateLimit-Remaining', '6666'], ['RateLimit', 'forged'],
    ];
    const { seen, answer } = await passes(proxy, '/v1/contacts', { headers: [bearer(key.key), ...forged] });
    for (const value of ['root', 'again', '{}', 'evil.example', 'gopher', '6.6.6.6']) {
      assert.ok(!seen.raw.some((text) => text.includes(value)), `${value} in ${seen.raw}`);
    }
    assert.equal(seen.headers['x-auth-subject'], key.id);
    assert.equal(seen.headers['x-auth-scopes'], 'read write');
    assert.equal(seen.headers['x-auth-status'], undefined);
    for (const told of [answer.headers['x-ratelimit-remaining'], answer.headers.ratelimit]) assert.doesNotMatch(told, /6666|forged/);
    await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: forged });
  });

  await check(`${name}: a caller cannot have the API's headers dropped as its connection's`, async () => {
    const connection = ['Connection', 'close, X-Auth-Subject, X-Auth-Scopes, X-Auth-Organization, X-Auth-Credential'];
    const { seen } = await passes(proxy, '/v1/contacts', { headers: [connection, bearer(key.key)] });
    assert.equal(seen.headers['x-auth-subject'], key.id);
    assert.equal(seen.headers['x-auth-scopes'], 'read write');
    const credential = ['Connection', 'close, X-Forwarded-Method, X-Forwarded-Uri, X-Forwarded-For'];
    await isRefused(proxy, '/v1/contacts', 403, 'forbidden', { method: 'DELETE', headers: [credential, bearer(key.key)] });
  });

  await check(`${name}: a caller cannot pretend another method`, async () => {
    for (const forged of ['X-Forwarded-Method', 'X-Original-Method', 'X-HTTP-Method-Override', 'X-Method-Override']) {
      await isRefused(proxy, '/v1/contacts', 403, 'forbidden', { method: 'DELETE', headers: [bearer(key.key), [forged, 'GET']] });
      await passes(proxy, '/v1/contacts', { headers: [bearer(key.key), [forged, 'DELETE'], ['X-Original-Uri', '/x'], ['X-Forwarded-Uri', '/y']] });
    }
  });

  await check(`${name}: a caller's query asks Countersign for nothing`, async () => {
    for (const query of ['scope=admin', 'scope=read', 'status=403', 'resource=x', 'nonsense']) {
      await passes(proxy, `/v1/contacts?${query}`, { headers: [bearer(key.key)] });
      await isRefused(proxy, `/v1/contacts?${query}&scope=read`, 403, 'forbidden', { method: 'DELETE', headers: [bearer(key.key)] });
    }
  });

  await check(`${name}: there is no way around by an odd path`, async () => {
    for (const path of ['//', '/../v1/contacts', '/%2e%2e/', '/.countersign', '/.countersign/', '/%2ecountersign', '/v1/auth/verify', '/a%00b', '/a?%']) {
      const before = api.requests.length;
      const answer = await call(proxy, path, { headers: [] });
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
      assert.equal(api.requests.length, before, `${path} reached the API`);
    }
  });

  await check(`${name}: a body reaches the API whole, and Countersign not at all`, async () => {
    const body = 'x'.repeat(5 * 1024 * 1024);
    const { seen } = await passes(proxy, '/v1/contacts', { method: 'POST', headers: [bearer(key.key)], body });
    assert.equal(seen.length, body.length);
  });

  await check(`${name}: a preflight has no credential and does not pass`, () =>
    isRefused(proxy, '/v1/contacts', 401, 'unauthorized', {
      method: 'OPTIONS',
      headers: [['Origin', 'https://app.example'], ['Access-Control-Request-Method', 'POST']],
    }));

  await check(`${name}: the API's own refusals and failures stay its own`, async () => {
    for (const status of [400, 401, 403, 404, 429, 500, 502, 503]) {
      const answer = await call(proxy, `/v1/contacts?answer=${status}`, { headers: [bearer(key.key)] });
      assert.equal(answer.status, status);
      assert.equal(answer.headers['x-api'], 'toy');
      assert.equal(answer.json.method, 'GET');
    }
  });

  await check(`${name}: a revoked key is refused with the next request`, async () => {
    const one = server.key(organization, 'read');
    await passes(proxy, '/v1/contacts', { headers: [bearer(one.key)] });
    assert.equal((await server.call(admin.key, 'DELETE', `/v1/api-keys/${one.id}`)).status, 204);
    await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: [bearer(one.key)] });
  });

  await check(`${name}: a session that has ended is refused with the next request`, async () => {
    const other = await server.register(`${company}-session`);
    await passes(proxy, '/v1/contacts', { headers: [bearer(other.session)] });
    assert.equal((await server.call(other.session, 'POST', '/api/auth/logout')).status, 204);
    await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: [bearer(other.session)] });
  });

  await check(`${name}: over the limit it is 429, with how long to wait`, async () => {
    const slow = await server.register(`${company}-slow`);
    database.query(`update organizations set plan = 'free' where id = '${slow.organization}'`);
    const one = server.key(slow.organization, 'read');
    // Ten a minute; a minute may begin in between.
    for (let count = 0; count < 20; count++) {
      if ((await call(proxy, '/v1/contacts', { headers: [bearer(one.key)] })).status !== 200) break;
    }
    const answer = await isRefused(proxy, '/v1/contacts', 429, 'rate_limit_exceeded', { headers: [bearer(one.key)] });
    assert.ok(answer.json.error.retry_after >= 1 && answer.json.error.retry_after <= 60);
    assert.equal(answer.headers['retry-after'], String(answer.json.error.retry_after));
    assert.equal(answer.headers['x-ratelimit-limit'], '10');
    assert.equal(answer.headers['x-ratelimit-remaining'], '0');
    assert.match(answer.headers.ratelimit, /^"minute";r=0;t=/);
  });

  await check(`${name}: the caller's own address counts, whatever it says`, async () => {
    const fenced = await server.register(`${company}-fenced`);
    const one = server.key(fenced.organization, 'read');
    const list = { enabled: true, cidrs: ['127.0.0.5', '127.0.1.0/24'], force: true };
    assert.equal((await server.call(fenced.session, 'PUT', '/v1/organization/ip-allowlist', list)).status, 200);
    for (const from of ['127.0.0.5', '127.0.1.77']) await passes(proxy, '/v1/contacts', { from, headers: [bearer(one.key)] });
    for (const forged of [[], ['X-Forwarded-For', '127.0.0.5'], ['X-Real-IP', '127.0.0.5'], ['Forwarded', 'for=127.0.0.5']]) {
      const headers = [bearer(one.key), ...(forged.length ? [forged] : [])];
      const answer = await isRefused(proxy, '/v1/contacts', 403, 'ip_not_allowed', { from: '127.0.0.6', headers });
      assert.match(answer.json.error.message, /127\.0\.0\.6/);
    }
    const log = await server.call(admin.key, 'GET', '/v1/access-log');
    assert.equal(log.status, 200);
  });

  await check(`${name}: a suspended organization is refused`, async () => {
    const bad = await server.register(`${company}-suspended`);
    const one = server.key(bad.organization, 'read');
    await passes(proxy, '/v1/contacts', { headers: [bearer(one.key)] });
    database.query(`update organizations set suspended_at = clock_timestamp() where id = '${bad.organization}'`);
    await isRefused(proxy, '/v1/contacts', 403, 'forbidden', { headers: [bearer(one.key)] });
  });

  await check(`${name}: used-up credits are 402`, async () => {
    const poor = await server.register(`${company}-poor`);
    const one = server.key(poor.organization, 'read');
    await passes(proxy, '/v1/contacts', { headers: [bearer(one.key)] });
    const debit = { amount_cents: 500, reason: 'calls' };
    const debited = await server.call(poor.session, 'POST', '/v1/organization/credits/debit', debit);
    assert.ok(debited.status < 300, JSON.stringify(debited.body));
    await isRefused(proxy, '/v1/contacts', 402, 'payment_required', { headers: [bearer(one.key)] });
  });

  if (proxy.plainPort) {
    await check(`${name}: over plain HTTP even a good key is refused`, () =>
      isRefused(proxy, '/v1/contacts', 403, 'insecure_connection', { plain: true, headers: [bearer(key.key)] }));
  }

  await check(`${name}: without the database nobody passes: 503`, async () => {
    await database.takeAway();
    try {
      for (const credential of [key.key, token, session]) {
        const answer = await isRefused(proxy, '/v1/contacts', 503, 'unavailable', { headers: [bearer(credential)] });
        assert.ok(Number(answer.headers['retry-after']) >= 1);
      }
      await isRefused(proxy, '/v1/contacts', 401, 'unauthorized', { headers: [bearer('sk_junk')] });
    } finally {
      await database.bringBack();
    }
    await passes(proxy, '/v1/contacts', { headers: [bearer(key.key)] });
  });

  await check(`${name}: without Countersign nobody passes: 503`, async () => {
    await server.takeAway();
    try {
      for (const headers of [[bearer(key.key)], [bearer('junk')], []]) {
        const answer = await isRefused(proxy, '/v1/contacts', 503, 'unavailable', { headers });
        assert.ok(Number(answer.headers['retry-after']) >= 1);
      }
    } finally {
      await server.bringBack();
    }
    await passes(proxy, '/v1/contacts', { headers: [bearer(key.key)] });
  });
}

/** Bound to the key of `prover`, if there is one. */
async function clientToken({ client_id, client_secret }, scope, prover) {
  const url = `${server.url}/oauth/token`;
  const ask = () => fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}`,
      ...prover && { dpop: prover.proof('POST', url) },
    },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  });
  let answer = await ask();
  if (prover) {
    assert.equal((await answer.json()).error, 'use_dpop_nonce');
    prover.nonce = answer.headers.get('dpop-nonce');
    answer = await ask();
  }
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body.access_token;
}
