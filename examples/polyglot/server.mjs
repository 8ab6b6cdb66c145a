// A payment service that charges a card once for each Idempotency-Key, however often it is asked and whenever it dies.
// PORT is where it listens, JOURNAL the file that has its charges; CRASH has it die after a charge, before it answers.
import { closeSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';

const { PORT, JOURNAL, CRASH } = process.env;

// What the journal has was charged. A last line that is not whole was not: the service died before it was written.
const journal = openSync(JOURNAL, 'a+');
const whole = readFileSync(journal, 'utf8').replace(/[^\n]*$/, '');
truncateSync(JOURNAL, Buffer.byteLength(whole));
const charges = new Map(whole.split('\n').filter(Boolean).map(JSON.parse).map((charge) => [charge.key, charge]));

function charge(key, { order_id, cents }) {
  if (charges.has(key)) return; // asked again: by a retry, or by a worker that took the run over
  const charge = { key, order_id, cents };
  writeSync(journal, JSON.stringify(charge) + '\n');
  fsyncSync(journal); // from here on it has happened
  charges.set(key, charge);
  if (CRASH) process.exit(1);
}

createServer(async (request, response) => {
  const key = request.headers['idempotency-key']; // the run's id, the same in all its attempts
  if (request.method !== 'POST' || !key) return response.writeHead(400).end(); // 4xx: the run fails, and is not tried again
  let input;
  try {
    input = JSON.parse(Buffer.concat(await request.toArray()));
  } catch {
    return response.writeHead(400).end();
  }
  charge(key, input); // without an await from its look to its entry: no other request comes between
  // The same answer as the first time. Optional: 200 alone says that the run has succeeded.
  response.setHeader('Content-Type', 'application/json');
  response.end(JSON.stringify({ summary_counts: { created: 1 } }));
}).listen(Number(PORT), '127.0.0.1', () => console.error('listening'));

process.on('SIGTERM', () => {
  closeSync(journal);
  process.exit(0);
});
