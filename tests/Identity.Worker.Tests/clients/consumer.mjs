// An independent consumer of the events: amqplib, a durable queue bound to both exchanges by "#". Prints a line per message.
// Usage: node consumer.mjs <uri> <queue>. Keeps going over lost connections, as a service would.
import { connect } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';

const [uri, queue] = process.argv.slice(2);
process.on('SIGTERM', () => process.exit(0));
process.stdin.on('end', () => process.exit(0)).resume();

for (;;) {
  try {
    const connection = await connect(uri);
    const closed = new Promise(resolve => connection.on('close', resolve));
    connection.on('error', () => {});
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    await channel.assertQueue(queue, { durable: true });
    for (const exchange of ['identity_events', 'session_manager']) {
      await channel.assertExchange(exchange, 'topic', { durable: true });
      await channel.bindQueue(queue, exchange, '#');
    }
    await channel.consume(queue, message => {
      const { exchange, routingKey } = message.fields;
      const { messageId, deliveryMode, contentType } = message.properties;
      console.log(JSON.stringify({ exchange, routingKey, messageId, deliveryMode, contentType, body: JSON.parse(message.content.toString('utf8')) }));
      channel.ack(message);
    });
    console.log('"ready"');
    await closed;
  } catch {
    // The broker is away.
  }
  await sleep(200);
}
