// Holds each list of requirements beside this file against what has really passed.
//
// A list is one standard. Each of its entries is a rule in our own words, with its section and level (`must`,
// `must_not`, `should`, `should_not`; read it on from "The server must"), and then one of
//
//   shown_by         tests, as `cargo test` prints them, or checks of a suite, as `suite: words`
//   not_applicable   why the rule cannot apply to this server
//   departs          why the server does otherwise; for `should` and `should_not` only
//
// Rules that bind clients alone are left out.

import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'smol-toml';

const LEVELS = ['must', 'must_not', 'should', 'should_not'];
const EVIDENCE = ['shown_by', 'not_applicable', 'departs'];

const here = import.meta.dirname;
const output = path.join(here, '../output');

/** The names of all tests and checks that have passed. */
function passed() {
  const log = fs.readFileSync(path.join(output, 'tests.log'), 'utf8');
  const names = [...log.matchAll(/^test (\S+)(?: - should panic)? \.\.\. ok$/gm)].map(([, name]) => name);
  for (const suite of fs.readdirSync(path.join(output, 'reports'))) {
    const report = fs.readFileSync(path.join(output, 'reports', suite), 'utf8');
    names.push(...[...report.matchAll(/^  ok {4}(.+)$/gm)].map(([, words]) => `${suite}: ${words}`));
  }
  return new Set(names);
}

/** The one key of `entry` that is among `keys`. */
function one(entry, keys) {
  const found = keys.filter((key) => key in entry);
  if (found.length !== 1) throw new Error(`§${entry.section} wants one of ${keys.join(', ')}: ${JSON.stringify(entry)}`);
  return found[0];
}

function read(file) {
  const { name, title, requirement: entries, ...others } = parse(fs.readFileSync(path.join(here, file), 'utf8'));
  if (!name || !title || !entries || Object.keys(others).length > 0) {
    throw new Error(`${file} wants a name, a title and requirements, and nothing else`);
  }
  const requirements = entries.map((entry) => {
    const level = one(entry, LEVELS);
    const evidence = one(entry, EVIDENCE);
    const unknown = Object.keys(entry).filter((key) => !['section', level, evidence].includes(key));
    if (!entry.section || unknown.length > 0) throw new Error(`${file}: what is ${JSON.stringify(entry)}?`);
    if (evidence === 'departs' && level.startsWith('must')) throw new Error(`${file}: a must is not departed from`);
    return { section: entry.section, level, rule: entry[level], evidence, value: entry[evidence] };
  });
  return { name, requirements };
}

/** What an entry lacks, if it lacks something. */
function lack({ evidence, value }, names) {
  if (evidence !== 'shown_by') return undefined;
  if (value.length === 0) return 'nothing shows it';
  const failed = value.filter((name) => !names.has(name));
  return failed.length > 0 ? `has not passed: ${failed.join(', ')}` : undefined;
}

/** A row of the matrix. */
function row(name, requirements, missing) {
  const count = (holds) => requirements.filter(holds).length;
  const cells = [
    [count(({ level }) => level.startsWith('must')), 'must'],
    [count(({ level }) => level.startsWith('should')), 'should'],
    [count(({ evidence }) => evidence === 'shown_by') - missing.length, 'shown'],
    [count(({ evidence }) => evidence === 'not_applicable'), 'not applicable'],
    [count(({ evidence }) => evidence === 'departs'), 'departs'],
    [missing.length, 'missing'],
  ];
  return name.padEnd(12) + cells.map(([number, word]) => `${String(number).padStart(4)} ${word}`).join('');
}

const names = passed();
const lists = fs.readdirSync(here).filter((file) => file.endsWith('.toml')).toSorted().map(read);
const missing = ({ requirements }) =>
  requirements.map((entry) => ({ ...entry, lack: lack(entry, names) })).filter((entry) => entry.lack);

for (const list of lists) {
  const lacking = missing(list);
  const verdict = lacking.length === 0 ? 'ok  ' : 'FAIL';
  console.log(`  ${verdict}  ${row(list.name, list.requirements, lacking)}`);
  for (const { section, level, rule, lack } of lacking) {
    console.log(`        §${section} ${level.replace('_', ' ')} ${rule}: ${lack}`);
    process.exitCode = 1;
  }
}
console.log(`        ${row('in all', lists.flatMap(({ requirements }) => requirements), lists.flatMap(missing))}`);
