// AImyChats: API keys with scopes, OAuth 2.0 for plan pro without PKCE as its page shows it, limits by plan with
// headers, HTTPS only, IP whitelisting, and GET /v1/auth/test.

import assert from 'node:assert/strict';

import { check } from '../node/check.js';
import { ask, bearer, Dashboard, open, PASSWORD, putOnPlan, register, withinAMinute } from '../node/company.js';
import { ISSUER } from '../node/check.js';
import { Person } from '../node/person.js';

const site = await open({ '/v1/conversations': [{ id: 1 }] });
const ada = await register(site, 'ada-chats', 'Ada Chats');
await putOnPlan(ada.company.companyId, 'pro');
const dashboard = await Dashboard.signIn(ada);

const conversations = (key, method = 'GET') =>
  ask(`${site.url}/v1/conversations`, { method, headers: { ...bearer(key), 'content-type': 'application/json' } });

const key = await check('Settings → API → a key: GET /v1/conversations', async () => {
  const made = await dashboard.makeKey('Support desk', ['read', 'write']);
  const { status, body } = await conversations(made);
  assert.equal(status, 200);
  assert.deepEqual(body, [{ id: 1 }]);
  return made;
});

await check('each scope opens its methods, and admin all of them', async () => {
  const opens = {
    read: { GET: 200, POST: 403, PATCH: 403, DELETE: 403 },
    write: { GET: 403, POST: 200, PATCH: 200, DELETE: 403 },
    delete: { GET: 403, POST: 403, PATCH: 403, DELETE: 200 },
    admin: { GET: 200, POST: 200, PATCH: 200, DELETE: 200 },
  };
  for (const [scope, methods] of Object.entries(opens)) {
    const made = await dashboard.makeKey(`Only ${scope}`, [scope]);
    for (const [method, expected] of Object.entries(methods)) {
      const { status, body } = await conversations(made, method);
      assert.equal(status, expected, `${scope} ${method}`);
      if (expected === 403) assert.equal(body.error.code, 'forbidden');
    }
  }
});

await check('OAuth 2.0 as the page shows it: authorize, exchange with client_secret in the body, call', async () => {
  const admin = await dashboard.makeKey('Registers the app', ['admin']);
  const redirectUri = 'https://chat.example/callback';
  const client = await ask(`${site.url}/v1/clients`, {
    method: 'POST',
    headers: { ...bearer(admin), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Chat app', type: 'confidential', redirect_uris: [redirectUri], scopes: ['read', 'write'], require_pkce: false }),
  });
  assert.equal(client.status, 201, JSON.stringify(client.body));
  const { client_id: clientId, client_secret: clientSecret } = client.body;

  const authUrl = `${ISSUER}/oauth/authorize?` +
    `client_id=${clientId}&redirect_uri=${encodeURIComponent(redirectUri)}&response_type=code&scope=read write`;
  const returned = await new Person({ email: ada.email, password: PASSWORD }).authorize(authUrl, { callback: redirectUri });
  const code = new URL(returned).searchParams.get('code');
  assert.ok(code, returned);

  const tokens = await ask(`${site.url}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'authorization_code', code, client_id: clientId, client_secret: clientSecret, redirect_uri: redirectUri }),
  });
  assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  assert.ok(tokens.body.refresh_token);
  assert.equal((await conversations(tokens.body.access_token)).status, 200);
  assert.equal((await conversations(tokens.body.access_token, 'DELETE')).status, 403);
});

await check('the table of limits holds for every plan', async () => {
  const table = { free: [100, 10], starter: [500, 50], standard: [2000, 100], pro: [10000, 500] };
  for (const [plan, [hour, minute]] of Object.entries(table)) {
    const bob = await register(site, `bob-chats-${plan}`, `Bob ${plan}`);
    if (plan !== 'free') await putOnPlan(bob.company.companyId, plan);
    const made = await (await Dashboard.signIn(bob)).makeKey('Limits', ['read']);
    const { headers } = await conversations(made);
    assert.equal(headers.get('ratelimit-policy'), `"minute";q=${minute};w=60, "hour";q=${hour};w=3600`);
  }
});

await check('every answer has X-RateLimit-Limit, -Remaining and -Reset, which count down', async () => {
  await withinAMinute(5, async () => {
    const [first, second] = [await conversations(key), await conversations(key)];
    for (const { headers } of [first, second]) {
      for (const name of ['limit', 'remaining', 'reset']) assert.match(headers.get(`x-ratelimit-${name}`), /^\d+$/);
    }
    assert.equal(first.headers.get('x-ratelimit-remaining') - second.headers.get('x-ratelimit-remaining'), 1);
    const reset = Number(first.headers.get('x-ratelimit-reset'));
    assert.ok(reset > Date.now() / 1000 - 1 && reset <= Date.now() / 1000 + 3600);
  });
});

await check('over the limit: 429 with retry_after, and the documented loop gets through', async () => {
  const carl = await register(site, 'carl-chats', 'Carl Chats');
  const made = await (await Dashboard.signIn(carl)).makeKey('Loop', ['read']);
  await withinAMinute(10, async () => {
    for (let count = 0; count < 10; count++) assert.equal((await conversations(made)).status, 200);
    const { status, headers, body } = await conversations(made);
    assert.equal(status, 429);
    assert.equal(body.error.code, 'rate_limit_exceeded');
    assert.equal(body.error.message, 'Rate limit exceeded. Please try again later.');
    assert.equal(body.error.retry_after, Number(headers.get('retry-after')));
  });
});

await check('a missing or invalid key is 401, in the documented words', async () => {
  for (const headers of [{}, bearer('YOUR_API_KEY')]) {
    const { status, body } = await ask(`${site.url}/v1/conversations`, { headers });
    assert.equal(status, 401);
    assert.deepEqual(body, { error: { code: 'unauthorized', message: 'Invalid or missing API key' } });
  }
});

await check('plain HTTP is refused', async () => {
  for (const path of ['/v1/conversations', '/v1/auth/test']) {
    const { status, body } = await ask(`${site.insecureUrl}${path}`, { headers: bearer(key) });
    assert.equal(status, 403, path);
    assert.deepEqual(body, { error: { code: 'insecure_connection', message: 'HTTPS required for API requests' } });
  }
});

await check('IP whitelisting: Settings → API → Security', async () => {
  const admin = { ...bearer(await dashboard.makeKey('Locks', ['admin'])), 'content-type': 'application/json' };
  const set = (body) => ask(`${ISSUER}/v1/organization/ip-allowlist`, { method: 'PUT', headers: admin, body: JSON.stringify(body) });
  assert.equal((await set({ enabled: true, cidrs: ['203.0.113.0/24', '2001:db8::/32'], force: true })).status, 200);
  const { status, body } = await conversations(key);
  assert.deepEqual([status, body.error.code], [403, 'ip_not_allowed']);
  const page = await dashboard.send('/settings/api/security', '/settings/api/security', { cidrs: '127.0.0.1\n::1', enabled: 'true' });
  assert.equal(page.status, 200, page.url);
  assert.equal((await conversations(key)).status, 200);
});

await check('GET /v1/auth/test answers as documented', async () => {
  const { status, body } = await ask(`${site.url}/v1/auth/test`, { headers: bearer(key) });
  assert.equal(status, 200);
  assert.equal(body.authenticated, true);
  assert.deepEqual(body.user, { id: ada.user.id, email: ada.email });
  assert.deepEqual(body.scopes, ['read', 'write']);
  for (const name of ['limit', 'remaining', 'reset']) assert.equal(typeof body.rate_limit[name], 'number');
});

await site.close();
