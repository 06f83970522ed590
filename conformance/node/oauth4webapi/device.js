// A device without a browser, and its person with a phone (RFC 8628).

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import * as oauth from 'oauth4webapi';

import { assertActsFor, check, createClient } from '../check.js';
import { http, isError, person, register, server, userInfo } from './server.js';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

async function start(client, parameters = { scope: 'openid email read' }) {
  const answer = await oauth.deviceAuthorizationRequest(server, client, oauth.None(), parameters, http);
  return oauth.processDeviceAuthorizationResponse(server, client, answer);
}

async function poll(client, { device_code }) {
  const answer = await oauth.deviceCodeGrantRequest(server, client, oauth.None(), device_code, http);
  const tokens = await oauth.processDeviceCodeResponse(server, client, answer);
  if (tokens.id_token) await oauth.validateApplicationLevelSignature(server, answer, http);
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

export async function device() {
  const television = await createClient({
    name: 'Television', type: 'public', scopes: ['openid', 'email', 'read'], grant_types: [DEVICE_CODE, 'refresh_token'],
  });

  await check('a device waits, its person allows it, and it gets tokens (RFC 8628)', async () => {
    const codes = await start(television);
    assert.ok(codes.verification_uri_complete.includes(codes.user_code));
    await assert.rejects(poll(television, codes), isError('authorization_pending'));
    await person().decideOnDevice(codes.verification_uri_complete);
    await sleep(codes.interval * 1000);
    const tokens = await poll(television, codes);
    assert.ok(tokens.refresh_token);
    await assertActsFor(tokens.access_token, { client: television.client_id, scopes: ['openid', 'email', 'read'] });
    await userInfo(television, tokens);
    await assert.rejects(poll(television, codes), isError('invalid_grant'));
  });

  await check('a device that does not wait is told to', async () => {
    const codes = await start(television);
    await assert.rejects(poll(television, codes), isError('authorization_pending'));
    await assert.rejects(poll(television, codes), isError('slow_down'));
  });

  await check('a device whose person denies it is told so', async () => {
    const codes = await start(television);
    await person().decideOnDevice(codes.verification_uri_complete, { decision: 'deny' });
    await assert.rejects(poll(television, codes), isError('access_denied'));
  });

  await check('an app that registered itself for it may be a device', async () => {
    const app = await register({ grant_types: [DEVICE_CODE, 'refresh_token'], redirect_uris: [], token_endpoint_auth_method: 'none' });
    const codes = await start(app, {});
    await person().decideOnDevice(codes.verification_uri_complete);
    assert.equal((await poll(app, codes)).token_type, 'bearer');
  });
}
