// A person at a browser that knows only HTTP and HTML: keeps cookies, follows redirects, fills in forms.
// No script runs, so whatever works here works without JavaScript.

import { parse } from 'node-html-parser';

export class Person {
  /** By host name, as browsers keep them: the port does not separate them. */
  #cookies = new Map();

  constructor({ email, password }) {
    Object.assign(this, { email, password });
  }

  /**
   * Opens a client's authorization URL, signs in and decides as asked, and returns the URL to which the
   * browser is then sent. Without `scopes` the boxes stay as the page has them.
   */
  async authorize(url, { callback, decision = 'approve', scopes }) {
    let page = await this.#openSignedIn(url, { until: callback });
    if (page.document) {
      page = await this.submit(page, this.#question(page), { decision, scope: scopes }, { until: callback });
    }
    if (page.document) throw new Error(`the decision led to ${page.status} ${page.url}:\n${text(page)}`);
    return page.url;
  }

  /** Opens what a device shows, compares the code, and decides. */
  async decideOnDevice(url, { decision = 'approve' } = {}) {
    let page = await this.#openSignedIn(url);
    const form = find(page, (form) => form.querySelector('[name=user_code]') !== null);
    if (!form) throw new Error(`no code to enter on ${page.status} ${page.url}:\n${text(page)}`);
    page = await this.submit(page, form, {});
    page = await this.submit(page, this.#question(page), { decision });
    if (page.status !== 200) throw new Error(`the decision led to ${page.status} ${page.url}:\n${text(page)}`);
  }

  async #openSignedIn(url, options) {
    const page = await this.open(url, options);
    if (!find(page, signsIn)) return page;
    const next = await this.submit(page, find(page, signsIn), this, options);
    if (find(next, signsIn)) throw new Error(`the sign-in was refused:\n${text(next)}`);
    return next;
  }

  #question(page) {
    const form = find(page, decides);
    if (!form) throw new Error(`nothing to decide on ${page.status} ${page.url}:\n${text(page)}`);
    return form;
  }

  /** Fetches a URL and follows redirects to a page, or up to the first URL that starts with `until`. */
  async open(url, { until, ...request } = {}) {
    for (let hops = 0; hops < 10; hops++) {
      if (until && url.startsWith(until)) return { url };
      const { hostname } = new URL(url);
      const cookies = this.#cookies.get(hostname) ?? new Map();
      this.#cookies.set(hostname, cookies);
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const answer = await fetch(url, {
        ...request,
        redirect: 'manual',
        headers: { accept: 'text/html', ...(cookie && { cookie }), ...request.headers },
      });
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = line.match(/^([^=;]+)=([^;]*)/);
        const isGone = /max-age=0|expires=thu, 01.jan.1970/i.test(line);
        isGone ? cookies.delete(name) : cookies.set(name, value);
      }
      const location = answer.headers.get('location');
      if (!location) return { url, status: answer.status, document: parse(await answer.text()) };
      url = new URL(location, url).href;
      request = {};
    }
    throw new Error(`redirected in circles, last to ${url}`);
  }

  /** Posts a form as a browser would: what it holds, save for the fields that are given. */
  async submit(page, form, given, { until } = {}) {
    const fields = new URLSearchParams();
    for (const input of form.querySelectorAll('input')) {
      const [name, type] = [input.getAttribute('name'), input.getAttribute('type')];
      const isLeftAsItIs = type === 'hidden' || given[name] === undefined;
      const isTicked = !/^(checkbox|radio)$/.test(type) || input.hasAttribute('checked');
      const isSent = name && isLeftAsItIs && isTicked && !input.hasAttribute('disabled');
      if (isSent) fields.append(name, input.getAttribute('value') ?? '');
    }
    for (const [name, values] of Object.entries(given)) {
      for (const value of [values ?? []].flat()) fields.append(name, value);
    }
    const action = new URL(form.getAttribute('action') || page.url, page.url).href;
    return this.open(action, { method: 'POST', body: fields, headers: { origin: new URL(action).origin }, until });
  }
}

const find = (page, matches) => page.document?.querySelectorAll('form').find(matches);
const decides = (form) => form.querySelector('[name=decision]') !== null;
const signsIn = (form) => form.querySelector('[name=email]') !== null && form.querySelector('[name=password]') !== null;
const text = (page) => page.document.querySelector('main')?.structuredText ?? page.document.structuredText;
