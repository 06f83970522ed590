// Clients that prove who they are with a key (`private_key_jwt`, RFC 7523).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import * as oauth from 'oauth4webapi';

import { assertActsFor, assertRefused, check, createClient, makeKey, WEB_CALLBACK as CALLBACK } from '../check.js';
import { ask, authorize, http, introspect, isError, revoke, server } from './server.js';

const service = (keys) => createClient({
  name: 'Service with a key',
  type: 'confidential',
  token_endpoint_auth_method: 'private_key_jwt',
  redirect_uris: [CALLBACK],
  scopes: ['read'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  ...keys,
});

async function credentials(client, authentication) {
  const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope: 'read' }, http);
  return oauth.processClientCredentialsResponse(server, client, answer);
}

export async function keys() {
  for (const alg of ['ES256', 'RS256', 'PS256', 'Ed25519']) {
    await check(`a key that signs with ${alg} opens every endpoint (RFC 7523)`, async () => {
      const key = await makeKey(alg);
      const client = await service({ jwks: { keys: [key.jwk] } });
      const authentication = oauth.PrivateKeyJwt(key);
      const { access_token } = await credentials(client, authentication);
      await assertActsFor(access_token, { client: client.client_id, email: null, scopes: ['read'] });
      assert.equal((await introspect(client, authentication, access_token)).active, true);
      await revoke(client, authentication, access_token);
      await assertRefused(access_token);
    });
  }

  const key = await makeKey('ES256');
  const client = await service({ jwks: { keys: [key.jwk] } });

  await check('a person signs in to an app with a key', async () => {
    const { asked, redeem } = await ask(client, { scope: 'read' });
    const answer = await redeem(await authorize(asked), oauth.PrivateKeyJwt(key));
    await oauth.processAuthorizationCodeResponse(server, client, answer);
  });

  await check('an assertion for the token endpoint, or for both addresses, is as good as one for the issuer', async () => {
    for (const aud of [server.token_endpoint, [server.issuer, server.token_endpoint]]) {
      const authentication = oauth.PrivateKeyJwt(key, { [oauth.modifyAssertion]: (_, payload) => { payload.aud = aud; } });
      await credentials(client, authentication);
    }
  });

  await check('an assertion counts once, and one by another key, for another server or out of time not at all', async () => {
    const changed = (change, by = key) => oauth.PrivateKeyJwt(by, { [oauth.modifyAssertion]: (_, payload) => change(payload) });
    const used = changed((payload) => { payload.jti = 'only once'; });
    await credentials(client, used);
    const bad = [
      used,
      oauth.PrivateKeyJwt(await makeKey('ES256')),
      changed((payload) => { payload.aud = 'https://elsewhere.example'; }),
      changed((payload) => { payload.exp = payload.iat - 600; }),
      changed((payload) => { payload.sub = 'somebody else'; }),
      changed((payload) => { delete payload.jti; }),
      oauth.ClientSecretBasic('a guess'),
    ];
    for (const authentication of bad) await assert.rejects(credentials(client, authentication), isError('invalid_client'));
  });

  await check('keys that a client publishes are fetched when they are needed', async () => {
    const [first, second] = [await makeKey('ES256', 'first'), await makeKey('RS256', 'second')];
    let requests = 0;
    const site = createServer((_, response) => {
      requests += 1;
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=3600' });
      response.end(JSON.stringify({ keys: [first.jwk, second.jwk] }));
    });
    await once(site.listen(0, '127.0.0.1'), 'listening');
    try {
      const client = await service({ jwks_uri: `http://127.0.0.1:${site.address().port}/jwks` });
      for (const key of [first, second]) await credentials(client, oauth.PrivateKeyJwt(key));
      await assert.rejects(credentials(client, oauth.PrivateKeyJwt(await makeKey('ES256', 'first'))), isError('invalid_client'));
      assert.equal(requests, 1);
    } finally {
      site.close();
      site.closeAllConnections();
    }
  });
}
