// What a token is, as JSON (RFC 7662) and as a JWT that can be shown to others (RFC 9701).

import assert from 'node:assert/strict';

import { check, createClient } from '../check.js';
import { introspect, isError, register, signIn, withSecret } from './server.js';

export async function introspection() {
  const app = await register();
  const tokens = await signIn(app, withSecret(app));

  await check('the answer as a JWT says the same as the one in JSON (RFC 9701)', async () => {
    for (const alg of [undefined, 'ES256', 'EdDSA']) {
      const api = await createClient({
        name: 'API', type: 'confidential', scopes: ['read'], grant_types: ['client_credentials'],
        ...(alg && { introspection_signed_response_alg: alg }),
      });
      const client = { ...api, introspection_signed_response_alg: alg ?? 'RS256' };
      const plain = await introspect(client, withSecret(api), tokens.access_token);
      const signed = await introspect(client, withSecret(api), tokens.access_token, { requestJwtResponse: true });
      assert.equal(plain.active, true);
      assert.equal(plain.client_id, app.client_id);
      assert.deepEqual(signed, plain);
      assert.deepEqual(await introspect(client, withSecret(api), 'no token', { requestJwtResponse: true }), { active: false });
    }
  });

  await check('a client asks about its own tokens, the refresh token included', async () => {
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      const told = await introspect(app, withSecret(app), token);
      assert.deepEqual([told.active, told.client_id], [true, app.client_id]);
    }
  });

  await check('who cannot say who they are is told nothing', async () => {
    await assert.rejects(
      introspect({ client_id: app.client_id }, withSecret({ client_secret: 'a guess' }), tokens.access_token),
      isError('invalid_client'));
  });
}
