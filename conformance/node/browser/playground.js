// The playground, from the first request to the revoked token.

import assert from 'node:assert/strict';

import { check, CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, EMAIL, PASSWORD } from '../check.js';
import { assertQuiet, go, look, open, press, signIn } from './chromium.js';

export async function playground() {
  const page = await open();
  await page.goto('/login');
  await signIn(page, { email: EMAIL, password: PASSWORD });

  await page.goto('/playground');
  await look(page, 'playground');

  /** Text of the last step. */
  const latest = () => page.locator('#latest').innerText();

  await check('the playground prepares an authorization request', async () => {
    const app = await page.locator('option', { hasText: 'Demo app' }).getAttribute('value');
    await page.getByLabel('App').selectOption(app);
    await press(page, 'Prepare the request');
    assert.match(await latest(), /code_challenge_method/);
  });
  await look(page, 'playground-prepared');

  await check('after consent it has the code', async () => {
    await go(page, 'Go to consent');
    await press(page, 'Allow');
    assert.match(await latest(), /code/);
  });

  await check('it exchanges the code and shows both token and answer', async () => {
    await press(page, /exchange/i);
    assert.match(await latest(), /POST .*\/oauth\/token/);
    assert.match(await latest(), /"access_token"/);
  });

  await check('it calls the API with the token', async () => {
    await press(page, /call|test/i);
    assert.match(await latest(), /"authenticated": ?true/);
  });

  await check('it refreshes', async () => {
    await press(page, /refresh/i);
    assert.match(await latest(), /"refresh_token"/);
  });

  await check('it revokes, and the API then refuses the token', async () => {
    await press(page, /revoke/i);
    await press(page, /call|test/i);
    assert.match(await latest(), /401/);
  });
  await look(page, 'playground-done');

  await check('it starts over', async () => {
    await press(page, 'Start over');
    assert.equal(await page.locator('#latest').count(), 0);
  });

  await check('it runs client credentials', async () => {
    await page.locator('#cc_client_id').fill(CONFIDENTIAL_CLIENT);
    await page.locator('#cc_client_secret').fill(CONFIDENTIAL_SECRET);
    await press(page, 'Ask for a token');
    assert.match(await latest(), /"access_token"/);
  });

  await check('playground pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
