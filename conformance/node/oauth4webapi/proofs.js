// Tokens that are bound to a key (DPoP, RFC 9449), on a server that wants a nonce of its own in each proof.

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { check, ISSUER, makeKey, WEB_CALLBACK as CALLBACK } from '../check.js';
import { ask, authorize, http, isError, refresh, register, server, userInfo, withSecret } from './server.js';

const WHO = new URL(`${ISSUER}/v1/auth/test`);

/** A key of its own, and the proofs that it makes. */
async function holder(client, alg = 'ES256') {
  const { pair } = await makeKey(alg);
  return oauth.DPoP(client, pair);
}

/** Once more with the nonce, as the library asks its caller to do. */
async function again(body) {
  try {
    return await body();
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return body();
  }
}

const who = (tokens, options) =>
  oauth.protectedResourceRequest(tokens.access_token, 'GET', WHO, undefined, null, { ...http, ...options });

async function bound(client, DPoP, parameters = {}) {
  const { asked, redeem } = await ask(client, parameters);
  const redirect = await authorize(asked);
  const tokens = await again(async () => {
    const answer = await redeem(redirect, withSecret(client), { DPoP });
    return oauth.processAuthorizationCodeResponse(server, client, answer, { requireIdToken: true });
  });
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

export async function proofs() {
  const client = await register({ dpop_bound_access_tokens: true });
  const DPoP = await holder(client);

  await check('a proof without a nonce is told which to use, and the code stays good', async () => {
    const { asked, redeem } = await ask(client);
    const redirect = await authorize(asked);
    const attempt = async () => oauth.processAuthorizationCodeResponse(
      server, client, await redeem(redirect, withSecret(client), { DPoP }), { requireIdToken: true });
    const error = await attempt().then(() => assert.fail('it was accepted'), (error) => error);
    assert.ok(oauth.isDPoPNonceError(error), error.message);
    assert.equal((await attempt()).token_type, 'dpop');
  });

  const tokens = await check('with it the code gives tokens that are bound to the key', async () => {
    const tokens = await bound(client, DPoP);
    assert.equal(tokens.token_type, 'dpop');
    const { cnf } = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
    assert.equal(cnf.jkt, await DPoP.calculateThumbprint());
    return tokens;
  });

  await check('the token works at the API and at userinfo with proofs', async () => {
    const answer = await again(() => who(tokens, { DPoP }));
    assert.equal(answer.status, 200);
    await again(() => userInfo(client, tokens, { DPoP }));
  });

  await check('a resource server that goes by the published keys finds token and proof in order', async () => {
    const headers = new Headers();
    await DPoP.addProof(WHO, headers, 'GET', tokens.access_token);
    headers.set('authorization', `DPoP ${tokens.access_token}`);
    const claims = await oauth.validateJwtAccessToken(server, new Request(WHO, { headers }), ISSUER, { ...http, requireDPoP: true });
    assert.equal(claims.client_id, client.client_id);
  });

  await check('without a proof, or with one by another key, it is worth nothing', async () => {
    await assert.rejects(who(tokens), isError('invalid_token'));
    const thief = await holder(client);
    await assert.rejects(again(() => who(tokens, { DPoP: thief })), (error) => error.status === 401);
    await assert.rejects(userInfo(client, tokens), isError('invalid_token'));
  });

  await check('a proof counts once', async () => {
    const headers = new Headers();
    await DPoP.addProof(WHO, headers, 'GET', tokens.access_token);
    headers.set('authorization', `DPoP ${tokens.access_token}`);
    assert.deepEqual([(await fetch(WHO, { headers })).status, (await fetch(WHO, { headers })).status], [200, 401]);
  });

  await check('refreshing keeps the key', async () => {
    const next = await again(() => refresh(client, withSecret(client), tokens.refresh_token, { DPoP }));
    assert.equal(next.token_type, 'dpop');
    assert.equal((await again(() => who(next, { DPoP }))).status, 200);
  });

  await check('a client that said so gets nothing without a proof', async () => {
    const { asked, redeem } = await ask(client);
    const answer = await redeem(await authorize(asked), withSecret(client));
    await assert.rejects(oauth.processAuthorizationCodeResponse(server, client, answer), isError('invalid_dpop_proof'));
  });

  const app = await register({ token_endpoint_auth_method: 'none' });

  await check("a public client's refresh token is bound to its key", async () => {
    const key = await holder(app);
    const { asked, redeem } = await ask(app);
    const redirect = await authorize(asked);
    const first = await again(async () => oauth.processAuthorizationCodeResponse(
      server, app, await redeem(redirect, oauth.None(), { DPoP: key }), { requireIdToken: true }));
    const thief = await holder(app);
    await assert.rejects(
      again(() => refresh(app, oauth.None(), first.refresh_token, { DPoP: thief })), isError('invalid_grant'));
    await again(() => refresh(app, oauth.None(), first.refresh_token, { DPoP: key }));
  });

  await check('a code can be bound before it is made: `dpop_jkt`, and a pushed request with a proof', async () => {
    const key = await holder(client);
    const { asked, redeem } = await ask(client);
    const { request_uri } = await again(async () => oauth.processPushedAuthorizationResponse(server, client,
      await oauth.pushedAuthorizationRequest(server, client, withSecret(client), asked, { ...http, DPoP: key })));
    const redirect = await authorize({ client_id: client.client_id, request_uri });
    const thief = await holder(client);
    const attempt = (DPoP) => again(async () => oauth.processAuthorizationCodeResponse(
      server, client, await redeem(redirect, withSecret(client), { DPoP }), { requireIdToken: true }));
    await assert.rejects(attempt(thief), isError('invalid_grant'));
    await bound(client, key, { dpop_jkt: await key.calculateThumbprint() });
  });

  for (const alg of ['RS256', 'PS256', 'Ed25519']) {
    await check(`proofs may be signed with ${alg}`, async () => {
      assert.ok(server.dpop_signing_alg_values_supported.includes(alg));
      const key = await holder(client, alg);
      assert.equal((await again(async () => who(await bound(client, key), { DPoP: key }))).status, 200);
    });
  }
}
