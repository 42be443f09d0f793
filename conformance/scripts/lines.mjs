// A conversation of JSON values, a line each: what the Go test asks on standard
// input is answered in order on standard output.
import { createInterface } from 'node:readline';

// answer calls handle with each request and writes what it returns.
export async function answer(handle) {
  for await (const line of createInterface({ input: process.stdin })) {
    let out;
    try {
      out = await handle(JSON.parse(line));
    } catch (err) {
      out = { broken: err?.stack ?? String(err) };
    }
    process.stdout.write(JSON.stringify(out) + '\n');
  }
}
