// Authorization requests that are pushed (RFC 9126) or signed (RFC 9101), or both.

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { check, makeKey } from '../check.js';
import {
  ask, assertDenied, authorize, http, isError, person, register, server, urlWith, withSecret,
} from './server.js';

async function push(client, authentication, parameters) {
  const answer = await oauth.pushedAuthorizationRequest(server, client, authentication, parameters, http);
  const { request_uri } = await oauth.processPushedAuthorizationResponse(server, client, answer);
  return { client_id: client.client_id, request_uri };
}

async function redeemed(client, redeem, redirect, expectedNonce) {
  const answer = await redeem(redirect, withSecret(client));
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce });
  return oauth.getValidatedIdTokenClaims(tokens);
}

export async function requests() {
  const client = await register({ require_pushed_authorization_requests: true });

  await check('a request that was pushed is the one that counts, and leads to tokens (RFC 9126)', async () => {
    const nonce = oauth.generateRandomNonce();
    const { asked, redeem } = await ask(client, { nonce });
    const pushed = await push(client, withSecret(client), asked);
    const redirect = await authorize({ ...pushed, scope: 'admin', redirect_uri: 'https://elsewhere.example' });
    await redeemed(client, redeem, redirect, nonce);
  });

  await check('an address may be opened twice before the person decides, and once after', async () => {
    const { asked } = await ask(client);
    const pushed = await push(client, withSecret(client), asked);
    const by = person();
    await by.open(urlWith(pushed));
    await authorize(pushed, by);
    await assert.rejects(authorize(pushed, by), /400/);
  });

  await check('a client that said so cannot ask without pushing', async () => {
    const { asked } = await ask(client);
    assertDenied(await authorize(asked), 'invalid_request');
  });

  await check('what is wrong with a pushed request is told at once', async () => {
    const { asked } = await ask(client);
    await assert.rejects(
      push(client, withSecret(client), { ...asked, redirect_uri: 'https://elsewhere.example' }), isError('invalid_request'));
    await assert.rejects(push(client, withSecret(client), { ...asked, scope: 'nonsense' }), isError('invalid_scope'));
    await assert.rejects(push(client, oauth.ClientSecretPost('wrong'), asked), isError('invalid_client'));
  });

  for (const alg of ['ES256', 'RS256', 'PS256', 'Ed25519']) {
    await check(`a request signed with ${alg} is the one that counts (RFC 9101)`, async () => {
      const key = await makeKey(alg);
      const client = await register({ jwks: { keys: [key.jwk] }, require_signed_request_object: true });
      const nonce = oauth.generateRandomNonce();
      const { asked, redeem } = await ask(client, { nonce, max_age: '3600' });
      const request = await oauth.issueRequestObject(server, client, asked, key);
      const sent = { client_id: client.client_id, request, scope: 'openid admin', response_type: 'code' };
      await redeemed(client, redeem, await authorize(sent), nonce);
    });
  }

  const key = await makeKey('ES256');
  const signer = await register({ jwks: { keys: [key.jwk] }, require_signed_request_object: true });

  await check('a signed request may be pushed, too', async () => {
    const nonce = oauth.generateRandomNonce();
    const { asked, redeem } = await ask(signer, { nonce });
    const request = await oauth.issueRequestObject(server, signer, asked, key);
    const pushed = await push(signer, withSecret(signer), { request });
    await redeemed(signer, redeem, await authorize(pushed), nonce);
  });

  await check('a request signed with another key is not believed in anything', async () => {
    const { asked } = await ask(signer);
    const request = await oauth.issueRequestObject(server, signer, asked, await makeKey('ES256'));
    await assert.rejects(push(signer, withSecret(signer), { request }), isError('invalid_request_object'));
    const page = await person().open(urlWith({ client_id: signer.client_id, request }));
    assert.equal(page.status, 400);
  });

  await check('a request signed for another server is refused', async () => {
    const { asked } = await ask(signer);
    const elsewhere = { ...server, issuer: 'https://elsewhere.example' };
    const request = await oauth.issueRequestObject(elsewhere, signer, asked, key);
    await assert.rejects(push(signer, withSecret(signer), { request }), isError('invalid_request_object'));
    assertDenied(await authorize({ client_id: signer.client_id, request }), 'invalid_request_object');
  });

  await check('a client that said so cannot ask unsigned', async () => {
    const { asked } = await ask(signer);
    await assert.rejects(push(signer, withSecret(signer), asked), isError('invalid_request'));
    assertDenied(await authorize(asked), 'invalid_request');
  });
}
