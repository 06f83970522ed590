// AIAgentCore: register, log in, refresh, who am I; company tokens; and that no company sees another.

import assert from 'node:assert/strict';

import { check } from '../node/check.js';
import { ask, bearer, Dashboard, open, PASSWORD, register } from '../node/company.js';

const site = await open({ '/api/agents': [{ id: 7 }] });
const post = (path, body, headers = {}) =>
  ask(`${site.url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const account = await check('POST /api/auth/register: 201 with user and company', async () => {
  const { status, body } = await post('/api/auth/register', { email: 'ada-agents@example.com', password: PASSWORD, companyName: 'Acme Corp' });
  assert.equal(status, 201);
  assert.match(body.user.id, UUID);
  assert.equal(body.user.email, 'ada-agents@example.com');
  assert.ok(Number.isInteger(body.company.id));
  assert.match(body.company.companyId, UUID);
  assert.equal(body.company.companyName, 'Acme Corp');
  return { ...body, email: body.user.email, password: PASSWORD };
});

const session = await check('POST /api/auth/login: a session, and the company of the user', async () => {
  const { status, body } = await post('/api/auth/login', { email: account.email, password: PASSWORD });
  assert.equal(status, 200);
  assert.match(body.session.access_token, /^eyJ/);
  assert.match(body.session.refresh_token, /^v1\./);
  assert.ok(body.session.expires_at > Date.now() / 1000);
  assert.deepEqual(body.user, { ...account.user, companyId: account.company.id });
  return body.session;
});

const refreshed = await check('POST /api/auth/refresh: a new session without the password', async () => {
  const { status, body } = await post('/api/auth/refresh', { refresh_token: session.refresh_token });
  assert.equal(status, 200);
  assert.notEqual(body.session.refresh_token, session.refresh_token);
  return body.session;
});

await check('GET /api/auth/me: user and company', async () => {
  const { status, body } = await ask(`${site.url}/api/auth/me`, { headers: bearer(refreshed.access_token) });
  assert.equal(status, 200);
  assert.deepEqual(body.user, { ...account.user, companyId: account.company.id, isSuperadmin: false });
  assert.match(body.company.createdAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.deepEqual({ ...body.company, createdAt: undefined }, { ...account.company, createdAt: undefined });
});

await check('the documented errors have their codes and their shape', async () => {
  const wrong = await post('/api/auth/login', { email: account.email, password: 'not-this-one' });
  assert.deepEqual([wrong.status, wrong.body], [401, { error: { code: 'INVALID_CREDENTIALS', message: 'Invalid email or password' } }]);
  const expired = await post('/api/auth/refresh', { refresh_token: 'v1.new-refresh-token' });
  assert.deepEqual([expired.status, expired.body.error.code], [401, 'REFRESH_FAILED']);
  // The page says 500; a conflict is none of the server's errors.
  const taken = await post('/api/auth/register', { email: account.email, password: PASSWORD, companyName: 'Again' });
  assert.deepEqual([taken.status, taken.body.error.code], [409, 'USER_CREATION_FAILED']);
});

await check('a new company begins with 5 dollars of credit', async () => {
  const { status, body } = await ask(`${site.url}/v1/organization`, { headers: bearer(refreshed.access_token) });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.credits.balance_cents, 500);
});

const dashboard = await Dashboard.signIn(account);
const token = await dashboard.makeKey('Server', ['read', 'admin']);

await check('a company token and a session both open GET /api/agents', async () => {
  for (const credential of [token, refreshed.access_token]) {
    const { status, body } = await ask(`${site.url}/api/agents`, { headers: bearer(credential) });
    assert.deepEqual([status, body], [200, [{ id: 7 }]]);
  }
  assert.equal((await ask(`${site.url}/api/agents`)).status, 401);
});

await check('no company sees or touches what another has', async () => {
  const eve = await register(site, 'eve-agents', 'Eve Corp');
  const foreign = await (await Dashboard.signIn(eve)).makeKey('Foreign', ['admin']);
  const own = await ask(`${site.url}/v1/api-keys`, { headers: bearer(token) });
  const seen = await ask(`${site.url}/v1/api-keys`, { headers: bearer(foreign) });
  assert.equal(seen.body.data.length, 1);
  for (const { id } of own.body.data) {
    assert.ok(!JSON.stringify(seen.body).includes(id));
    for (const method of ['GET', 'DELETE']) {
      const { status } = await ask(`${site.url}/v1/api-keys/${id}`, { method, headers: bearer(foreign) });
      assert.equal(status, 404);
    }
  }
  const members = await ask(`${site.url}/v1/organization/members`, { headers: bearer(foreign) });
  assert.deepEqual(members.body.data.map((member) => member.user.email), [eve.email]);
});

await check('after logging out both tokens of the session are dead', async () => {
  const answer = await fetch(`${site.url}/api/auth/logout`, { method: 'POST', headers: bearer(refreshed.access_token) });
  assert.equal(answer.status, 204);
  assert.equal((await ask(`${site.url}/api/auth/me`, { headers: bearer(refreshed.access_token) })).status, 401);
  assert.equal((await post('/api/auth/refresh', { refresh_token: refreshed.refresh_token })).status, 401);
});

await site.close();
