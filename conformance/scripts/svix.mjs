// Signs and verifies with the library of Svix as the Go test says. Payloads are
// in base64, because they need not be text.
import { Webhook, WebhookVerificationError } from 'svix';
import { answer } from './lines.mjs';

await answer(({ secret, payload, id, at, headers }) => {
  const webhook = new Webhook(secret);
  const body = Buffer.from(payload, 'base64');
  if (headers === undefined) {
    return { signature: webhook.sign(id, new Date(at * 1000), body) };
  }
  try {
    webhook.verify(body, headers);
    return { verified: true };
  } catch (err) {
    if (!(err instanceof WebhookVerificationError)) throw err;
    return { verified: false, reason: err.message };
  }
});
