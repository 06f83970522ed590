// AISoule: a labelled key, shown once, that opens GET /v1/profile; 401 and 403 with the two documented codes.

import assert from 'node:assert/strict';

import { check } from '../node/check.js';
import { ask, bearer, Dashboard, open, register } from '../node/company.js';

const site = await open({ '/v1/dialer': { calls: 3 } });
const ada = await register(site, 'ada-soule', 'Ada Soule');
const dashboard = await Dashboard.signIn(ada);

const key = await check('Settings → API keys → a key with a descriptive label', async () => {
  const made = await dashboard.makeKey('Production Dialer', ['read']);
  assert.match(made, /^sk_/);
  return made;
});

await check('it is shown only once', async () => {
  const page = await dashboard.open('/settings/api');
  assert.match(page.document.text, /Production Dialer/);
  assert.ok(!page.document.toString().includes(key));
});

await check('GET /v1/profile tells whose key it is', async () => {
  const { status, body } = await ask(`${site.url}/v1/profile`, { headers: bearer(key) });
  assert.equal(status, 200);
  assert.equal(body.organization.name, 'Ada Soule');
  assert.equal(body.key.label, 'Production Dialer');
});

await check('a missing, malformed or revoked key is 401 unauthorized', async () => {
  const revoked = await dashboard.makeKey('To be revoked', ['read']);
  const page = await dashboard.open('/settings/api');
  const row = page.document.querySelectorAll('.row').find((found) => found.text.includes('To be revoked'));
  const url = row.querySelectorAll('a').map((link) => link.getAttribute('href')).find((href) => href.endsWith('/revoke'));
  await dashboard.send(url, url, {});
  for (const headers of [{}, { authorization: 'YOUR_API_KEY' }, bearer('YOUR_API_KEY'), bearer(revoked)]) {
    const { status, body } = await ask(`${site.url}/v1/profile`, { headers });
    assert.deepEqual([status, body.error.code], [401, 'unauthorized']);
  }
});

await check('a key without the scope is 403 forbidden', async () => {
  const { status, body } = await ask(`${site.url}/v1/dialer`, { method: 'DELETE', headers: bearer(key) });
  assert.deepEqual([status, body.error.code], [403, 'forbidden']);
  assert.equal((await ask(`${site.url}/v1/dialer`, { headers: bearer(key) })).status, 200);
});

await site.close();
