// A person signs out where an app sends them (RP-Initiated Logout), and the other apps are told (Back-Channel Logout).

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';

import { check, ISSUER } from '../check.js';
import { ask, assertDenied, authorize, person, register, server, signIn, withSecret } from './server.js';

const BYE = 'https://app.example/bye';
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

/** An app's logout endpoint, which keeps what it is sent. */
async function listen() {
  const sent = [];
  const site = createServer(async (request, response) => {
    sent.push(new URLSearchParams(Buffer.concat(await request.toArray()).toString()));
    response.writeHead(200, { 'cache-control': 'no-store' }).end();
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  const close = () => { site.close(); site.closeAllConnections(); };
  return { uri: `http://127.0.0.1:${site.address().port}/logout`, sent, close };
}

async function until(isSo) {
  for (let attempt = 0; !isSo(); attempt++) {
    if (attempt === 200) throw new Error('nobody was told');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function logout() {
  const receiver = await listen();
  try {
    const app = await register({ post_logout_redirect_uris: [BYE] });
    const other = await register({ backchannel_logout_uri: receiver.uri, backchannel_logout_session_required: true });
    const by = person();
    const { id_token } = await signIn(app, withSecret(app), { by });
    const there = await signIn(other, withSecret(other), { by });

    await check('an app signs its person out and gets them back (RP-Initiated Logout)', async () => {
      const state = oauth.generateRandomState();
      const asked = { id_token_hint: id_token, post_logout_redirect_uri: BYE, client_id: app.client_id, state };
      const { url } = await by.open(`${server.end_session_endpoint}?${new URLSearchParams(asked)}`, { until: BYE });
      assert.equal(url, `${BYE}?state=${state}`);
      const { asked: again } = await ask(app, { prompt: 'none' });
      assertDenied(await authorize(again, by), 'login_required');
    });

    await check('whoever is sent without an ID token is asked, and nobody is sent where no app belongs', async () => {
      const by = person();
      await signIn(app, withSecret(app), { by });
      const page = await by.open(`${server.end_session_endpoint}?${new URLSearchParams({ post_logout_redirect_uri: BYE, client_id: app.client_id })}`);
      assert.equal(page.status, 200);
      const evil = { post_logout_redirect_uri: 'https://evil.example', client_id: app.client_id };
      assert.equal((await by.open(`${server.end_session_endpoint}?${new URLSearchParams(evil)}`)).status, 400);
      const { asked: again } = await ask(app, { prompt: 'none' });
      assert.ok(new URL(await authorize(again, by)).searchParams.get('code'), 'they are still signed in');
    });

    await check('the other app is told with a logout token of the same session (Back-Channel Logout)', async () => {
      await until(() => receiver.sent.length > 0);
      const keys = createRemoteJWKSet(new URL(server.jwks_uri));
      const expected = { issuer: ISSUER, audience: other.client_id, maxTokenAge: '2m', typ: 'logout+jwt' };
      const { payload } = await jwtVerify(receiver.sent[0].get('logout_token'), keys, expected);
      assert.deepEqual(payload.events, { [LOGOUT]: {} });
      assert.deepEqual([payload.sub, payload.sid], [there.claims.sub, there.claims.sid]);
      assert.equal(payload.nonce, undefined);
      assert.ok(payload.jti);
    });
  } finally {
    receiver.close();
  }
}
