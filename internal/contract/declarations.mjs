// Prints the API's methods that an npm package declares, and the types that they need.
//
//   node declarations.mjs <directory of the package typescript> <directory of the SDK>
//
// The TypeScript compiler reads index.d.ts and resources/ of the SDK. The output is JSON:
//
//   {"methods": {"Job.get": {"params": [{"name": "jobId", "schema": {...}}], "result": {...}}},
//    "types": {"JobGetAllResponse.Job": {...}}}
//
// Each type is a schema of JSON Schema. An interface stays a reference; an alias is
// replaced by its type. "numeric" is a number that may be whole or not.
import { createRequire } from 'node:module';
import { join, resolve, sep } from 'node:path';

const [compiler, sdk] = process.argv.slice(2).map((dir) => resolve(dir));
const ts = createRequire(import.meta.url)(compiler);

const program = ts.createProgram([join(sdk, 'index.d.ts')], {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es5.d.ts'], // enough for Array and Record
  module: ts.ModuleKind.CommonJS,
  moduleResolution: ts.ModuleResolutionKind.Node10,
  types: [],
});
const checker = program.getTypeChecker();
const ours = (file) => file.fileName === join(sdk, 'index.d.ts') || file.fileName.startsWith(join(sdk, 'resources') + sep);
const files = program.getSourceFiles().filter(ours);

// A type that the compiler cannot find would be any type at all.
const problems = files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]);
if (files.length === 0 || problems.length > 0) {
  fail(ts.formatDiagnostics(problems, { getCanonicalFileName: (n) => n, getCurrentDirectory: () => sdk, getNewLine: () => '\n' }) ||
    `no index.d.ts in ${sdk}`);
}

const methods = {};
const types = {};
const symbols = new Map(); // the interface behind each name in types

for (const declaration of files.flatMap((file) => file.statements.filter(ts.isClassDeclaration))) {
  for (const member of declaration.members.filter(ts.isMethodDeclaration)) {
    const name = `${declaration.name.text}.${member.name.getText()}`;
    const signature = checker.getSignatureFromDeclaration(member);
    const promise = checker.getReturnTypeOfSignature(signature);
    if (promise.symbol?.name !== 'APIPromise' || methods[name]) {
      continue; // it does not call the API, or is a further overload
    }
    methods[name] = {
      params: signature.parameters.map((p) => ({ name: p.name, schema: schema(checker.getTypeOfSymbol(p)) })),
      result: schema(checker.getTypeArguments(promise)[0]),
    };
  }
}
process.stdout.write(JSON.stringify({ methods, types }));

function fail(message) {
  console.error(message);
  process.exit(1);
}

function schema(type) {
  const is = (flags) => (type.flags & flags) !== 0;
  switch (true) {
    case is(ts.TypeFlags.Any | ts.TypeFlags.Unknown | ts.TypeFlags.NonPrimitive):
      return {};
    case type.isStringLiteral():
      return { type: 'string', enum: [type.value] };
    case is(ts.TypeFlags.String):
      return { type: 'string' };
    case is(ts.TypeFlags.NumberLike):
      return { type: 'numeric' };
    case is(ts.TypeFlags.BooleanLike):
      return { type: 'boolean' };
    case is(ts.TypeFlags.Null):
      return { type: 'null' };
    case type.isUnion():
      return union(type.types);
    case checker.isArrayType(type):
      return { type: 'array', items: schema(checker.getTypeArguments(type)[0]) };
    case is(ts.TypeFlags.Object | ts.TypeFlags.Intersection):
      return object(type);
  }
  return fail(`no schema of the type ${checker.typeToString(type)}: teach declarations.mjs one`);
}

// union makes one enum of all texts. An optional member has undefined, which JSON lacks.
function union(arms) {
  const texts = arms.filter((t) => t.isStringLiteral()).map((t) => t.value);
  const schemas = texts.length > 0 ? [{ type: 'string', enum: texts }] : [];
  for (const arm of arms.filter((t) => !t.isStringLiteral() && !(t.flags & ts.TypeFlags.Undefined))) {
    const next = schema(arm);
    if (next.type !== 'boolean' || !schemas.some((s) => s.type === 'boolean')) {
      schemas.push(next); // boolean is the union of true and false
    }
  }
  return schemas.length === 1 ? schemas[0] : { anyOf: schemas };
}

function object(type) {
  const declared = (type.symbol?.declarations ?? []).map((d) => d.getSourceFile());
  if (declared.length > 0 && !declared.some((file) => ours(file) || program.isSourceFileDefaultLibrary(file))) {
    return {}; // the SDK's own, such as the options of a request
  }
  if (!type.isClassOrInterface()) {
    return members(type);
  }
  const name = checker.getFullyQualifiedName(type.symbol).replace(/^".*"\./, '');
  if (!symbols.has(name)) {
    symbols.set(name, type.symbol);
    types[name] = members(type);
  }
  if (symbols.get(name) !== type.symbol || !declared.some(ours)) {
    fail(`the type ${name} is declared twice, or not by the SDK`);
  }
  return { $ref: `#/components/schemas/${name}` };
}

function members(type) {
  if (type.getCallSignatures().length > 0) {
    fail(`no schema of the function ${checker.typeToString(type)}`);
  }
  const all = checker.getPropertiesOfType(type);
  const required = all.filter((p) => !(p.flags & ts.SymbolFlags.Optional)).map((p) => p.name);
  const rest = type.getStringIndexType();
  return {
    type: 'object',
    properties: all.length > 0 || !rest ? Object.fromEntries(all.map((p) => [p.name, schema(checker.getTypeOfSymbol(p))])) : undefined,
    required: required.length > 0 ? required : undefined,
    additionalProperties: rest && schema(rest),
  };
}
