// The server as the library knows it, and what every story does with it.

import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';

import { assertAnswers, check, EMAIL, ISSUER, PASSWORD, WEB_CALLBACK as CALLBACK } from '../check.js';
import { Person } from '../person.js';

/** This server is on the loopback. */
export const http = { [oauth.allowInsecureRequests]: true };

export const server = await check('discovery finds an OpenID provider', async () => {
  const issuer = new URL(ISSUER);
  const answer = await oauth.discoveryRequest(issuer, { algorithm: 'oidc', ...http });
  return oauth.processDiscoveryResponse(issuer, answer);
});

/** Somebody at a browser of their own. */
export const person = () => new Person({ email: EMAIL, password: PASSWORD });

/** An app that registers itself (RFC 7591). */
export async function register(metadata = {}) {
  const answer = await oauth.dynamicClientRegistrationRequest(server, {
    client_name: 'Conformance',
    redirect_uris: [CALLBACK],
    grant_types: ['authorization_code', 'refresh_token'],
    ...metadata,
  }, http);
  return oauth.processDynamicClientRegistrationResponse(answer);
}

export const withSecret = (client) => oauth.ClientSecretBasic(client.client_secret);

/** What an authorization request says; `redeem` takes the redirect that answers it. */
export async function ask(client, parameters = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const asked = {
    client_id: client.client_id,
    redirect_uri: CALLBACK,
    response_type: 'code',
    scope: 'openid email profile read',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...parameters,
  };
  const redeem = async (redirect, authentication, options = {}) => {
    assertAnswers(redirect, { callback: CALLBACK, state });
    const answered = oauth.validateAuthResponse(server, client, new URL(redirect), state);
    return oauth.authorizationCodeGrantRequest(
      server, client, authentication, answered, CALLBACK, verifier, { ...http, ...options });
  };
  return { asked, redeem };
}

export const urlWith = (parameters) => `${server.authorization_endpoint}?${new URLSearchParams(parameters)}`;

export const authorize = (parameters, by = person(), options = {}) =>
  by.authorize(urlWith(parameters), { callback: CALLBACK, ...options });

/** The whole way to tokens, whose ID token is checked in all that it says, its signature included. */
export async function signIn(client, authentication, { parameters = {}, by, options = {}, DPoP } = {}) {
  const nonce = parameters.scope?.includes('openid') === false ? undefined : oauth.generateRandomNonce();
  const { asked, redeem } = await ask(client, { ...(nonce && { nonce }), ...parameters });
  const redirect = await authorize(asked, by);
  const answer = await redeem(redirect, authentication, { DPoP });
  const tokens = await oauth.processAuthorizationCodeResponse(
    server, client, answer, { expectedNonce: nonce, requireIdToken: nonce !== undefined, ...options });
  if (nonce) await oauth.validateApplicationLevelSignature(server, answer, http);
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

export async function refresh(client, authentication, token, options = {}) {
  const answer = await oauth.refreshTokenGrantRequest(server, client, authentication, token, { ...http, ...options });
  const tokens = await oauth.processRefreshTokenResponse(server, client, answer);
  if (tokens.id_token) await oauth.validateApplicationLevelSignature(server, answer, http);
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

export async function userInfo(client, tokens, options = {}) {
  const answer = await oauth.userInfoRequest(server, client, tokens.access_token, { ...http, ...options });
  return oauth.processUserInfoResponse(server, client, tokens.claims.sub, answer);
}

export async function introspect(client, authentication, token, options = {}) {
  const answer = await oauth.introspectionRequest(server, client, authentication, token, { ...http, ...options });
  const described = await oauth.processIntrospectionResponse(server, client, answer);
  if (options.requestJwtResponse) await oauth.validateApplicationLevelSignature(server, answer, http);
  return described;
}

export async function revoke(client, authentication, token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, authentication, token, http));
}

/** An OAuth error, in a body or in a challenge; of `invalid_client` the library tells the challenge alone. */
export const isError = (code) => (error) => {
  const challenge = error.cause?.[0];
  const told = challenge?.scheme === 'basic' && error.status === 401 ? 'invalid_client' : challenge?.parameters?.error;
  assert.equal(error.error ?? told, code, error.message);
  return true;
};

/** A redirect that says no. */
export const assertDenied = (redirect, code) => assert.equal(new URL(redirect).searchParams.get('error'), code, redirect);
