// A public client on the loopback and a confidential one, by discovery, with openid-client.

import assert from 'node:assert/strict';
import * as oauth from 'openid-client';

import {
  check, assertActsFor, assertAnswers, assertRefused,
  CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, EMAIL, ISSUER, LOOPBACK_CALLBACK, PASSWORD, PUBLIC_CLIENT,
} from './check.js';
import { Person } from './person.js';

const person = new Person({ email: EMAIL, password: PASSWORD });

const discover = (client, authentication, algorithm = 'oauth2') =>
  oauth.discovery(new URL(ISSUER), client, undefined, authentication, {
    algorithm,
    execute: [oauth.allowInsecureRequests],
  });

/** Starts an authorization request as an app would; `finish` takes the redirect that answers it. */
async function request(config, parameters = {}) {
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const url = oauth.buildAuthorizationUrl(config, {
    redirect_uri: LOOPBACK_CALLBACK,
    scope: 'read write',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...parameters,
  });
  const finish = (redirect, pkceCodeVerifier = verifier) =>
    oauth.authorizationCodeGrant(config, new URL(redirect), { pkceCodeVerifier, expectedState: state });
  return { url: url.href, state, finish };
}

const isOAuthError = (code) => (error) => {
  assert.equal(error.error, code, error.message);
  return true;
};

const app = await check('discovery finds the server (RFC 8414)', () => discover(PUBLIC_CLIENT, oauth.None()));

await check('the OpenID alias says the same as RFC 8414', async () => {
  const alias = await discover(PUBLIC_CLIENT, oauth.None(), 'oidc');
  assert.deepEqual(alias.serverMetadata(), app.serverMetadata());
});

await check('metadata promises S256 and `iss` in the answer (RFC 7636, RFC 9207)', () => {
  assert.deepEqual(app.serverMetadata().code_challenge_methods_supported, ['S256']);
  assert.equal(app.serverMetadata().authorization_response_iss_parameter_supported, true);
});

await check('`prompt=none` without a session is login_required, not a page', async () => {
  const { url, state, finish } = await request(app, { prompt: 'none' });
  const redirect = await new Person({}).authorize(url, { callback: LOOPBACK_CALLBACK });
  assertAnswers(redirect, { callback: LOOPBACK_CALLBACK, state });
  await assert.rejects(finish(redirect), isOAuthError('login_required'));
});

await check('a person may deny: access_denied with state and iss', async () => {
  const { url, state, finish } = await request(app);
  const redirect = await person.authorize(url, { callback: LOOPBACK_CALLBACK, decision: 'deny' });
  assertAnswers(redirect, { callback: LOOPBACK_CALLBACK, state });
  await assert.rejects(finish(redirect), isOAuthError('access_denied'));
});

await check('a code with the wrong verifier is invalid_grant', async () => {
  const { url, finish } = await request(app);
  const redirect = await person.authorize(url, { callback: LOOPBACK_CALLBACK });
  await assert.rejects(finish(redirect, oauth.randomPKCECodeVerifier()), isOAuthError('invalid_grant'));
});

const first = await check('authorization code with PKCE gives tokens; state and iss are checked', async () => {
  const { url, state, finish } = await request(app, { prompt: 'consent' });
  const redirect = await person.authorize(url, { callback: LOOPBACK_CALLBACK });
  assertAnswers(redirect, { callback: LOOPBACK_CALLBACK, state });
  const tokens = await finish(redirect);
  assert.ok(tokens.refresh_token);
  assert.equal(tokens.token_type, 'bearer'); // as the library normalises it
  assert.equal(tokens.scope, 'read write');
  assert.ok(tokens.expires_in > 0);
  return tokens;
});

await check('the access token acts for the person at /v1', () =>
  assertActsFor(first.access_token, { client: PUBLIC_CLIENT, scopes: ['read', 'write'] }));

await check("the library's own call to the protected resource works", async () => {
  const answer = await oauth.fetchProtectedResource(app, first.access_token, new URL(`${ISSUER}/v1/auth/test`), 'GET');
  assert.equal(answer.status, 200);
});

const second = await check('refreshing gives a new pair that works', async () => {
  const tokens = await oauth.refreshTokenGrant(app, first.refresh_token);
  assert.notEqual(tokens.refresh_token, first.refresh_token);
  assert.notEqual(tokens.access_token, first.access_token);
  await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read', 'write'] });
  return tokens;
});

