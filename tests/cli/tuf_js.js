// npm's TUF client and repository maker for the tests of interoperation:
//   node tuf_js.js MODULES fetch METADATA_URL TARGETS_URL WORK PATH…
//   node tuf_js.js MODULES mock FOLDER NAME=CONTENT…
// WORK/metadata holds the trusted root.json. The result is JSON on stdout; exit 1 with the
// error's name and message on stderr.
const fs = require('fs');
const path = require('path');
const [modules, command, ...rest] = process.argv.slice(2);
const load = (name) => require(path.join(modules, name));

async function fetch(metadataBaseUrl, targetBaseUrl, work, ...paths) {
  const { Updater } = load('tuf-js');
  const updater = new Updater({
    metadataDir: path.join(work, 'metadata'),
    targetDir: path.join(work, 'targets'),
    metadataBaseUrl,
    targetBaseUrl,
    config: { fetchRetry: 0, fetchRetries: 0 },
  });
  await updater.refresh();
  const targets = {};
  for (const name of paths) {
    const info = await updater.getTargetInfo(name);
    if (!info) throw new Error(`nobody lists ${name}`);
    const file = path.join(work, 'targets', encodeURIComponent(name));
    await updater.downloadTarget(info, file);
    targets[name] = { file, length: info.length, hashes: info.hashes, custom: info.custom };
  }
  const versions = {};
  for (const name of fs.readdirSync(path.join(work, 'metadata')))
    versions[name] = JSON.parse(
      fs.readFileSync(path.join(work, 'metadata', name))).signed.version;
  return { versions, targets };
}

function mock(folder, ...entries) {
  const { initializeTUFRepo, tufHandlers } = load('@tufjs/repo-mock');
  const targets = entries.map((entry) => {
    const at = entry.indexOf('=');
    return { name: entry.slice(0, at), content: entry.slice(at + 1) };
  });
  for (const handler of tufHandlers(initializeTUFRepo(targets), {})) {
    const { statusCode, response } = handler.fn();
    if (statusCode !== 200) continue;
    const file = path.join(folder, handler.path);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, response);
  }
  return { folder };
}

Promise.resolve()
  .then(() => ({ fetch, mock })[command](...rest))
  .then((result) => console.log(JSON.stringify(result)))
  .catch((error) => {
    console.error(`${error.name}: ${error.message}`);
    process.exitCode = 1;
  });
