// A web application whose people sign in by Auth.js (@auth/core), which is told the issuer and no more.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Auth } from '@auth/core';

import { check, createClient, EMAIL, ISSUER, makeKey, PASSWORD } from './check.js';
import { Person } from './person.js';

const ID = 'countersign';

/** The library's handler behind HTTP, and what it logs. */
async function open(client, provider = {}) {
  const complaints = [];
  const config = {
    basePath: '/auth',
    secret: 'of this run only',
    trustHost: true,
    providers: [{
      id: ID,
      name: 'Countersign',
      type: 'oidc',
      issuer: ISSUER,
      clientId: client.client_id,
      clientSecret: client.client_secret,
      ...provider,
    }],
    callbacks: {
      jwt: ({ token, account }) => ({ ...token, ...(account && { access: account.access_token }) }),
      session: ({ session, token }) => ({ ...session, sub: token.sub, access: token.access }),
    },
    logger: { error: (error) => complaints.push(String(error.cause?.err ?? error)), warn: () => {}, debug: () => {} },
  };
  const site = createServer(async (request, response) => {
    if (!request.url.startsWith('/auth/')) {
      response.end('The application');
      return;
    }
    const body = ['GET', 'HEAD'].includes(request.method) ? undefined : Buffer.concat(await request.toArray());
    const { method, headers: sent } = request;
    const answer = await Auth(new Request(`http://${sent.host}${request.url}`, { method, headers: sent, body }), config);
    const headers = [...answer.headers].filter(([name]) => name !== 'set-cookie').flat();
    response.writeHead(answer.status, [...headers, ...answer.headers.getSetCookie().flatMap((cookie) => ['set-cookie', cookie])]);
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await once(site.listen(0, '127.0.0.1'), 'listening');
  const home = `http://127.0.0.1:${site.address().port}`;
  return {
    home,
    complaints,
    callback: `${home}/auth/callback/${ID}`,
    close: () => { site.close(); site.closeAllConnections(); },
  };
}

/** Presses the library's own button, signs in and decides; returns where the person arrives. */
async function signIn(app, person, decision = 'approve') {
  const page = await person.open(`${app.home}/auth/signin`);
  const form = page.document.querySelector(`form[action$="/auth/signin/${ID}"]`);
  const { url } = await person.submit(page, form, {}, { until: `${ISSUER}/oauth/authorize` });
  const asked = new URL(url);
  asked.searchParams.set('prompt', 'consent');
  return person.open(await person.authorize(asked.href, { callback: app.callback, decision }));
}

async function session(app, person) {
  const { document } = await person.open(`${app.home}/auth/session`);
  return JSON.parse(document.toString());
}

const registration = {
  name: 'Application with Auth.js',
  redirect_uris: [`http://127.0.0.1/auth/callback/${ID}`],
  scopes: ['openid', 'profile', 'email', 'read'],
};
const client = await createClient({ ...registration, type: 'confidential' });
const publicClient = await createClient({ ...registration, type: 'public' });
const key = await makeKey('RS256');
const keyClient = await createClient({
  ...registration, type: 'confidential', token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.jwk] },
});

for (const [name, by, provider] of [
  ['secret by Basic', client, {}],
  ['secret by POST body', client, { client: { token_endpoint_auth_method: 'client_secret_post' } }],
  ['key', keyClient, { client: { token_endpoint_auth_method: 'private_key_jwt' }, token: { clientPrivateKey: key } }],
  ['public', publicClient, { client: { token_endpoint_auth_method: 'none' } }],
  ['state and nonce besides PKCE', client, { checks: ['pkce', 'state', 'nonce'] }],
  ['profile by userinfo', client, { idToken: false }],
]) {
  const app = await open(by, provider);
  await check(`${name}: a person signs in and has a session under their name`, async () => {
    const person = new Person({ email: EMAIL, password: PASSWORD });
    await signIn(app, person);
    assert.deepEqual(app.complaints, []);
    const { user, access } = await session(app, person);
    assert.equal(user?.email, EMAIL);
    const answer = await fetch(`${ISSUER}/oauth/userinfo`, { headers: { authorization: `Bearer ${access}` } });
    assert.equal((await answer.json()).email, EMAIL);
  });
  app.close();
}

const app = await open(client);

await check('a person who denies has no session, and the application says so', async () => {
  const person = new Person({ email: EMAIL, password: PASSWORD });
  const { url } = await signIn(app, person, 'deny');
  assert.match(url, /\/auth\/(error|signin)\?/);
  assert.equal(await session(app, person), null);
});

await check('whoever has signed in signs out of the application', async () => {
  const person = new Person({ email: EMAIL, password: PASSWORD });
  await signIn(app, person);
  assert.ok((await session(app, person)).user);
  const page = await person.open(`${app.home}/auth/signout`);
  await person.submit(page, page.document.querySelector('form[action$="/auth/signout"]'), {});
  assert.equal(await session(app, person), null);
});

app.close();
