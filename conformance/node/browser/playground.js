// The playground: every grant, from the first request to the revoked token.

import assert from 'node:assert/strict';

import { check, CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, EMAIL, PASSWORD } from '../check.js';
import { assertQuiet, go, look, open, press, signIn } from './chromium.js';

export async function playground() {
  const page = await open();
  await page.goto('/login');
  await signIn(page, { email: EMAIL, password: PASSWORD });

  await page.goto('/playground');
  await look(page, 'playground');

  const choose = async (app) => {
    await page.getByLabel('App', { exact: true }).selectOption(app);
    await press(page, 'Choose');
  };
  /** Text of the last step. */
  const latest = () => page.locator('#latest').innerText();

  await check('the playground prepares an authorization request', async () => {
    await choose(await page.locator('option', { hasText: 'Demo app' }).getAttribute('value'));
    await press(page, 'Start');
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
    await press(page, /auth\/test/);
    assert.match(await latest(), /"authenticated": ?true/);
  });

  await check('it asks who has signed in', async () => {
    await press(page, /userinfo/);
    assert.ok((await latest()).includes(EMAIL));
  });

  await check('it passes a part of it on to an agent', async () => {
    await press(page, 'Exchange the token');
    assert.match(await latest(), /"issued_token_type"/);
    await press(page, 'Call the API as the agent');
    assert.match(await latest(), /"scopes": \[\s*"read"\s*\]/);
  });
  await look(page, 'playground-passed-on');

  await check('it refreshes', async () => {
    await press(page, /refresh/i);
    assert.match(await latest(), /"refresh_token"/);
  });

  await check('it revokes, and the API then refuses the token', async () => {
    await press(page, /^Revoke$/);
    await press(page, /auth\/test/);
    assert.match(await latest(), /401/);
  });
  await look(page, 'playground-done');

  await check('it starts over', async () => {
    await press(page, 'Start over');
    assert.equal(await page.locator('#latest').count(), 0);
  });

  await check('a device asks until its person has decided', async () => {
    await page.getByLabel('Device authorization').check();
    await press(page, 'Start');
    await press(page, 'Ask for the token');
    assert.match(await latest(), /"authorization_pending"/);
    const [tab] = await Promise.all([
      page.waitForEvent('popup'),
      page.getByRole('link', { name: 'Decide as the person' }).click(),
    ]);
    await press(tab, 'It is the same code');
    await press(tab, 'Allow');
    await tab.close();
    await look(page, 'playground-device');
    // The interval, which a device has to keep.
    await page.waitForTimeout(5_000);
    await press(page, 'Ask for the token');
    assert.match(await latest(), /"access_token"/);
    await press(page, 'Start over');
  });

  await check('it runs client credentials', async () => {
    await choose(CONFIDENTIAL_CLIENT);
    await page.getByLabel('Client credentials').check();
    await page.getByLabel('Client secret').fill(CONFIDENTIAL_SECRET);
    await press(page, 'Start');
    assert.match(await latest(), /"access_token"/);
  });

  await check('playground pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
