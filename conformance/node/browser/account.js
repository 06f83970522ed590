// Coming, going, and what a person sees of their own account.

import assert from 'node:assert/strict';

import { check } from '../check.js';
import { assertQuiet, confirm, look, open, press, signIn } from './chromium.js';

/** Owns the organization that registering makes; on the plan `free`. */
export const owner = { email: 'owner@example.com', password: 'four grey owls by the mill' };

export async function account() {
  const page = await open();

  await page.goto('/');
  await look(page, 'home');

  await page.goto('/register');
  await look(page, 'register');

  await check('a person registers and is signed in', async () => {
    await page.getByLabel('Company or organization').fill('Owls & Sons');
    await page.getByLabel('Email').fill(owner.email);
    await page.getByLabel('Password').fill(owner.password);
    await press(page, 'Create account');
    assert.match(await page.getByRole('banner').innerText(), /Owls & Sons/);
    assert.match(await page.getByRole('banner').innerText(), /owner@example\.com/);
  });

  await check('the plan `free` has no OAuth apps, and the page names the plan that has', async () => {
    await page.goto('/settings/developer');
    assert.match(await page.getByRole('main').innerText(), /pro/i);
    assert.equal(await page.getByRole('link', { name: 'New app' }).count(), 0);
  });
  await look(page, 'developer-without-plan');

  await page.goto('/logout');
  await look(page, 'logout');

  await check('the person signs out, and the settings ask to sign in', async () => {
    await confirm(page);
    await page.goto('/settings/api');
    assert.equal(new URL(page.url()).pathname, '/login');
  });
  await look(page, 'login');

  await check('a taken address cannot be registered', async () => {
    await page.goto('/register');
    await page.getByLabel('Company or organization').fill('Owls again');
    await page.getByLabel('Email').fill(owner.email);
    await page.getByLabel('Password').fill(owner.password);
    await press(page, 'Create account');
    assert.match(await page.title(), /^Problem: /);
    assert.equal(await page.getByLabel('Email').inputValue(), owner.email);
  });
  await look(page, 'register-refused');

  await check('a wrong password and an unknown address are refused in the same words', async () => {
    const refusals = [];
    for (const email of [owner.email, 'nobody@example.com']) {
      await page.goto('/login');
      await signIn(page, { email, password: 'not the password' });
      refusals.push(await page.getByRole('alert').innerText());
    }
    assert.ok(refusals[0].length > 0);
    assert.equal(refusals[0], refusals[1]);
  });
  await look(page, 'login-refused');

  await check('after signing in the person is where they wanted to be', async () => {
    await page.goto('/settings/account');
    await signIn(page, owner);
    assert.equal(new URL(page.url()).pathname, '/settings/account');
  });

  const elsewhere = await open();
  await check('the account page lists every session, and ends another one', async () => {
    await elsewhere.goto('/login');
    await signIn(elsewhere, owner);
    await page.reload();
    assert.equal(await page.getByText('this device').count(), 1);
    await look(page, 'account');
    await press(page, 'Sign out everywhere else');
    await elsewhere.goto('/settings/account');
    assert.equal(new URL(elsewhere.url()).pathname, '/login');
    await page.goto('/settings/account');
    assert.equal(new URL(page.url()).pathname, '/settings/account');
  });

  await check('the password can be changed, and the old one no longer opens', async () => {
    await page.getByLabel('Current password').fill(owner.password);
    await page.getByLabel('New password').fill('five brown owls by the mill');
    await press(page, 'Change password');
    await elsewhere.goto('/login');
    await signIn(elsewhere, owner);
    assert.ok(await elsewhere.getByRole('alert').isVisible());
    owner.password = 'five brown owls by the mill';
    await signIn(elsewhere, owner);
    assert.match(new URL(elsewhere.url()).pathname, /^\/settings\//);
  });
  await look(page, 'account-changed');

  await check('account pages: the console stayed empty', () => [page, elsewhere].forEach(assertQuiet));
  await page.context().close();
  await elsewhere.context().close();
}