await check('the old refresh token, retried at once, gives the same successor', async () => {
  const retried = await oauth.refreshTokenGrant(app, first.refresh_token);
  assert.equal(retried.refresh_token, second.refresh_token);
  assert.notEqual(retried.access_token, second.access_token);
});

const third = await check('eight refreshes at the same time agree on one successor', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => oauth.refreshTokenGrant(app, second.refresh_token)));
  assert.equal(new Set(all.map((tokens) => tokens.refresh_token)).size, 1);
  return all[0];
});

await check('refreshing may narrow the scope', async () => {
  const narrow = await oauth.refreshTokenGrant(app, third.refresh_token, { scope: 'read' });
  assert.equal(narrow.scope, 'read');
  await assertActsFor(narrow.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
});

await check('refreshing may never widen it', () =>
  assert.rejects(oauth.refreshTokenGrant(app, third.refresh_token, { scope: 'read delete' }), isOAuthError('invalid_scope')));

await check('a refresh token from before its successor was used ends the whole grant', async () => {
  await assert.rejects(oauth.refreshTokenGrant(app, first.refresh_token), isOAuthError('invalid_grant'));
  await assert.rejects(oauth.refreshTokenGrant(app, third.refresh_token), isOAuthError('invalid_grant'));
  await assertRefused(third.access_token);
});

await check('revoking the refresh token kills the access token, too', async () => {
  const { url, finish } = await request(app);
  const tokens = await finish(await person.authorize(url, { callback: LOOPBACK_CALLBACK }));
  await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read', 'write'] });
  await oauth.tokenRevocation(app, tokens.refresh_token);
  await assertRefused(tokens.access_token);
  await assert.rejects(oauth.refreshTokenGrant(app, tokens.refresh_token), isOAuthError('invalid_grant'));
});

await check('a code that is used twice is refused and takes its tokens with it', async () => {
  const { url, finish } = await request(app);
  const redirect = await person.authorize(url, { callback: LOOPBACK_CALLBACK });
  const tokens = await finish(redirect);
  await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read', 'write'] });
  await assert.rejects(finish(redirect), isOAuthError('invalid_grant'));
  await assertRefused(tokens.access_token);
});

await check('a person may grant less than was asked, and the answer says so', async () => {
  const { url, finish } = await request(app, { prompt: 'consent' });
  const tokens = await finish(await person.authorize(url, { callback: LOOPBACK_CALLBACK, scopes: ['read'] }));
  assert.equal(tokens.scope, 'read');
  await assertActsFor(tokens.access_token, { client: PUBLIC_CLIENT, scopes: ['read'] });
});

for (const [name, authenticate] of [['Basic', oauth.ClientSecretBasic], ['POST body', oauth.ClientSecretPost]]) {
  await check(`client credentials, secret by ${name}`, async () => {
    const service = await discover(CONFIDENTIAL_CLIENT, authenticate(CONFIDENTIAL_SECRET));
    const tokens = await oauth.clientCredentialsGrant(service, { scope: 'read' });
    assert.equal(tokens.refresh_token, undefined);
    await assertActsFor(tokens.access_token, { client: CONFIDENTIAL_CLIENT, email: null, scopes: ['read'] });
    const live = await oauth.tokenIntrospection(service, tokens.access_token);
    assert.equal(live.active, true);
    assert.equal(live.client_id, CONFIDENTIAL_CLIENT);
    await oauth.tokenRevocation(service, tokens.access_token);
    assert.deepEqual(await oauth.tokenIntrospection(service, tokens.access_token), { active: false });
    await assertRefused(tokens.access_token);
  });
}

await check('a wrong secret is invalid_client, with a challenge', async () => {
  const impostor = await discover(CONFIDENTIAL_CLIENT, oauth.ClientSecretBasic('not the secret'));
  const error = await oauth.clientCredentialsGrant(impostor).then(() => assert.fail('it was accepted'), (error) => error);
  assert.equal(error.status, 401);
  assert.equal(error.cause[0].scheme, 'basic');
  assert.equal((await error.response.json()).error, 'invalid_client');
});
