// Operator AI: tokens generated, named, rotated and revoked from the dashboard, with scoped permissions, and an access
// log to watch.

import assert from 'node:assert/strict';

import { check } from '../node/check.js';
import { ask, bearer, Dashboard, open, register, secretOn } from '../node/company.js';

const site = await open({ '/v1/conversations': [] });
const ada = await register(site, 'ada-operator', 'Ada Operator');
const dashboard = await Dashboard.signIn(ada);
const call = (token, method = 'GET') =>
  ask(`${site.url}/v1/conversations`, { method, headers: { ...bearer(token), 'content-type': 'application/json' } });

/** Where the dashboard rotates or revokes the token with this name. */
async function way(name, verb) {
  const page = await dashboard.open('/settings/api');
  const row = page.document.querySelectorAll('.row').find((found) => found.text.includes(name));
  return row.querySelectorAll('a').map((link) => link.getAttribute('href')).find((href) => href.endsWith(verb));
}

const token = await check('Settings → API keys → a named token, which opens the API', async () => {
  const made = await dashboard.makeKey('CRM Integration', ['read']);
  assert.equal((await call(made)).status, 200);
  return made;
});

await check('it has no more permissions than it was given', async () => {
  assert.equal((await call(token, 'POST')).status, 403);
  assert.equal((await call(token, 'DELETE')).status, 403);
});

await check('rotating it from the dashboard gives a new one and ends the old one', async () => {
  const url = await way('CRM Integration', '/rotate');
  const page = await dashboard.send(url, url, { overlap_seconds: '0' });
  const rotated = secretOn(page);
  assert.equal((await call(token)).status, 401);
  assert.equal((await call(rotated)).status, 200);
});

await check('one token per integration: revoking one leaves the others', async () => {
  const [zapier, slack] = [await dashboard.makeKey('Zapier Sync', ['read']), await dashboard.makeKey('Slack', ['read'])];
  const url = await way('Zapier Sync', '/revoke');
  await dashboard.send(url, url, {});
  assert.equal((await call(zapier)).status, 401);
  assert.equal((await call(slack)).status, 200);
});

await check('the access log tells who called what, and what was refused', async () => {
  const admin = await dashboard.makeKey('Watches', ['admin']);
  let entries = [];
  for (let wait = 0; wait < 100; wait++) {
    const { status, body } = await ask(`${site.url}/v1/access-log?limit=200`, { headers: bearer(admin) });
    assert.equal(status, 200, JSON.stringify(body));
    entries = body.data.filter((entry) => entry.path === '/v1/conversations');
    if (entries.some((entry) => entry.status === 403) && entries.some((entry) => entry.status === 200)) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const refused = entries.find((entry) => entry.status === 403);
  assert.ok(refused, 'no refusal in the log');
  assert.ok(['POST', 'DELETE'].includes(refused.method));
  assert.equal(refused.reason, 'forbidden');
  assert.ok(entries.some((entry) => entry.status === 200 && entry.method === 'GET'));
  const page = await dashboard.open('/settings/access-log');
  assert.equal(page.status, 200);
  assert.match(page.document.text, /\/v1\/conversations/);
});

await site.close();
