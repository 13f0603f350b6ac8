// Validates against docs/asyncapi.yaml. Reads lines of {"message": "<name in components.messages>", "payload": …, "headers": …};
// with no lines, every example of the document. Prints {"checked": n, "problems": [...]}.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';

const document = parse(readFileSync(process.argv[2], 'utf8'), { merge: true });
const ajv = new Ajv({ strict: false, allErrors: true });
addFormats(ajv);
ajv.addSchema(document, 'asyncapi');
const messages = document.components.messages;
const problems = [];
let checked = 0;

function check(name, part, value, where) {
  checked++;
  const schema = messages[name]?.[part];
  if (schema === undefined) {
    problems.push(`${where}: no ${part} of a message ${name}`);
    return;
  }
  const pointer = `asyncapi#/components/messages/${name.replaceAll('~', '~0').replaceAll('/', '~1')}/${part}`;
  const validate = ajv.compile({ $ref: pointer });
  if (!validate(value)) {
    problems.push(`${where}: ${ajv.errorsText(validate.errors)}`);
  }
}

let lines = 0;
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) {
    lines++;
    const { message, payload, headers } = JSON.parse(line);
    check(message, 'payload', payload, `line ${lines} (${message})`);
    if (headers) check(message, 'headers', headers, `line ${lines} (${message})`);
  }
}

if (lines === 0) {
  for (const [name, message] of Object.entries(messages)) {
    if (!message.examples?.length) problems.push(`${name}: no example`);
    for (const example of message.examples ?? []) {
      check(name, 'payload', example.payload, `example of ${name}`);
      if (example.headers) check(name, 'headers', example.headers, `example of ${name}`);
    }
  }
  for (const [channel, { messages: listed }] of Object.entries(document.channels)) {
    for (const [name, { $ref }] of Object.entries(listed)) {
      if ($ref !== `#/components/messages/${name}` || !messages[name]) problems.push(`channel ${channel}: ${name} points nowhere`);
    }
  }
}

console.log(JSON.stringify({ checked, problems }));
