// The MCP server: two tools, of which one takes more than the proxy asks of everybody. What a caller may, it reads in
// the headers that the proxy sets.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import { LOOPBACK } from '../world.js';

const NEEDS = { write_note: 'write' };

export class Notes {
  static async create(resource) {
    const notes = new Notes();
    notes.metadata = resource.replace('/mcp', '/.well-known/oauth-protected-resource/mcp');
    notes.server = createServer((request, response) => notes.#answer(request, response));
    await once(notes.server.listen(0, LOOPBACK), 'listening');
    notes.port = notes.server.address().port;
    return notes;
  }

  async #answer(request, response) {
    if (request.method !== 'POST') {
      response.writeHead(405, { allow: 'POST' }).end();
      return;
    }
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    const scopes = (request.headers['x-auth-scopes'] ?? '').split(' ');
    const needed = body.method === 'tools/call' ? NEEDS[body.params.name] : undefined;
    if (needed && !scopes.includes(needed)) {
      const challenge = `Bearer error="insufficient_scope", scope="read ${needed}", resource_metadata="${this.metadata}"`;
      response.writeHead(403, { 'www-authenticate': challenge }).end();
      return;
    }
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined, enableJsonResponse: true });
    const server = tools(request.headers);
    response.on('close', () => { transport.close(); server.close(); });
    await server.connect(transport);
    await transport.handleRequest(request, response, body);
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

function tools(headers) {
  const server = new McpServer({ name: 'notes', version: '1.0.0' });
  const say = (what) => ({ content: [{ type: 'text', text: `${what} for ${headers['x-auth-subject']}` }] });
  server.registerTool('read_note', { description: 'Reads a note' }, () => say('read'));
  server.registerTool('write_note', { description: 'Writes a note' }, () => say('written'));
  return server;
}
