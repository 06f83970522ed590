// An express application whose people sign in with Countersign, with passport-oauth2: PKCE, state in its session,
// secret in the POST body. The person's browser really arrives at the application.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import OAuth2Strategy from 'passport-oauth2';

import {
  check, assertActsFor, assertAnswers, assertRefused,
  CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, EMAIL, ISSUER, PASSWORD,
} from './check.js';
import { Person } from './person.js';

const app = express();
const listener = app.listen(0, '127.0.0.1');
await once(listener, 'listening');
const home = `http://127.0.0.1:${listener.address().port}`;
const callback = `${home}/callback`;

const strategy = new OAuth2Strategy(
  {
    authorizationURL: `${ISSUER}/oauth/authorize`,
    tokenURL: `${ISSUER}/oauth/token`,
    clientID: CONFIDENTIAL_CLIENT,
    clientSecret: CONFIDENTIAL_SECRET,
    callbackURL: callback,
    scope: ['read', 'write'],
    pkce: true,
    state: true,
  },
  (access, refresh, answer, profile, done) => done(null, { access, refresh, ...answer, profile }),
);
strategy.userProfile = (token, done) => {
  strategy._oauth2.useAuthorizationHeaderforGET(true);
  strategy._oauth2.get(`${ISSUER}/v1/profile`, token, (error, body) => done(error, error ? undefined : JSON.parse(body)));
};
passport.use(strategy);

app.use(session({ secret: 'of this run only', resave: false, saveUninitialized: false }));
app.get('/login', passport.authenticate('oauth2', { session: false }));
app.get('/callback', passport.authenticate('oauth2', { session: false }), (request, response) => response.json(request.user));
app.use((error, request, response, next) => response.status(500).json({ code: error.code, message: error.message }));

/** What the library does with a token request; its own functions call back. */
const requestToken = (value, parameters) =>
  new Promise((resolve, reject) =>
    strategy._oauth2.getOAuthAccessToken(value, parameters, (error, access, refresh, answer) =>
      error ? reject(Object.assign(new Error(error.data), error)) : resolve({ access, refresh, ...answer })));

const person = new Person({ email: EMAIL, password: PASSWORD });
const arrive = async (redirect) => {
  const { status, document } = await person.open(redirect);
  return { status, body: document.toString() };
};

await check('a person who denies does not get in', async () => {
  const { status } = await arrive(await person.authorize(`${home}/login`, { callback, decision: 'deny' }));
  assert.equal(status, 401);
});

const redirect = await check('the application sends the person to sign in, and the answer carries state and iss', async () => {
  const { url } = await person.open(`${home}/login`, { until: `${ISSUER}/oauth/authorize` });
  const asked = new URL(url).searchParams;
  assert.equal(asked.get('code_challenge_method'), 'S256');
  const answer = await person.authorize(url, { callback });
  assertAnswers(answer, { callback, state: asked.get('state') });
  return answer;
});

await check('an answer with a foreign state does not get in', async () => {
  const forged = new URL(redirect);
  forged.searchParams.set('state', 'forged');
  const { status } = await arrive(forged.href);
  assert.equal(status, 403);
});

const user = await check('the application exchanges the code and lets the person in', async () => {
  const { status, body } = await arrive(await person.authorize(`${home}/login`, { callback }));
  assert.equal(status, 200, body);
  return JSON.parse(body);
});

await check('the profile that the application fetches is the person who signed in', () =>
  assert.equal(user.profile.user.email, EMAIL));

await check('the access token acts for the person at /v1', () =>
  assertActsFor(user.access, { client: CONFIDENTIAL_CLIENT, scopes: ['read', 'write'] }));

const refreshed = await check('refreshing gives a new pair that works', async () => {
  const tokens = await requestToken(user.refresh, { grant_type: 'refresh_token' });
  assert.ok(tokens.refresh);
  assert.notEqual(tokens.refresh, user.refresh);
  await assertActsFor(tokens.access, { client: CONFIDENTIAL_CLIENT, scopes: ['read', 'write'] });
  return tokens;
});

await check('after revocation, which passport leaves to the application, the tokens are refused', async () => {
  const answer = await fetch(`${ISSUER}/oauth/revoke`, {
    method: 'POST',
    body: new URLSearchParams({
      token: refreshed.refresh, client_id: CONFIDENTIAL_CLIENT, client_secret: CONFIDENTIAL_SECRET,
    }),
  });
  assert.equal(answer.status, 200);
  await assertRefused(refreshed.access);
  await assert.rejects(requestToken(refreshed.refresh, { grant_type: 'refresh_token' }), { message: /invalid_grant/ });
});

await check('client credentials through the same library, with its empty `code`', async () => {
  const tokens = await requestToken('', { grant_type: 'client_credentials', scope: 'read' });
  await assertActsFor(tokens.access, { client: CONFIDENTIAL_CLIENT, email: null, scopes: ['read'] });
});

listener.close();
listener.closeAllConnections();
