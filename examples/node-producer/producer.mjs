// Asks for one job: node producer.mjs <subject> <input as JSON> [request id]
//
// It prints where the stream has the job, or says on stderr why not. NATS_URL says where NATS is.
import { randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

const [subject, input, requestId = randomUUID()] = process.argv.slice(2);
const { host, username, password } = new URL(process.env.NATS_URL ?? "nats://127.0.0.1:4222");

const h = headers();
h.set("Oprun-Request-Id", requestId); // asked again with it, even tomorrow, it is the same request and runs once
h.set("Oprun-Initiator", "node-producer");
if (process.env.TRACEPARENT) h.set("traceparent", process.env.TRACEPARENT);

let connection;
try {
  connection = await connect({ servers: host, user: username || undefined, pass: password || undefined });
  const ack = await jetstream(connection).publish(subject, input, {
    headers: h,
    // All producers of the stream share these ids, so the subject is in it.
    msgID: `${subject}/${requestId}`,
    // When no answer comes, nobody knows whether the stream has the job. Sent again it is the same request.
    timeout: 5000,
    retries: 3,
  });
  console.log(JSON.stringify({ stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate, request_id: requestId }));
} catch (error) {
  console.error(`${explain(error)}\nto ask again: the request id was ${requestId}`);
  process.exitCode = 1;
} finally {
  await connection?.drain();
}

function explain(error) {
  for (let cause = error; cause; cause = cause.cause) { // the client wraps the server's word in its own
    if (cause.code === 10077) return "the stream is full: ask again when workers have caught up";
    if (cause.name === "NoResponders") return `no stream takes ${subject}`;
    if (cause.name === "PermissionViolationError") return `this user may not publish ${subject}`;
    if (cause.name === "TimeoutError") return "no answer: the stream may or may not have the job";
  }
  return `the job was not sent: ${error.message}`;
}
