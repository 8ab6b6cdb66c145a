// Publishes what it is told on stdin, a JSON object a line, and answers each with a line: the acknowledgement, or the error.
import { createInterface } from "node:readline";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

const connection = await connect({ servers: process.argv[2] });
const js = jetstream(connection);
for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  const options = {};
  if (message.header) {
    options.headers = headers();
    for (const [name, value] of message.header) options.headers.append(name, value);
  }
  const ack = await js.publish(message.subject, message.body, options);
  console.log(JSON.stringify(ack));
}
await connection.drain();
