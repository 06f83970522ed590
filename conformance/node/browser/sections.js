// Comes last: whether the other stories have been everywhere.

import assert from 'node:assert/strict';

import { check, EMAIL, PASSWORD } from '../check.js';
import { open, seen, signIn } from './chromium.js';

export async function sections() {
  const page = await open();
  await check('no section of the settings was left out', async () => {
    await page.goto('/settings/account');
    await signIn(page, { email: EMAIL, password: PASSWORD });
    const links = await page.locator('nav a').evaluateAll((all) => all.map((link) => new URL(link.href).pathname));
    assert.ok(links.includes('/settings/account'));
    assert.deepEqual(links.filter((path) => !seen.has(path)), []);
  });
  await page.context().close();
}
