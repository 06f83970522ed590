// An app registers itself, and looks after its registration (RFC 7591, RFC 7592).

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { check, makeKey, WEB_CALLBACK as CALLBACK } from '../check.js';
import { ask, authorize, http, isError, person, register, server, signIn, urlWith, withSecret } from './server.js';

/** As the client, with the token of its registration; the library has no call for this. */
async function manage(client, method, body) {
  const headers = new Headers(body && { 'content-type': 'application/json' });
  const url = new URL(client.registration_client_uri);
  const text = body && JSON.stringify(body);
  return oauth.protectedResourceRequest(client.registration_access_token, method, url, headers, text, http);
}

export async function registration() {
  const client = await check('an app registers itself and is told what it is (RFC 7591)', async () => {
    const { jwk } = await makeKey('ES256');
    const metadata = {
      client_name: 'Registered by itself',
      token_endpoint_auth_method: 'client_secret_basic',
      scope: 'openid email read',
      id_token_signed_response_alg: 'ES256',
      post_logout_redirect_uris: ['https://app.example/bye'],
      contacts: ['somebody@app.example'],
      jwks: { keys: [jwk] },
    };
    const client = await register(metadata);
    for (const [name, value] of Object.entries(metadata)) assert.deepEqual(client[name], value, name);
    assert.ok(client.client_secret);
    assert.equal(client.client_secret_expires_at, 0);
    assert.ok(!Object.values(client).includes(null));
    return client;
  });

  await check('it signs somebody in, and its ID token is signed as it asked', async () => {
    const { id_token } = await signIn(client, withSecret(client), { parameters: { scope: 'openid email read' } });
    assert.equal(JSON.parse(Buffer.from(id_token.split('.')[0], 'base64url')).alg, 'ES256');
  });

  await check('a registration that cannot be is refused, and what is wrong is named', async () => {
    await assert.rejects(register({ redirect_uris: ['https://app.example/#fragment'] }), isError('invalid_redirect_uri'));
    await assert.rejects(register({ redirect_uris: [] }), isError('invalid_redirect_uri'));
    await assert.rejects(
      register({ token_endpoint_auth_method: 'private_key_jwt' }), isError('invalid_client_metadata'));
  });

  await check('it reads its registration and changes it (RFC 7592)', async () => {
    const read = await manage(client, 'GET');
    assert.equal(read.status, 200);
    const { client_id, client_name, redirect_uris } = await read.json();
    assert.deepEqual([client_id, client_name, redirect_uris], [client.client_id, client.client_name, client.redirect_uris]);
    const change = { client_id, client_name: 'Renamed', redirect_uris, token_endpoint_auth_method: 'client_secret_basic' };
    const changed = await manage(client, 'PUT', change);
    assert.equal(changed.status, 200, await changed.clone().text());
    assert.equal((await changed.json()).client_name, 'Renamed');
  });

  await check('when it has deleted itself nobody knows it', async () => {
    const { asked, redeem } = await ask(client, { scope: 'openid' });
    const redirect = await authorize(asked);
    assert.equal((await manage(client, 'DELETE')).status, 204);
    const answer = await redeem(redirect, oauth.ClientSecretPost(client.client_secret));
    assert.equal(answer.status, 401);
    await assert.rejects(oauth.processAuthorizationCodeResponse(server, client, answer), isError('invalid_client'));
    const page = await person().open(urlWith(asked), { until: CALLBACK });
    assert.equal(page.status, 400);
    await assert.rejects(manage(client, 'GET'), isError('invalid_token'));
  });
}
