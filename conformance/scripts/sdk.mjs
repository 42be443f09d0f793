// Calls the official SDK as the Go test says.
import { createReadStream } from 'node:fs';
import Reducto from 'reductoai';
import { APIResource } from 'reductoai/resource';
import { answer } from './lines.mjs';

// What the generated client overrides for its base class to call.
const overrides = ['constructor', 'defaultQuery'];

const own = (prototype, base) =>
  Object.getOwnPropertyNames(prototype).filter(
    (name) => !overrides.includes(name) && !(name in base) && typeof prototype[name] === 'function',
  );

// methodsOf lists what a client or a resource can be asked to do, "parse.run",
// without what its base class has.
function methodsOf(target, base, prefix = '') {
  const methods = own(Object.getPrototypeOf(target), base).map((name) => prefix + name);
  for (const [name, member] of Object.entries(target)) {
    if (member instanceof APIResource) {
      methods.push(...methodsOf(member, APIResource.prototype, `${prefix}${name}.`));
    }
  }
  return methods;
}

// decode makes the arguments that JSON cannot hold.
async function decode(value) {
  if (Array.isArray(value)) return Promise.all(value.map(decode));
  if (value === null || typeof value !== 'object') return value;
  if (value.$file) return Reducto.toFile(Buffer.from(value.$file.text), value.$file.name);
  if (value.$stream) return createReadStream(value.$stream);
  if (value.$fetch) return fetch(value.$fetch);
  const entries = await Promise.all(Object.entries(value).map(async ([k, v]) => [k, await decode(v)]));
  return Object.fromEntries(entries);
}

// classesOf lists which of the SDK's own error classes an error is of.
const classesOf = (err) =>
  Object.entries(Reducto)
    .filter(([, c]) => typeof c === 'function' && c.prototype instanceof Error && err instanceof c)
    .map(([name]) => name)
    .sort();

await answer(async ({ client: options, method, args = [] }) => {
  const client = new Reducto(options);
  if (method === undefined) {
    return { value: methodsOf(client, Object.getPrototypeOf(Reducto.prototype)) };
  }
  const path = method.split('.');
  const name = path.pop();
  const target = path.reduce((at, member) => at[member], client);
  try {
    const { data, response } = await target[name](...(await decode(args))).withResponse();
    return { status: response.status, value: data };
  } catch (err) {
    if (!(err instanceof Reducto.ReductoError)) throw err;
    return { status: err.status, error: { is: classesOf(err), message: err.message, body: err.error ?? null } };
  }
});
