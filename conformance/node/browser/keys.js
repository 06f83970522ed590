// API keys: made, shown once, rotated, revoked.

import assert from 'node:assert/strict';

import { check, ISSUER } from '../check.js';
import { owner } from './account.js';
import { assertQuiet, confirm, go, look, open, press, signIn, tick } from './chromium.js';

const ask = async (key) => {
  const answer = await fetch(`${ISSUER}/v1/auth/test`, { headers: { 'x-api-key': key } });
  return { status: answer.status, body: await answer.json() };
};

/** The secret on the page that follows making it. */
const shown = (page) => page.getByRole('textbox', { name: /key|secret/i }).inputValue();

export async function keys() {
  const page = await open();
  await page.goto('/settings/api');
  await signIn(page, owner);
  await look(page, 'keys-none');

  const made = await check('a key is made, and works with the scopes it was given', async () => {
    await page.getByLabel('Label').fill('Night shift');
    await tick(page, ['read', 'write']);
    await press(page, 'Make key');
    const key = await shown(page);
    assert.match(key, /^sk_[0-9A-Za-z]{46}$/);
    const { status, body } = await ask(key);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(body.scopes.toSorted(), ['read', 'write']);
    return key;
  });
  await look(page, 'key-made');

  await check('its secret is shown once', async () => {
    await go(page, 'I have copied it');
    assert.match(await page.getByRole('main').innerText(), /Night shift/);
    assert.ok(!(await page.content()).includes(made));
    await page.goBack();
    assert.ok(!(await page.content()).includes(made), 'the way back shows it again');
  });
  await page.goto('/settings/api');
  await look(page, 'keys');

  const rotated = await check('rotating gives a new secret and ends the old one', async () => {
    await go(page, 'Rotate Night shift');
    await look(page, 'key-rotate');
    await page.getByRole('radio').first().check();
    await press(page, 'Rotate');
    const key = await shown(page);
    assert.notEqual(key, made);
    assert.equal((await ask(key)).status, 200);
    assert.equal((await ask(made)).status, 401);
    return key;
  });

  await check('after revoking, the key is refused at once', async () => {
    await page.goto('/settings/api');
    await go(page, 'Revoke Night shift');
    await look(page, 'key-revoke');
    await confirm(page);
    const { status, body } = await ask(rotated);
    assert.equal(status, 401);
    assert.equal(body.error.code, 'unauthorized');
    await page.goto('/settings/api');
    assert.equal(await page.getByRole('link', { name: 'Revoke Night shift' }).count(), 0);
  });
  await look(page, 'keys-revoked');

  await check('a posted form without its token changes nothing', async () => {
    const answer = await page.request.post('/settings/api', { form: { csrf: 'guessed', label: 'Forged', scope: 'read' } });
    assert.equal(answer.status(), 403);
    await page.goto('/settings/api');
    assert.ok(!(await page.content()).includes('Forged'));
  });

  await check('key pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
