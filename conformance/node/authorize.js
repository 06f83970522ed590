// `node authorize.js URL CALLBACK`: the person of this suite signs in and approves; prints where the browser is
// sent. For the suites that are not written in JavaScript.

import { EMAIL, PASSWORD } from './check.js';
import { Person } from './person.js';

const [url, callback] = process.argv.slice(2);
console.log(await new Person({ email: EMAIL, password: PASSWORD }).authorize(url, { callback }));
