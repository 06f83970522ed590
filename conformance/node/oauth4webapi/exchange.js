// A service passes on a part of what a person allowed (RFC 8693).

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { assertActsFor, assertRefused, check, createClient, WEB_CALLBACK as CALLBACK } from '../check.js';
import { ask, authorize, http, introspect, isError, register, revoke, server, withSecret } from './server.js';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

async function exchangeFor(client, subject_token, parameters = {}) {
  const asked = { subject_token, subject_token_type: ACCESS_TOKEN, ...parameters };
  const answer = await oauth.genericTokenEndpointRequest(server, client, withSecret(client), TOKEN_EXCHANGE, asked, http);
  return oauth.processGenericTokenEndpointResponse(server, client, answer);
}

export async function exchange() {
  const app = await createClient({
    name: 'Front', type: 'confidential', redirect_uris: [CALLBACK], scopes: ['read', 'write'],
  });
  const agent = await createClient({
    name: 'Agent', type: 'confidential', scopes: ['read', 'write'], grant_types: [TOKEN_EXCHANGE, 'client_credentials'],
  });
  const { asked, redeem } = await ask(app, { scope: 'read write' });
  const tokens = await oauth.processAuthorizationCodeResponse(server, app, await redeem(await authorize(asked), withSecret(app)));

  const passed = await check("a service exchanges an app's token for a narrower one of its own (RFC 8693)", async () => {
    const passed = await exchangeFor(agent, tokens.access_token, { scope: 'read' });
    assert.equal(passed.issued_token_type, ACCESS_TOKEN);
    assert.equal(passed.scope, 'read');
    assert.equal(passed.refresh_token, undefined);
    await assertActsFor(passed.access_token, { client: agent.client_id, scopes: ['read'] });
    return passed;
  });

  await check('the new token says who acts for whom', async () => {
    const before = await introspect(app, withSecret(app), tokens.access_token);
    const after = await introspect(agent, withSecret(agent), passed.access_token);
    assert.equal(after.sub, before.sub);
    assert.equal(after.act.sub, agent.client_id);
  });

  await check('nothing more comes of it, and nothing for strangers', async () => {
    await assert.rejects(exchangeFor(agent, passed.access_token, { scope: 'write' }), isError('invalid_scope'));
    await assert.rejects(exchangeFor(agent, 'no token'), isError('invalid_request'));
    const stranger = await register();
    await assert.rejects(exchangeFor(stranger, tokens.access_token), isError('unauthorized_client'));
  });

  await check('when the person takes access back, what was passed on ends with it', async () => {
    await revoke(app, withSecret(app), tokens.refresh_token);
    await assertRefused(passed.access_token);
  });
}
