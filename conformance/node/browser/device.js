// A device without a browser is let in at one, passes access on to an agent, and both are taken back.

import assert from 'node:assert/strict';
import * as oauth from 'openid-client';

import { assertActsFor, assertRefused, check, EMAIL, ISSUER, PASSWORD, PUBLIC_CLIENT } from '../check.js';
import { assertQuiet, confirm, go, look, open, press, signIn, tick } from './chromium.js';

export async function device() {
  const config = await oauth.discovery(new URL(ISSUER), PUBLIC_CLIENT, undefined, oauth.None(), {
    algorithm: 'oauth2',
    execute: [oauth.allowInsecureRequests],
  });
  const ask = () => oauth.initiateDeviceAuthorization(config, { scope: 'read write' });
  const page = await open();
  const words = () => page.getByRole('main').innerText();

  let codes = await ask();
  await check('whoever visits the address that a device shows signs in first', async () => {
    await page.goto(codes.verification_uri);
    await signIn(page, { email: EMAIL, password: PASSWORD });
    assert.equal(page.url(), codes.verification_uri);
  });
  await look(page, 'device');

  await check('a code that no device shows is refused', async () => {
    await page.getByLabel('Code').fill('bcdf ghjk');
    await press(page, 'Continue');
    assert.match(await page.title(), /^Problem: /);
  });
  await look(page, 'device-refused');

  await check('the code leads to what the app asks for, and from where', async () => {
    await page.getByLabel('Code').fill(codes.user_code.toLowerCase().replace('-', ''));
    await press(page, 'Continue');
    for (const expected of ['Conformance app', codes.user_code, '127.0.0.1', 'read', 'write', 'yourself']) {
      assert.ok((await words()).includes(expected), `${expected} is not on the page`);
    }
  });
  await look(page, 'device-consent');

  const tokens = await check('a device that was allowed less than it asked for gets tokens for that', async () => {
    await tick(page, ['read']);
    await press(page, 'Allow');
    const tokens = await oauth.pollDeviceAuthorizationGrant(config, codes);
    assert.equal(tokens.scope, 'read');
    await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
    return tokens;
  });
  await look(page, 'device-done');

  await check('a link with the code asks to compare it, and denying is told to the device', async () => {
    codes = await ask();
    await page.goto(codes.verification_uri_complete);
    await look(page, 'device-from-link');
    await press(page, 'It is the same code');
    await press(page, 'Deny');
    await assert.rejects(oauth.pollDeviceAuthorizationGrant(config, codes), { error: 'access_denied' });
  });
  await look(page, 'device-denied');

  const plain = await open({ javaScriptEnabled: false });
  await check('with JavaScript off a device is let in, too', async () => {
    codes = await ask();
    await plain.goto(codes.verification_uri_complete);
    await signIn(plain, { email: EMAIL, password: PASSWORD });
    await press(plain, 'It is the same code');
    await press(plain, 'Allow');
    assert.equal((await oauth.pollDeviceAuthorizationGrant(config, codes)).scope, 'read write');
  });

  const passedOn = await check('the device passes its access on to an agent', () =>
    oauth.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:token-exchange', {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      label: 'nightly report agent',
    }));
  await check('the agent stands under its app', async () => {
    await page.goto('/settings/apps');
    assert.match(await words(), /Conformance app[^]*nightly report agent/);
  });
  await look(page, 'apps-passed-on');

  await check('the agent is removed alone', async () => {
    await go(page, /Remove the access of nightly report agent/);
    await look(page, 'app-passed-on-remove');
    await confirm(page);
    await assertRefused(passedOn.access_token);
    await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
  });

  await check('pages for devices: the console stayed empty', () => assertQuiet(page));
  await plain.context().close();
  await page.context().close();
}
