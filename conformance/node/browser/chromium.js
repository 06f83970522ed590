// A real browser, and what is held against every page that it sees.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';

import { check, ISSUER } from '../check.js';

const SCREENSHOTS = `${process.env.OUTPUT ?? 'output'}/screenshots`;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const SCHEMES = ['light', 'dark'];
const WIDTHS = [1280, 390];

let chrome;

/** The paths of all pages that were looked at. */
export const seen = new Set();

export async function start() {
  await mkdir(SCREENSHOTS, { recursive: true });
  chrome = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
}

export const stop = () => chrome.close();

/** A fresh profile with one page. Whatever the browser complains of gathers in `page.complaints`. */
export async function open({ javaScriptEnabled = true } = {}) {
  const context = await chrome.newContext({ baseURL: ISSUER, javaScriptEnabled, reducedMotion: 'reduce' });
  context.setDefaultTimeout(10_000);
  // As an init script it does not meet the page's Content-Security-Policy, which would refuse it.
  await context.addInitScript({ path: AXE });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(error.message));
  page.on('requestfailed', (request) => {
    // Leaving a page ends what it was still loading.
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') page.complaints.push(`${request.url()}: ${errorText}`);
  });
  page.on('console', (message) => {
    // An error page is an answer of 4xx, which Chromium reports as a resource that did not load.
    const isErrorPage = message.text().startsWith('Failed to load resource') && message.location().url === page.url();
    if (['error', 'warning'].includes(message.type()) && !isErrorPage) page.complaints.push(message.text());
  });
  return page;
}

/** Photographs the page in both schemes and widths, and looks for what a person could not use. */
export const look = (page, name) =>
  check(`${name}: no axe violation and no overflow, light and dark, wide and narrow`, async () => {
    const found = [];
    seen.add(new URL(page.url()).pathname);
    for (const colorScheme of SCHEMES) {
      for (const width of WIDTHS) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        await page.screenshot({ path: `${SCREENSHOTS}/${name}-${colorScheme}-${width}.png`, fullPage: true });
        const { violations } = await page.evaluate(() => axe.run());
        for (const { id, nodes } of violations) {
          found.push(`${colorScheme} ${width}: ${id} at ${nodes.map((node) => node.target).join(', ')}`);
        }
        const wide = await page.evaluate(() => document.scrollingElement.scrollWidth);
        if (wide > width) found.push(`${colorScheme} ${width}: the page is ${wide} wide`);
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 800 });
    assert.deepEqual(found, []);
  });

export const assertQuiet = (page) => assert.deepEqual(page.complaints, []);

/** Clicks what leads to another page and waits until that is there. */
export const follow = (page, target) => Promise.all([page.waitForEvent('load'), target.click()]);

export const press = (page, name) => follow(page, page.getByRole('button', { name }));

export const go = (page, name) => follow(page, page.getByRole('link', { name }));

/** Presses the one button that the page itself, not the bar above it, has. */
export const confirm = (page) => follow(page, page.getByRole('main').getByRole('button'));

export async function signIn(page, { email, password }) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await press(page, 'Sign in');
}

/** Ticks these scopes and no others, as far as the page lets one choose. */
export async function tick(page, scopes) {
  for (const box of await page.locator('input[name=scope][type=checkbox]').all()) {
    await box.setChecked(scopes.includes(await box.getAttribute('value')));
  }
}

/** An app on the loopback, so that the browser has somewhere to arrive; in a popup it tells the window that opened it. */
export async function listen() {
  const posted = [];
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') posted.push({ headers: request.headers, body: await text(request) });
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><html lang="en"><title>App</title><link rel="icon" href="data:,"><h1>Back in the app</h1>
      <script>window.opener?.postMessage(location.href, location.origin)</script>`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { callback: `http://127.0.0.1:${server.address().port}/callback`, posted, close };
}
