// Whoever receives webhooks, on every address that there is, and with a certificate that is trusted on each of them:
// what is led to a wrong one arrives there, and is told of.

import { once } from 'node:events';
import { createServer } from 'node:https';

import { certificate } from '../certificate.js';

/** The certificate's: one label before it. */
export const DOMAIN = 'hooks.example';

export class Receiver {
  /** The address that each connection came to, whether anything was said or not. */
  connections = [];
  /** What was said: to which address, of which host. */
  requests = [];
  #answers = new Map();

  static async create() {
    const receiver = new Receiver();
    const { key, cert, authority } = certificate(`*.${DOMAIN}`);
    receiver.authority = authority;
    receiver.server = createServer({ key, cert }, async (request, response) => {
      const body = Buffer.concat(await request.toArray()).toString();
      const { headers } = request;
      receiver.requests.push({ host: headers.host, to: reached(request.socket), headers, body });
      const { status = 200, location } = receiver.#answers.get(headers.host) ?? {};
      response.writeHead(status, { connection: 'close', ...(location && { location }) }).end('ok');
    });
    receiver.server.on('connection', (socket) => receiver.connections.push(reached(socket)));
    await once(receiver.server.listen(443, '::'), 'listening');
    return receiver;
  }

  /** What a host answers from now on. */
  answer(host, status, location) {
    this.#answers.set(host, { status, location });
  }

  forget() {
    this.connections = [];
    this.requests = [];
  }

  of(host) {
    return this.requests.filter((request) => request.host === host);
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function reached(socket) {
  return socket.localAddress.replace(/^::ffff:/, '');
}
