// What a person decides when an app asks, by mouse, by keyboard and without scripts, and how they take it back.

import assert from 'node:assert/strict';
import * as oauth from 'openid-client';

import {
  assertActsFor, assertAnswers, assertRefused, check, EMAIL, ISSUER, PASSWORD, PUBLIC_CLIENT,
} from '../check.js';
import { assertQuiet, confirm, go, listen, look, open, press, signIn, tick } from './chromium.js';

const person = { email: EMAIL, password: PASSWORD };

/** `client_id` of an app that nobody here knows (RFC 7591). */
async function registered(callback) {
  const body = JSON.stringify({ client_name: 'Your bank', redirect_uris: [callback], token_endpoint_auth_method: 'none' });
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${ISSUER}/oauth/register`, { method: 'POST', headers, body });
  assert.equal(answer.status, 201);
  return (await answer.json()).client_id;
}

export async function consent() {
  const app = await listen();
  const config = await oauth.discovery(new URL(ISSUER), PUBLIC_CLIENT, undefined, oauth.None(), {
    algorithm: 'oauth2',
    execute: [oauth.allowInsecureRequests],
  });

  /** An authorization request as the app makes it. */
  const request = async (parameters = {}) => {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const url = oauth.buildAuthorizationUrl(config, {
      redirect_uri: app.callback,
      scope: 'read write',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    return { url: url.href, state, verifier };
  };

  /** Sends the browser there; `arrive` is the app when the person comes back. */
  const ask = async (page, parameters) => {
    const { url, state, verifier } = await request(parameters);
    await page.goto(url);
    return async () => {
      await page.waitForURL(`${app.callback}?*`);
      assertAnswers(page.url(), { callback: app.callback, state });
      return oauth.authorizationCodeGrant(config, new URL(page.url()), { pkceCodeVerifier: verifier, expectedState: state });
    };
  };

  const page = await open();
  let arrive = await ask(page);

  await check('an app that asks leads to signing in, and the page names the app', async () => {
    assert.match(await page.getByRole('main').innerText(), /Conformance app/);
  });
  await look(page, 'login-for-app');

  await signIn(page, person);
  await page.goto((await request({ client_id: await registered(app.callback) })).url);
  await check('an app that registered itself is called by where it sends people, and not by the name that it gave', async () => {
    const words = await page.getByRole('main').innerText();
    assert.match(words, /127\.0\.0\.1/);
    assert.match(words, /registered itself|not (been )?(verified|reviewed)/i);
  });
  await look(page, 'consent-registered-itself');
  arrive = await ask(page);
  await check('the consent page says who asks, for what, of whom, and where one is sent', async () => {
    const words = await page.getByRole('main').innerText();
    for (const expected of ['Conformance app', 'Demo', EMAIL, 'read', 'write', '127.0.0.1']) {
      assert.ok(words.includes(expected), `${expected} is not on the page`);
    }
  });
  await look(page, 'consent');

  await check('no other site can put it into a frame', async () => {
    const thief = await page.context().newPage();
    await thief.goto(app.callback);
    const [frame] = await Promise.all([
      thief.waitForEvent('framenavigated', (frame) => frame.parentFrame() && frame.url() !== 'about:blank'),
      thief.setContent(`<iframe src="${page.url().replaceAll('&', '&amp;')}"></iframe>`),
    ]);
    assert.match(frame.url(), /^chrome-error:/);
    await thief.close();
  });

  const tokens = await check('unticking a box grants less, and the token answer says so', async () => {
    await tick(page, ['read']);
    await press(page, 'Allow');
    const tokens = await arrive();
    assert.equal(tokens.scope, 'read');
    await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
    return tokens;
  });

  await check('an app that lives in the browser, at another origin, gets its tokens by fetch', async () => {
    const { url, verifier } = await request({ scope: 'read' });
    await page.goto(url);
    const exchange = {
      grant_type: 'authorization_code',
      client_id: PUBLIC_CLIENT,
      code: new URL(page.url()).searchParams.get('code'), // at once: what was granted is not asked again
      redirect_uri: app.callback,
      code_verifier: verifier,
    };
    const answer = await page.evaluate(async ([issuer, exchange]) => {
      const headers = { 'mcp-protocol-version': '2025-06-18' }; // which makes the browser ask beforehand
      const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`, { headers })).json();
      const body = new URLSearchParams(exchange);
      return (await fetch(metadata.token_endpoint, { method: 'POST', headers, body })).json();
    }, [ISSUER, exchange]);
    assert.equal(answer.scope, 'read', JSON.stringify(answer));
    await assertActsFor(answer.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
  });

  await check('an app that asks in a popup window hears the answer', async () => {
    const { url, state } = await request({ scope: 'read', prompt: 'consent' });
    await page.goto(app.callback);
    const [popup] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate((url) => {
        window.addEventListener('message', ({ data }) => { window.heard = data; });
        window.open(url, '', 'popup');
      }, url),
    ]);
    await press(popup, 'Allow');
    await page.waitForFunction(() => window.heard);
    assertAnswers(await page.evaluate(() => window.heard), { callback: app.callback, state });
    await popup.close();
  });

  await check('asking for more than was granted asks the person again', async () => {
    arrive = await ask(page, { scope: 'read write' });
    assert.match(await page.getByRole('main').innerText(), /asks for access again/);
  });
  await look(page, 'consent-again');

  await check('denying sends the person back with access_denied', async () => {
    await press(page, 'Deny');
    await assert.rejects(arrive(), { error: 'access_denied' });
  });

  await check('what was granted before outlives a denial', () =>
    assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] }));

  await check('the app is among the connected ones', async () => {
    await page.goto('/settings/apps');
    assert.match(await page.getByRole('main').innerText(), /Conformance app/);
  });
  await look(page, 'apps');

  await check('removing its access ends its tokens at once', async () => {
    await go(page, /Remove access/);
    await look(page, 'app-remove');
    await confirm(page);
    await assertRefused(tokens.access_token);
    await assert.rejects(oauth.refreshTokenGrant(config, tokens.refresh_token), { error: 'invalid_grant' });
    await page.goto('/settings/apps');
    assert.doesNotMatch(await page.getByRole('main').innerText(), /Conformance app/);
  });
  await look(page, 'apps-none');

  await check('with the keyboard alone: every stop can be seen, Space unticks, Enter allows', async () => {
    arrive = await ask(page);
    await tabTo(page, 'input[name=scope][value=write]');
    await page.keyboard.press('Space');
    await tabTo(page, 'button[value=approve]');
    await page.keyboard.press('Enter');
    assert.equal((await arrive()).scope, 'read');
  });

  await check('Enter in the middle of the form does not allow anything', async () => {
    arrive = await ask(page, { prompt: 'consent' });
    await page.locator('input[name=scope][value=read]').focus();
    await page.keyboard.press('Enter');
    await assert.rejects(arrive(), { error: 'access_denied' });
  });

  const plain = await open({ javaScriptEnabled: false });
  await check('with JavaScript off a person signs in, grants less, and the app gets its tokens', async () => {
    arrive = await ask(plain, { prompt: 'consent' });
    await signIn(plain, person);
    await tick(plain, ['write']);
    await press(plain, 'Allow');
    assert.equal((await arrive()).scope, 'write');
  });

  const postedAnswer = async ({ state, verifier }) => {
    const { headers, body } = app.posted.pop();
    assert.equal(headers['content-type'], 'application/x-www-form-urlencoded');
    assert.equal(headers.origin, ISSUER);
    const fields = new URLSearchParams(body);
    assert.deepEqual([...fields.keys()], ['code', 'state', 'iss']);
    const url = new URL(`${app.callback}?${fields}`);
    return oauth.authorizationCodeGrant(config, url, { pkceCodeVerifier: verifier, expectedState: state });
  };

  await check('an app that wants its answer posted is posted it, without a click more', async () => {
    const asked = await request({ scope: 'read', prompt: 'consent', response_mode: 'form_post' });
    await page.goto(asked.url);
    await page.getByRole('button', { name: 'Allow' }).click();
    await page.waitForURL(app.callback);
    assert.equal((await postedAnswer(asked)).scope, 'read');
  });

  await check('with JavaScript off a button posts it', async () => {
    const state = `"><script>alert(1)</script> & ü`;
    const asked = await request({ scope: 'read', prompt: 'consent', response_mode: 'form_post', state });
    await plain.goto(asked.url);
    await press(plain, 'Allow');
    await press(plain, 'Continue to 127.0.0.1');
    assert.equal(plain.url(), app.callback);
    assert.equal((await postedAnswer({ ...asked, state })).scope, 'read');
  });

  // An answer without content leaves the browser where it is.
  await page.route(app.callback, (route) => route.fulfill({ status: 204 }));
  const { url: halfWay } = await request({ scope: 'read', response_mode: 'form_post' });
  await page.goto(halfWay, { waitUntil: 'commit' });
  await page.getByRole('button', { name: 'Continue to 127.0.0.1' }).waitFor();
  await look(page, 'form-post');
  await page.unroute(app.callback);

  await check('an app that names an unregistered redirect URI gets nobody back, and the person sees why', async () => {
    const wrong = 'https://elsewhere.example/callback';
    await ask(page, { redirect_uri: wrong });
    assert.equal(new URL(page.url()).origin, ISSUER);
    const words = await page.getByRole('main').innerText();
    assert.ok(words.includes(wrong));
    assert.ok(words.includes('https://app.example/callback'));
  });
  await look(page, 'authorize-error');

  await check('consent pages: the console stayed empty', () => [page, plain].forEach(assertQuiet));
  await page.context().close();
  await plain.context().close();
  app.close();
}

/** Presses Tab until the element has the focus; each stop on the way must show that it has it. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 40; presses++) {
    await page.keyboard.press('Tab');
    const [isThere, isSeen, name] = await page.evaluate((selector) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return [
        document.activeElement.matches(selector),
        outlineStyle !== 'none' && parseFloat(outlineWidth) > 0,
        document.activeElement.outerHTML.slice(0, 100),
      ];
    }, selector);
    assert.ok(isSeen, `no outline on ${name}`);
    if (isThere) return;
  }
  assert.fail(`Tab does not reach ${selector}`);
}
