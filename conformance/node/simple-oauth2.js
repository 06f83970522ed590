// A confidential web application, by Basic and by POST body, and a public one that sends an empty secret, with
// simple-oauth2. It knows no discovery and no PKCE; the challenge travels as parameters of ours.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import simple from 'simple-oauth2';

import {
  check, assertActsFor, assertAnswers, assertRefused,
  CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, EMAIL, ISSUER, LOOPBACK_CALLBACK, PASSWORD, PUBLIC_CLIENT, WEB_CALLBACK,
} from './check.js';
import { Person } from './person.js';

const person = new Person({ email: EMAIL, password: PASSWORD });

const settings = (id, secret, authorizationMethod) => ({
  client: { id, secret },
  auth: { tokenHost: ISSUER },
  options: { authorizationMethod },
});

const isOAuthError = (status, code) => (error) => {
  assert.equal(error.output?.statusCode, status, error.message);
  assert.equal(error.data.payload.error, code);
  return true;
};

const callers = [
  ['confidential, Basic', CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, 'header', WEB_CALLBACK],
  ['confidential, POST body', CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, 'body', WEB_CALLBACK],
  ['public, Basic with an empty secret', PUBLIC_CLIENT, '', 'header', LOOPBACK_CALLBACK],
];

for (const [name, id, secret, method, callback] of callers) {
  const app = new simple.AuthorizationCode(settings(id, secret, method));
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');

  const code = await check(`${name}: the answer carries code, state and iss`, async () => {
    const url = app.authorizeURL({
      redirect_uri: callback,
      scope: ['read', 'write'],
      state,
      prompt: 'consent',
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
    const redirect = await person.authorize(url, { callback });
    assertAnswers(redirect, { callback, state });
    return new URL(redirect).searchParams.get('code');
  });

  const first = await check(`${name}: the code gives tokens`, async () => {
    const access = await app.getToken({ code, redirect_uri: callback, code_verifier: verifier });
    assert.equal(access.token.token_type, 'Bearer');
    assert.equal(access.token.scope, 'read write');
    assert.equal(access.expired(), false);
    return access;
  });

  await check(`${name}: the access token acts for the person at /v1`, () =>
    assertActsFor(first.token.access_token, { client: id, scopes: ['read', 'write'] }));

  const second = await check(`${name}: refreshing gives a new pair that works`, async () => {
    const access = await first.refresh();
    assert.ok(access.token.refresh_token);
    assert.notEqual(access.token.refresh_token, first.token.refresh_token);
    await assertActsFor(access.token.access_token, { client: id, scopes: ['read', 'write'] });
    return access;
  });

  await check(`${name}: after revokeAll both tokens are refused`, async () => {
    await second.revokeAll();
    await assertRefused(second.token.access_token);
    await assert.rejects(second.refresh(), isOAuthError(400, 'invalid_grant'));
  });
}

for (const [name, method] of [['Basic', 'header'], ['POST body', 'body']]) {
  await check(`client credentials, secret by ${name}`, async () => {
    const service = new simple.ClientCredentials(settings(CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, method));
    const access = await service.getToken({ scope: 'write' });
    await assertActsFor(access.token.access_token, { client: CONFIDENTIAL_CLIENT, email: null, scopes: ['write'] });
    await access.revoke('access_token');
    await assertRefused(access.token.access_token);
  });

  await check(`a wrong secret by ${name} is invalid_client`, () => {
    const impostor = new simple.ClientCredentials(settings(CONFIDENTIAL_CLIENT, 'not the secret', method));
    return assert.rejects(impostor.getToken({}), isOAuthError(401, 'invalid_client'));
  });
}
