// AI Connect OS: bearer tokens of one organization, X-API-Key, rotation without grace, 429 with Retry-After, one shape
// of error with stable codes, and webhooks signed in X-Stride-Signature.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { check } from '../node/check.js';
import { ask, bearer, Dashboard, open, putOnPlan, register, withinAMinute } from '../node/company.js';

const site = await open({ '/v1/contacts': [{ name: 'Ada' }] });
const ada = await register(site, 'ada-connect', 'Ada Connect');
const dashboard = await Dashboard.signIn(ada);

const contacts = (headers) => ask(`${site.url}/v1/contacts`, { headers });

const key = await check('a token from the dashboard opens /v1/contacts as Authorization: Bearer', async () => {
  const made = await dashboard.makeKey('CRM', ['read']);
  const { status, body } = await contacts(bearer(made));
  assert.equal(status, 200);
  assert.deepEqual(body, [{ name: 'Ada' }]);
  return made;
});

await check('and as X-API-Key', async () => {
  assert.equal((await contacts({ 'x-api-key': key })).status, 200);
});

await check('a missing, a malformed and an unknown token are 401 with the documented shape', async () => {
  for (const headers of [{}, bearer('sk_your_api_key'), { 'x-api-key': 'nonsense' }, { authorization: 'Bearer' }]) {
    const { status, body } = await contacts(headers);
    assert.equal(status, 401);
    assert.deepEqual(Object.keys(body), ['error']);
    assert.equal(body.error.code, 'unauthorized');
    assert.equal(typeof body.error.message, 'string');
  }
});

await check('a token without the permission is 403', async () => {
  const { status, body } = await ask(`${site.url}/v1/contacts`, { method: 'POST', headers: bearer(key) });
  assert.equal(status, 403);
  assert.equal(body.error.code, 'forbidden');
});

await check('a revoked token stops working immediately', async () => {
  const made = await dashboard.makeKey('Short-lived', ['read']);
  assert.equal((await contacts(bearer(made))).status, 200);
  const page = await dashboard.open('/settings/api');
  const row = page.document.querySelectorAll('.row').find((found) => found.text.includes('Short-lived'));
  const url = row.querySelectorAll('a').map((link) => link.getAttribute('href')).find((href) => href.endsWith('/revoke'));
  await dashboard.send(url, url, {});
  assert.equal((await contacts(bearer(made))).status, 401);
});

await check('a rotated token: the old one stops immediately, the new one works', async () => {
  await putOnPlan(ada.company.companyId, 'pro');
  const admin = await dashboard.makeKey('Admin', ['admin']);
  const made = await ask(`${site.url}/v1/api-keys`, {
    method: 'POST',
    headers: { ...bearer(admin), 'content-type': 'application/json' },
    body: JSON.stringify({ label: 'Rotated', scopes: ['read'] }),
  });
  assert.equal(made.status, 201);
  const rotated = await ask(`${site.url}/v1/api-keys/${made.body.id}/rotate`, { method: 'POST', headers: bearer(admin) });
  assert.equal(rotated.status, 200);
  assert.equal((await contacts(bearer(made.body.key))).status, 401);
  assert.equal((await contacts(bearer(rotated.body.key))).status, 200);
});

await check('400, 404, 409 and 422 say what is wrong, and in which field', async () => {
  const admin = { ...bearer(await dashboard.makeKey('Errors', ['admin'])), 'content-type': 'application/json' };
  const send = (method, path, body) => ask(`${site.url}${path}`, { method, headers: admin, body });
  const malformed = await send('POST', '/v1/api-keys', '{');
  assert.deepEqual([malformed.status, malformed.body.error.code], [400, 'bad_request']);
  const query = await send('GET', '/v1/api-keys?limit=many');
  assert.deepEqual([query.status, query.body.error.field], [400, 'limit']);
  const invalid = await send('POST', '/v1/api-keys', JSON.stringify({ label: '', scopes: ['read'] }));
  assert.deepEqual([invalid.status, invalid.body.error.code, invalid.body.error.field], [422, 'validation_error', 'label']);
  const missing = await send('DELETE', '/v1/api-keys/key_00000000000000000000000000000000');
  assert.deepEqual([missing.status, missing.body.error.code], [404, 'not_found']);
  const own = await send('PUT', '/v1/organization/ip-allowlist', JSON.stringify({ enabled: true, cidrs: ['203.0.113.0/24'] }));
  assert.deepEqual([own.status, own.body.error.code, own.body.error.field], [409, 'conflict', 'cidrs']);
});

await check('over the limit of the plan: 429 with Retry-After in seconds', async () => {
  const bob = await register(site, 'bob-connect', 'Bob Connect');
  const made = await (await Dashboard.signIn(bob)).makeKey('Loop', ['read']);
  await withinAMinute(10, async () => {
    for (let count = 0; count < 10; count++) assert.equal((await contacts(bearer(made))).status, 200);
    const { status, headers, body } = await contacts(bearer(made));
    assert.equal(status, 429);
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds >= 1 && seconds <= 60, `Retry-After: ${headers.get('retry-after')}`);
    assert.equal(body.error.code, 'rate_limit_exceeded');
  });
});

await check('what the plan does not include is 402', async () => {
  const eve = await register(site, 'eve-connect', 'Eve Connect');
  const admin = await (await Dashboard.signIn(eve)).makeKey('Admin', ['admin']);
  const { status, body } = await ask(`${site.url}/v1/clients`, {
    method: 'POST',
    headers: { ...bearer(admin), 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'App', type: 'public', redirect_uris: ['https://app.example/cb'], scopes: ['read'] }),
  });
  assert.deepEqual([status, body.error.code], [402, 'payment_required']);
  assert.match(body.error.message, /pro/);
});

// As the page tells customers to verify it, in JavaScript.
function verify(rawBody, header, secret) {
  const expected = crypto.createHmac('sha256', secret).update(rawBody).digest('hex');
  return crypto.timingSafeEqual(Buffer.from(header), Buffer.from(expected));
}

await check('a webhook carries X-Stride-Signature, which verifies with the secret that was shown once', async () => {
  const received = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      response.end();
    });
  });
  await once(receiver.listen(0, '127.0.0.1'), 'listening');
  const admin = { ...bearer(await dashboard.makeKey('Webhooks', ['admin'])), 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${receiver.address().port}/hook`;
  const endpoint = await ask(`${site.url}/v1/webhooks`, { method: 'POST', headers: admin, body: JSON.stringify({ url, events: ['api_key.created'] }) });
  assert.equal(endpoint.status, 201, JSON.stringify(endpoint.body));
  const { secret } = endpoint.body;
  const listed = await ask(`${site.url}/v1/webhooks/${endpoint.body.id}`, { headers: admin });
  assert.ok(!JSON.stringify(listed.body).includes(secret), 'the secret is shown again');

  await dashboard.makeKey('Tells the webhook', ['read']);
  for (let wait = 0; wait < 100 && received.length === 0; wait++) await new Promise((resolve) => setTimeout(resolve, 100));
  receiver.close();
  receiver.closeAllConnections();
  assert.equal(received.length, 1, 'nothing, or too much, came');
  const [{ headers, body }] = received;
  assert.ok(verify(body, headers['x-stride-signature'], secret));
  assert.ok(!verify(`${body} `, headers['x-stride-signature'], secret));
  const event = JSON.parse(body);
  assert.equal(event.type, 'api_key.created');
  assert.equal(event.data.label, 'Tells the webhook');
});

await site.close();
