// Somebody signs in (OpenID Connect Core): ID tokens of every algorithm, userinfo, and what an app may ask of the way.

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { assertActsFor, assertRefused, check, EMAIL, ISSUER } from '../check.js';
import { Person } from '../person.js';
import {
  ask, assertDenied, authorize, http, isError, person, refresh, register, revoke, server, signIn as sign, userInfo, withSecret,
} from './server.js';

export async function signIn() {
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    await check(`somebody signs in, and the ID token, signed with ${alg}, holds`, async () => {
      assert.ok(server.id_token_signing_alg_values_supported.includes(alg));
      const client = await register({ id_token_signed_response_alg: alg });
      const { id_token, claims } = await sign(client, withSecret(client));
      assert.equal(JSON.parse(Buffer.from(id_token.split('.')[0], 'base64url')).alg, alg);
      assert.equal(claims.aud, client.client_id);
      assert.ok(claims.auth_time <= claims.iat);
    });
  }

  const client = await register();
  const by = person();
  const tokens = await check('an app that asks nothing special gets an ID token with RS256, and in it who the person is', async () => {
    const tokens = await sign(client, withSecret(client), { by });
    assert.equal(JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url')).alg, 'RS256');
    assert.equal(tokens.claims.email, EMAIL);
    return tokens;
  });

  await check('userinfo tells of the same person', async () => {
    const told = await userInfo(client, tokens);
    assert.equal(told.email, EMAIL);
    assert.equal(typeof told.email_verified, 'boolean');
  });

  await check('the access token is good at the API, by the published keys and by asking', async () => {
    await assertActsFor(tokens.access_token, { client: client.client_id, scopes: ['openid', 'email', 'profile', 'read'] });
    const request = new Request(`${ISSUER}/v1/profile`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
    const claims = await oauth.validateJwtAccessToken(server, request, ISSUER, http);
    assert.equal(claims.client_id, client.client_id);
  });

  const second = await check('refreshing gives an ID token of the same person and sign-in', async () => {
    const second = await refresh(client, withSecret(client), tokens.refresh_token);
    for (const name of ['iss', 'sub', 'aud', 'auth_time']) assert.deepEqual(second.claims[name], tokens.claims[name], name);
    return second;
  });

  await check('`prompt=none` signs in again without a page, while the session lasts', async () => {
    const { claims } = await sign(client, withSecret(client), { by, parameters: { prompt: 'none' } });
    assert.equal(claims.sub, tokens.claims.sub);
    const { asked } = await ask(client, { prompt: 'none' });
    assertDenied(await authorize(asked, new Person({})), 'login_required');
  });

  await check('`max_age` is kept: a session that is too old has to sign in again', async () => {
    const { claims } = await sign(client, withSecret(client), { by, parameters: { max_age: '3600' }, options: { maxAge: 3600 } });
    assert.equal(claims.auth_time, tokens.claims.auth_time);
    // An older sign-in than this second's is too old for `max_age=0`.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const again = await sign(client, withSecret(client), { by, parameters: { max_age: '0' }, options: { maxAge: 5 } });
    assert.ok(again.claims.auth_time > tokens.claims.auth_time);
  });

  await check('`claims` brings into the ID token what it names', async () => {
    const parameters = { scope: 'openid', claims: JSON.stringify({ id_token: { email: { essential: true }, auth_time: null } }) };
    const { claims } = await sign(client, withSecret(client), { by, parameters });
    assert.equal(claims.email, EMAIL);
  });

  await check('a client with pairwise subjects knows the person by another name', async () => {
    const other = await register({ subject_type: 'pairwise' });
    const told = await sign(other, withSecret(other), { by });
    assert.notEqual(told.claims.sub, tokens.claims.sub);
    assert.equal((await userInfo(other, told)).sub, told.claims.sub);
  });

  await check('without `openid` there is no ID token and no userinfo', async () => {
    const plain = await sign(client, withSecret(client), { by, parameters: { scope: 'read', prompt: 'consent' } });
    assert.equal(plain.id_token, undefined);
    const answer = await oauth.userInfoRequest(server, client, plain.access_token, http);
    assert.equal(answer.status, 403);
    await assert.rejects(
      oauth.processUserInfoResponse(server, client, oauth.skipSubjectCheck, answer), isError('insufficient_scope'));
  });

  await check('a code is good for its own client alone', async () => {
    const other = await register();
    const { asked, redeem } = await ask(client);
    const redirect = await authorize(asked, by);
    const answer = await redeem(redirect, (server, _, body, headers) => withSecret(other)(server, other, body, headers));
    await assert.rejects(oauth.processAuthorizationCodeResponse(server, other, answer), isError('invalid_grant'));
  });

  await check('after revocation the tokens are good for nothing, userinfo neither (RFC 7009)', async () => {
    await revoke(client, withSecret(client), second.refresh_token);
    await assertRefused(second.access_token);
    await assert.rejects(userInfo(client, second), isError('invalid_token'));
    await assert.rejects(refresh(client, withSecret(client), second.refresh_token), isError('invalid_grant'));
  });
}
