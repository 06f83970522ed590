// A client with a key of its own, which proves with each request that it holds it (RFC 9449).

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Prover {
  #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  /** What the last answer said. */
  nonce;

  /** For one request; `token` is what it is sent with. */
  proof(method, url, token) {
    const header = { typ: 'dpop+jwt', alg: 'ES256', jwk: this.#pair.publicKey.export({ format: 'jwk' }) };
    const claims = { jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000), nonce: this.nonce };
    if (token) claims.ath = createHash('sha256').update(token).digest('base64url');
    const message = `${encode(header)}.${encode(claims)}`;
    const key = { key: this.#pair.privateKey, dsaEncoding: 'ieee-p1363' };
    return `${message}.${sign('sha256', Buffer.from(message), key).toString('base64url')}`;
  }

  /** The headers of a request through a proxy. */
  headers(proxy, token, path, method = 'GET') {
    const url = `https://${proxy.host}:${proxy.port}${path}`;
    return [['Authorization', `DPoP ${token}`], ['DPoP', this.proof(method, url, token)]];
  }
}
