// What every suite is handed, and how it reports.

import assert from 'node:assert/strict';
import { generateKeyPair } from 'oauth4webapi';

/** Where the server is, and who may do what there; `run` creates all of it afresh for each suite. */
export const {
  ISSUER,
  EMAIL,
  PASSWORD,
  PUBLIC_CLIENT,
  CONFIDENTIAL_CLIENT,
  CONFIDENTIAL_SECRET,
} = process.env;

/** An API key of the organization, with `admin`. */
const { ADMIN_KEY } = process.env;

/**
 * Registered as `https://app.example/callback` and, without a port, `http://127.0.0.1/callback`:
 * a native app listens wherever it finds room (RFC 8252 §7.3).
 */
export const WEB_CALLBACK = 'https://app.example/callback';
export const LOOPBACK_CALLBACK = 'http://127.0.0.1:43210/callback';

/** One line per check. A failed one is reported and does not stop those after it. */
export async function check(words, body) {
  try {
    const value = await body();
    console.log(`  ok    ${words}`);
    return value;
  } catch (error) {
    console.log(`  FAIL  ${words}`);
    console.log(explain(error).replace(/^/gm, '        '));
    process.exitCode = 1;
  }
}

/** The error and what it came from, as libraries hide the server's answer in `cause` or beside the message. */
function explain(error) {
  const parts = [error.message ?? String(error)];
  if (error.error) parts.push(`${error.error}: ${error.error_description}`);
  if (error.data?.payload) parts.push(JSON.stringify(error.data.payload));
  if (error.oauthError?.data) parts.push(error.oauthError.data);
  if (error.cause && !error.error) parts.push(`because ${error.cause.message ?? JSON.stringify(error.cause)}`);
  return parts.join('\n');
}

/** An app that the organization registers: all that `/v1/clients` takes, and its secret. */
export async function createClient(registration) {
  const answer = await fetch(`${ISSUER}/v1/clients`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(registration),
  });
  const body = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(body));
  return body;
}

/** A pair of keys, and its public half as a client publishes it. */
export async function makeKey(alg, kid = alg) {
  const pair = await generateKeyPair(alg, { extractable: true });
  const { key_ops, ext, ...published } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  return { key: pair.privateKey, kid, pair, jwk: { ...published, kid, alg, use: 'sig' } };
}

/** What the credential API says of a bearer token. */
export async function whoIs(token) {
  const answer = await fetch(`${ISSUER}/v1/auth/test`, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

/** The token is accepted as this client's, for this person, with these scopes. */
export async function assertActsFor(token, { client, email = EMAIL, scopes }) {
  const { status, body } = await whoIs(token);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.authenticated, true);
  assert.equal(body.user?.email ?? null, email);
  assert.ok(JSON.stringify(body.client).includes(client), `client is ${JSON.stringify(body.client)}`);
  assert.deepEqual(body.scopes.toSorted(), scopes.toSorted());
}

/** The token is refused as RFC 6750 §3 and RFC 9728 §5.1 ask. */
export async function assertRefused(token) {
  const { status, headers, body } = await whoIs(token);
  assert.equal(status, 401);
  assert.equal(body.error.code, 'unauthorized');
  assert.match(headers.get('www-authenticate'), /^Bearer .*resource_metadata="/);
}

/** The redirect back to the client carries its state and says who answers (RFC 9207). */
export function assertAnswers(redirect, { callback, state }) {
  const url = new URL(redirect);
  assert.equal(url.origin + url.pathname, callback);
  assert.equal(url.searchParams.get('state'), state);
  assert.equal(url.searchParams.get('iss'), ISSUER);
}
