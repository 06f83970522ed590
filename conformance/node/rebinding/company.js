// A company with webhooks of its own, and with the log of what became of them.

import assert from 'node:assert/strict';

import { until } from '../world.js';

export class Company {
  static async create(server, name) {
    const company = new Company();
    company.server = server;
    company.session = (await server.register(name)).session;
    return company;
  }

  /** Hears of nothing that happens here, only of tests, unless `events` says otherwise. */
  async webhook(host, events = ['grant.replayed']) {
    const made = await this.#call('POST', '/v1/webhooks', { url: `https://${host}/events`, events });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    return { host, id: made.body.id, secret: made.body.secret };
  }

  async test(webhook) {
    const { status, body } = await this.#call('POST', `/v1/webhooks/${webhook.id}/test`);
    assert.equal(status, 202, JSON.stringify(body));
    return body.id;
  }

  async redeliver(webhook, delivery) {
    const { status, body } = await this.#call('POST', `/v1/webhooks/${webhook.id}/deliveries/${delivery}/redeliver`);
    assert.equal(status, 202, JSON.stringify(body));
  }

  async log(webhook) {
    const { status, body } = await this.#call('GET', `/v1/webhooks/${webhook.id}/deliveries`);
    assert.equal(status, 200, JSON.stringify(body));
    return body.data;
  }

  /** Of a delivery, when the log has so many. */
  async attempts(webhook, delivery, count = 1) {
    let attempts;
    await until(`attempt ${count} at ${webhook.host}`, async () => {
      attempts = (await this.log(webhook)).find(({ id }) => id === delivery)?.attempts;
      return attempts?.length >= count;
    });
    assert.equal(attempts.length, count);
    return attempts;
  }

  /** Sends a test, and tells what became of it. */
  async deliver(webhook) {
    const [attempt] = await this.attempts(webhook, await this.test(webhook));
    return attempt;
  }

  async makeKey() {
    const { status, body } = await this.#call('POST', '/v1/api-keys', { label: 'Watched', scopes: ['read'] });
    assert.equal(status, 201, JSON.stringify(body));
  }

  #call(method, path, body) {
    return this.server.call(this.session, method, path, body);
  }
}
