// An MCP server without a line of code about tokens, behind Caddy and examples/Caddyfile, and somebody who is allowed
// to use it. Countersign is told of it as a resource, and no app is registered.

import { once } from 'node:events';
import { createServer } from 'node:https';

import { certificate } from '../certificate.js';
import { Person } from '../person.js';
import { startCaddy } from '../proxies/world.js';
import { Database, LOOPBACK, Server, freePort } from '../world.js';
import { Notes } from './notes.js';

// Caddy's certificate is its own.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
process.removeAllListeners('warning');

export async function open() {
  const port = await freePort();
  const resource = `https://localhost:${port}/mcp`;
  const site = await Site.create();
  const database = await Database.create();
  const server = await Server.create(database, {
    COUNTERSIGN_TRUSTED_PROXIES: LOOPBACK,
    COUNTERSIGN_RESOURCES: resource,
    COUNTERSIGN_DPOP_NONCES: 'everywhere',
    // The documents of apps are on this machine.
    COUNTERSIGN_OUTGOING_TO_PRIVATE: 'true',
    SSL_CERT_FILE: site.authority,
  });
  const notes = await Notes.create(resource);
  // All of MCP is POST, so the method says nothing of what a call takes: who may read may come in.
  const question = `uri /v1/auth/verify?scope=read&resource=${resource}`;
  const proxy = await startCaddy(server, notes, { port, changes: [['uri /v1/auth/verify?', question]] });
  await server.register('reader');
  const end = () => { site.end(); notes.end(); };
  return { resource, site, database, server, notes, proxy, end };
}

/** Whoever was registered, at a browser of their own. */
export const reader = () => new Person({ email: 'reader@example.com', password: 'seven quiet herons at the weir' });

/** Where an app says what it is: its address is its `client_id`. */
class Site {
  documents = {};
  /** Paths that were asked for. */
  requests = [];

  static async create() {
    const site = new Site();
    const { key, cert, authority } = certificate('localhost');
    site.authority = authority;
    site.server = createServer({ key, cert }, ({ url }, response) => {
      site.requests.push(url);
      const document = site.documents[url];
      response.writeHead(document ? 200 : 404, { 'content-type': 'application/json', 'cache-control': 'max-age=300' });
      response.end(JSON.stringify(document ?? {}));
    });
    await once(site.server.listen(0, LOOPBACK), 'listening');
    return site;
  }

  /** Returns the address of the document. */
  publish(path, metadata) {
    const url = `https://localhost:${this.server.address().port}${path}`;
    this.documents[path] = { client_id: url, ...metadata };
    return url;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
