// A program that people connect to MCP servers, as the SDK wants one: it keeps what it is given, and opens a browser.

import { randomUUID } from 'node:crypto';

export const CALLBACK = 'http://127.0.0.1:43210/callback';

export class Host {
  /** Where the person was to be sent. */
  asked = [];
  /** What it was told to forget. */
  forgotten = [];
  #kept = {};

  /** `clientMetadataUrl` and `dpop` as the SDK knows them. */
  constructor({ metadata = {}, ...more } = {}) {
    this.metadata = metadata;
    Object.assign(this, more);
  }

  get redirectUrl() {
    return CALLBACK;
  }

  get clientMetadata() {
    return {
      client_name: 'Assistant',
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...this.metadata,
    };
  }

  state() {
    this.#kept.state = randomUUID();
    return this.#kept.state;
  }

  redirectToAuthorization(url) {
    this.asked.push(url);
  }

  invalidateCredentials(what) {
    this.forgotten.push(what);
    if (what === 'all' || what === 'client') this.#kept.client = undefined;
    if (what === 'all' || what === 'tokens') this.#kept.tokens = undefined;
  }

  clientInformation() { return this.#kept.client; }
  saveClientInformation(client) { this.#kept.client = client; }
  tokens() { return this.#kept.tokens; }
  saveTokens(tokens) { this.#kept.tokens = tokens; }
  codeVerifier() { return this.#kept.verifier; }
  saveCodeVerifier(verifier) { this.#kept.verifier = verifier; }
  discoveryState() { return this.#kept.discovery; }
  saveDiscoveryState(discovery) { this.#kept.discovery = discovery; }
}
