// An application that is nothing but scripts, in Chromium, with oidc-client-ts: whatever it asks the server crosses
// origins.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

import { open, press, signIn, start, stop } from './browser/chromium.js';
import { assertActsFor, assertRefused, check, createClient, EMAIL, ISSUER, PASSWORD } from './check.js';

const LIBRARY = createRequire(import.meta.url).resolve('oidc-client-ts').replace(/umd.*/, 'browser/oidc-client-ts.min.js');
const HOSTS = ['localhost', '127.0.0.1'];
const person = { email: EMAIL, password: PASSWORD };

const { client_id } = await createClient({
  name: 'Application of scripts',
  type: 'public',
  redirect_uris: HOSTS.flatMap((host) => [`http://${host}/callback`, `http://${host}/silent`]),
  post_logout_redirect_uris: HOSTS.map((host) => `http://${host}/bye`),
  scopes: ['openid', 'profile', 'email', 'offline_access', 'read'],
});

/** The same page everywhere, which does as the tests say. */
const PAGE = `<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><script src="/library.js"></script><script>
  const settings = (more) => ({
    authority: '${ISSUER}',
    client_id: '${client_id}',
    redirect_uri: location.origin + '/callback',
    silent_redirect_uri: location.origin + '/silent',
    post_logout_redirect_uri: location.origin + '/bye',
    scope: 'openid profile email read',
    loadUserInfo: true,
    automaticSilentRenew: false,
    userStore: new oidc.WebStorageStateStore({ store: localStorage }),
    ...more,
  });
  const manage = (more) => new oidc.UserManager(settings(more));
  const withProofs = () => manage({
    loadUserInfo: false,
    dpop: { bind_authorization_code: true, store: new oidc.IndexedDbDPoPStore() },
  });
  if (parent !== window) manage().signinSilentCallback();
</script><h1>App</h1>`;

const site = createServer((request, response) => {
  const isLibrary = request.url === '/library.js';
  response.writeHead(200, { 'content-type': isLibrary ? 'text/javascript' : 'text/html' });
  response.end(isLibrary ? readFileSync(LIBRARY) : PAGE);
});
await once(site.listen(0), 'listening');
const home = (host = 'localhost') => `http://${host}:${site.address().port}`;

/** Sends the browser away, and returns who is signed in when it is back. */
async function enter(page, { manager = 'manage()', isNew = true, host } = {}) {
  await page.goto(home(host));
  await page.evaluate(`void ${manager}.signinRedirect({ state: 'kept' })`);
  if (isNew) {
    await page.waitForURL(`${ISSUER}/login?**`);
    await signIn(page, person);
  }
  // Consent is asked once.
  await page.waitForURL((url) => url.pathname !== '/' && url.pathname !== '/login');
  if (page.url().startsWith(ISSUER)) await press(page, 'Allow');
  await page.waitForURL(`${home(host)}/callback?**`);
  return page.evaluate(`${manager}.signinRedirectCallback()`);
}

await start();
try {
  const page = await open();

  const user = await check('a person signs in, and userinfo is read by the script', async () => {
    const user = await enter(page);
    assert.equal(user.profile.email, EMAIL);
    assert.equal(typeof user.profile.email_verified, 'boolean');
    assert.equal(user.state, 'kept');
    assert.ok(user.refresh_token);
    await assertActsFor(user.access_token, { client: client_id, scopes: ['openid', 'profile', 'email', 'read'] });
    return user;
  });

  await check('it renews by the refresh token, without a page and by itself', async () => {
    const renewed = await page.evaluate('manage().signinSilent()');
    assert.notEqual(renewed.access_token, user.access_token);
    assert.equal(renewed.profile.sub, user.profile.sub);
    const again = await page.evaluate(`new Promise((resolve, reject) => {
      const manager = manage({ automaticSilentRenew: true, accessTokenExpiringNotificationTimeInSeconds: 599 });
      manager.events.addUserLoaded((user) => { manager.stopSilentRenew(); resolve(user); });
      manager.events.addSilentRenewError(reject);
      manager.getUser();
    })`);
    assert.notEqual(again.access_token, renewed.access_token);
  });

  await check('it renews in a frame by the session, where cookies reach', async () => {
    const renewed = await page.evaluate('manage().signinSilent({ forceIframeAuth: true, silentRequestTimeoutInSeconds: 8 })');
    assert.equal(renewed.profile.sub, user.profile.sub);
  });

  await check('in a frame where they do not the script is told login_required, and does not wait in vain', async () => {
    await page.goto(home('127.0.0.1'));
    const refusal = await page.evaluate(`manage().signinSilent({ silentRequestTimeoutInSeconds: 8 })
      .then(() => 'signed in', (error) => error.error ?? error.message)`);
    assert.equal(refusal, 'login_required');
  });

  await check('with the session of the browser nothing is asked twice', async () => {
    const again = await enter(page, { isNew: false });
    assert.equal(again.profile.sub, user.profile.sub);
  });

  await check('tokens are bound to a key that never leaves the browser (DPoP)', async () => {
    const user = await enter(page, { manager: 'withProofs()', isNew: false });
    assert.equal(user.token_type.toLowerCase(), 'dpop');
    await assertRefused(user.access_token);
    const renewed = await page.evaluate('withProofs().signinSilent()');
    const url = `${ISSUER}/v1/auth/test`;
    const prove = (nonce) => page.evaluate(([url, nonce]) =>
      withProofs().getUser().then((user) => withProofs().dpopProof(url, user, 'GET', nonce)), [url, nonce]);
    const call = (dpop) => fetch(url, { headers: { authorization: `DPoP ${renewed.access_token}`, dpop } });
    const first = await call(await prove());
    assert.equal(first.status, 401);
    const second = await call(await prove(first.headers.get('dpop-nonce')));
    assert.equal(second.status, 200, await second.text());
  });

  await check('it revokes its tokens', async () => {
    const { access_token } = await enter(page, { isNew: false });
    await page.evaluate('manage().revokeTokens()');
    await assertRefused(access_token);
  });

  await check('it signs out here and there, and is back', async () => {
    await enter(page, { isNew: false });
    await page.evaluate(`void manage().signoutRedirect({ state: 'kept' })`);
    await page.waitForURL(`${home()}/bye?**`);
    assert.ok(await page.evaluate('manage().signoutRedirectCallback()'));
    assert.equal(await page.evaluate('manage().getUser()'), null);
    await page.evaluate('void manage().signinRedirect()');
    await page.waitForURL(`${ISSUER}/login?**`);
  });

  await check('without an ID token the server asks whether to sign out, and leads back', async () => {
    await enter(page);
    await page.evaluate('manage().removeUser()');
    await page.evaluate('void manage().signoutRedirect()');
    await page.waitForURL(`${ISSUER}/**`);
    await press(page, /sign out/i);
    await page.waitForURL((url) => url.pathname === '/bye' || url.pathname.startsWith('/oauth/logout'));
    if (page.url().startsWith(ISSUER)) await page.getByRole('main').getByRole('link').first().click();
    await page.waitForURL(`${home()}/bye**`);
  });

  await check('nothing of this made the browser complain', () => {
    // A nonce that is told with a refusal is what DPoP asks for; the browser notes each refusal.
    const complaints = page.complaints.filter((text) => !text.includes('status of 400'));
    assert.deepEqual(complaints, []);
  });
} finally {
  await stop();
  site.close();
  site.closeAllConnections();
}
