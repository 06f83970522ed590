// What stands around the server: an API that knows nothing of credentials, and nginx and Caddy with the files of
// `examples/`.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join, resolve } from 'node:path';

import { LOOPBACK, freePort, scratch, start, until } from '../world.js';

const EXAMPLES = resolve(import.meta.dirname, '../../../examples');

/** The company's API: answers the same to everybody, and tells what it was sent. */
export class Api {
  /** What reached it. */
  requests = [];

  static async create() {
    const api = new Api();
    const paths = ['/v1/contacts', '/v1/conversations', '/api/agents', '/v1/profile'];
    api.server = createServer(async (request, response) => {
      let length = 0;
      for await (const chunk of request) length += chunk.length;
      const seen = { method: request.method, url: request.url, raw: request.rawHeaders, headers: request.headers, length };
      api.requests.push(seen);
      const { pathname, searchParams } = new URL(request.url, 'http://api');
      const status = Number(searchParams.get('answer') ?? (paths.includes(pathname) ? 200 : 404));
      response.writeHead(status, { 'content-type': 'application/json', 'x-api': 'toy' });
      response.end(JSON.stringify(seen));
    });
    api.server.listen(0, LOOPBACK);
    await once(api.server, 'listening');
    api.port = api.server.address().port;
    return api;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** The file of `examples/`, with each of `changes` made exactly once. */
function example(name, changes) {
  let text = readFileSync(join(EXAMPLES, name), 'utf8');
  for (const [from, to] of changes) {
    assert.equal(text.split(from).length, 2, `${name} has not one ${JSON.stringify(from)}`);
    text = text.replace(from, to);
  }
  return text;
}

export async function startNginx(server, api) {
  const [port, plainPort] = [await freePort(), await freePort()];
  const folder = join(scratch, 'nginx');
  mkdirSync(folder);
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=api.example.com', '-addext', 'subjectAltName=DNS:api.example.com'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate], { stdio: 'pipe' });
  const file = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'scgi', 'uwsgi'];
  const paths = temporary.map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join(' ');
  writeFileSync(file, example('nginx.conf', [
    ['server 127.0.0.1:8080;', `server ${LOOPBACK}:${server.port};`],
    ['server 127.0.0.1:3000;', `server ${LOOPBACK}:${api.port};`],
    ['listen 80;', `listen ${plainPort};`],
    ['listen 443 ssl;', `listen ${port} ssl;`],
    ['/etc/ssl/certs/api.example.com.pem', certificate],
    ['/etc/ssl/private/api.example.com.key', key],
    ['http {\n', `http { access_log off; ${paths}\n`],
  ]));
  const settings = `daemon off; pid ${join(folder, 'pid')}; error_log stderr;`;
  const nginx = ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find(existsSync) ?? 'nginx';
  start('nginx', nginx, ['-p', folder, '-c', file, '-e', 'stderr', '-g', settings]);
  await until('nginx', () => isListening(port));
  return { name: 'nginx', port, plainPort, host: 'api.example.com' };
}

/** `changes` are made to the file of `examples/`. */
export async function startCaddy(server, api, { port, changes = [] } = {}) {
  port ??= await freePort();
  const folder = join(scratch, 'caddy');
  mkdirSync(folder);
  const file = join(folder, 'Caddyfile');
  const settings = `{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system ${folder}\n}\n`;
  writeFileSync(file, `${settings}${example('Caddyfile', changes)}`);
  const env = {
    ...process.env,
    HOME: folder,
    // A name of this machine: Caddy makes the certificate itself.
    SITE: `https://localhost:${port}`,
    COUNTERSIGN: `${LOOPBACK}:${server.port}`,
    UPSTREAM: `${LOOPBACK}:${api.port}`,
  };
  start('caddy', 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { env });
  await until('Caddy', () => isListening(port));
  const authority = join(folder, 'pki/authorities/local/root.crt');
  return { name: 'Caddy', port, host: 'localhost', authority };
}

function isListening(port) {
  return fetch(`http://${LOOPBACK}:${port}/`).then(() => true, (error) => error.cause?.code !== 'ECONNREFUSED');
}
