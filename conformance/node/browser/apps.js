// OAuth apps of one's own: made with a secret, changed, given a second secret, deleted.

import assert from 'node:assert/strict';
import * as oauth from 'openid-client';

import { assertActsFor, check, EMAIL, ISSUER, PASSWORD } from '../check.js';
import { assertQuiet, confirm, go, look, open, press, signIn, tick } from './chromium.js';

/** A token for the app itself; fails as the server says. */
async function tokenFor(client, secret) {
  const config = await oauth.discovery(new URL(ISSUER), client, undefined, oauth.ClientSecretPost(secret), {
    algorithm: 'oauth2',
    execute: [oauth.allowInsecureRequests],
  });
  return (await oauth.clientCredentialsGrant(config, { scope: 'read' })).access_token;
}

const isUnknown = (error) => {
  assert.equal(error.status, 401);
  return true;
};

export async function apps() {
  const page = await open();
  await page.goto('/settings/developer');
  await signIn(page, { email: EMAIL, password: PASSWORD });
  await look(page, 'developer');

  await page.goto('/settings/developer/new');
  await look(page, 'developer-new');

  await check('a redirect URI that is none is refused, and what was typed stays', async () => {
    await page.getByLabel('Name').fill('Weir watch');
    await page.getByLabel('Redirect URIs').fill('http://weir.example/callback');
    await page.getByRole('radio', { name: /confidential/i }).check();
    await page.getByRole('checkbox', { name: /client credentials/i }).check();
    await tick(page, ['read']);
    await press(page, 'Create app');
    assert.equal(await page.getByLabel('Redirect URIs').getAttribute('aria-invalid'), 'true');
    assert.equal(await page.getByLabel('Name').inputValue(), 'Weir watch');
  });
  await look(page, 'developer-new-refused');

  const app = await check('an app is made, and its secret gets it a token', async () => {
    await page.getByLabel('Redirect URIs').fill('https://weir.example/callback');
    await press(page, 'Create app');
    const client = await page.getByLabel('Client ID').inputValue();
    const secret = await page.getByLabel(/secret/i).inputValue();
    await assertActsFor(await tokenFor(client, secret), { client, email: null, scopes: ['read'] });
    return { client, secret };
  });
  await look(page, 'app-made');

  await check("the app's page does not show the secret again", async () => {
    await go(page, 'I have copied it');
    assert.equal(await page.getByLabel('Client ID').inputValue(), app.client);
    assert.ok(!(await page.content()).includes(app.secret));
  });
  const home = page.url();
  await look(page, 'app');

  await check('a second secret works beside the first, and deleting the first leaves the second', async () => {
    await page.getByText('Add a secret').click();
    await page.getByLabel('Label').fill('Second');
    await press(page, 'Add secret');
    const second = await page.getByLabel(/secret/i).inputValue();
    await tokenFor(app.client, app.secret);
    await tokenFor(app.client, second);
    await page.goto(home);
    await go(page, 'Delete First secret');
    await look(page, 'secret-delete');
    await confirm(page);
    await assert.rejects(tokenFor(app.client, app.secret), isUnknown);
    await tokenFor(app.client, second);
    app.secret = second;
  });

  await check('the app can be renamed', async () => {
    await page.goto(home);
    await page.getByLabel('Name').fill('Weir watch 2');
    await press(page, 'Save changes');
    assert.match(await page.getByRole('main').innerText(), /Weir watch 2/);
    await page.goto('/settings/developer');
    assert.match(await page.getByRole('main').innerText(), /Weir watch 2/);
  });
  await look(page, 'developer-with-app');

  await check('a deleted app is unknown at once', async () => {
    await page.goto(home);
    await go(page, 'Delete app');
    await look(page, 'app-delete');
    await confirm(page);
    await assert.rejects(tokenFor(app.client, app.secret), isUnknown);
    await page.goto('/settings/developer');
    assert.doesNotMatch(await page.getByRole('main').innerText(), /Weir watch/);
  });

  await check('app pages: the console stayed empty', () => assertQuiet(page));
  await page.context().close();
}
