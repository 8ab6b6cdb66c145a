// node check.cjs DOCUMENT... prints what is wrong with AsyncAPI documents. Of each it prints "NAME: good" or, when a
// finding is an error or a warning, "NAME: bad"; its findings, one a line, as "Severity code: place: text"; and what it
// holds. Exits with 1 unless all are good.
//
// The parser reads schemas of draft-07. Those of 2020-12, the draft of catalogues, it lets pass: Ajv compiles them, with
// the document around them, so that references count. When there is a DOCUMENT.values, a JSON list of pairs of a
// schema's name and a value, the values are tried by what Ajv has made, and each answer is printed as "name: true" or
// "name: false".
const { existsSync, readFileSync } = require('node:fs');
const { Parser, DiagnosticSeverity } = require('@asyncapi/parser');
const Ajv2020 = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;
const yaml = require('js-yaml');

const draft2020 = 'application/schema+json;version=2020-12';

async function check(name) {
  const text = readFileSync(name, 'utf8');
  const { document, diagnostics } = await new Parser().parse(text);
  const findings = diagnostics.map((d) => [DiagnosticSeverity[d.severity] ?? d.severity, d.code, d.path.join('/'), d.message]);

  const raw = yaml.load(text); // the parser's own copy has references resolved, and runs in circles
  const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true, logger: false }));
  ajv.addSchema(raw, 'document', false, false);
  const compiled = {};
  for (const [schema, { schemaFormat }] of Object.entries(raw?.components?.schemas ?? {})) {
    if (schemaFormat !== draft2020) continue;
    const whole = raw.components.schemas[schema].schema;
    if (!ajv.validateSchema(whole)) findings.push(['Error', 'draft-2020-12', schema, ajv.errorsText()]);
    try {
      compiled[schema] = ajv.compile({ $ref: `document#/components/schemas/${schema}/schema` });
    } catch (e) {
      findings.push(['Error', 'draft-2020-12', schema, e.message]);
    }
  }

  const bad = !document || findings.some(([severity]) => severity === 'Error' || severity === 'Warning');
  console.log(`${name}: ${bad ? 'bad' : 'good'}`);
  for (const [severity, code, place, message] of findings) console.log(`${severity} ${code}: ${place}: ${message}`);
  if (existsSync(`${name}.values`)) {
    for (const [schema, value] of JSON.parse(readFileSync(`${name}.values`, 'utf8'))) console.log(`${schema}: ${compiled[schema](value)}`);
  }
  if (document) {
    console.log(`channels: ${document.channels().length}, operations: ${document.operations().length}, schemas of 2020-12: ${Object.keys(compiled).length}`);
  }
  return !bad;
}

async function main(names) {
  for (const name of names) if (!(await check(name))) process.exitCode = 1;
}

main(process.argv.slice(2));
