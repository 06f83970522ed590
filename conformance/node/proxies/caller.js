// Whoever calls the API: through a proxy, from an address of their choice, with any headers that they like.

import { request as http } from 'node:http';
import { request as https } from 'node:https';

/** `headers` are pairs, so that one may come twice. */
export function call(proxy, path, { method = 'GET', headers = [], from = '127.0.0.1', host, body, plain = false } = {}) {
  const options = {
    host: '127.0.0.1',
    port: plain ? proxy.plainPort : proxy.port,
    path,
    method,
    localAddress: from,
    servername: proxy.host,
    rejectUnauthorized: false, // made for this run
    agent: false,
    headers: [['Host', host ?? (plain ? proxy.host : `${proxy.host}:${proxy.port}`)], ...sized(method, body), ...headers].flat(),
  };
  return new Promise((resolve, reject) => {
    const request = (plain ? http : https)(options, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      let json;
      try { json = JSON.parse(text); } catch { /* a page of the proxy's own */ }
      resolve({ status: response.statusCode, headers: response.headers, text, json });
    });
    request.on('error', reject);
    request.setTimeout(30_000, () => request.destroy(new Error('no answer within 30 seconds')));
    request.end(body);
  });
}

function sized(method, body) {
  return body || !['GET', 'HEAD'].includes(method) ? [['Content-Length', String(Buffer.byteLength(body ?? ''))]] : [];
}

export const bearer = (credential) => ['Authorization', `Bearer ${credential}`];
export const apiKey = (key) => ['X-API-Key', key];
