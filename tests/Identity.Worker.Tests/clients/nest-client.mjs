// The NestJS client package as a real client of otp_requests. Usage: node nest-client.mjs <uri>.
// Reads lines of JSON data, sends each, and prints a line per outcome: {"answer": …} or {"error": …}.
import 'reflect-metadata';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { createInterface } from 'node:readline';
import { firstValueFrom, timeout } from 'rxjs';

const client = ClientProxyFactory.create({
  transport: Transport.RMQ,
  options: { urls: [process.argv[2]], queue: 'otp_requests', queueOptions: { durable: true } },
});
await client.connect();
for await (const line of createInterface({ input: process.stdin })) {
  try {
    const answer = await firstValueFrom(client.send('otp.generate', JSON.parse(line)).pipe(timeout(20000)));
    console.log(JSON.stringify({ answer }));
  } catch (error) {
    console.log(JSON.stringify({ error: error instanceof Error ? { message: error.message } : error }));
  }
}
await client.close();
process.exit(0);
