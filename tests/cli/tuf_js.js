// npm's TUF client and repository maker for the tests of interoperation: node tuf_js.js MODULES
// reads calls from stdin, one a line, as JSON
//   ["fetch", METADATA_URL, TARGETS_URL, WORK, PATH…]
//   ["mock", FOLDER, "NAME=CONTENT"…]
//   ["make", FOLDER, DESCRIPTION.json]
// and answers each with a line: {"result": …} or {"error": "name: message"}. WORK/metadata holds
// the trusted root.json.
const fs = require('fs');
const path = require('path');
const readline = require('readline');
const modules = process.argv[2];
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

// -- make: a repository of any shape, from the models of npm's TUF packages ----------------

const crypto = require('crypto');
const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');

// A key pair as root lists it and as it signs: kind is ed25519, ecdsa, ecdsa-sha2-nistp256 or rsa.
function makeKey(kind) {
  const { Key, Signature } = load('@tufjs/models');
  const type = kind.startsWith('ecdsa') ? 'ec' : kind;
  const options = { ec: { namedCurve: 'P-256' }, rsa: { modulusLength: 2048 } }[type];
  const { privateKey, publicKey } = crypto.generateKeyPairSync(type, options);
  const pem = publicKey.export({ format: 'pem', type: 'spki' });
  const scheme = { ed25519: 'ed25519', rsa: 'rsassa-pss-sha256' }[kind] || 'ecdsa-sha2-nistp256';
  const value = kind === 'ed25519'
    ? publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex') : pem;
  const keyID = sha256(value + kind);
  const pss = { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const signer = { key: privateKey, ...(kind === 'rsa' ? pss : {}) };
  const digest = kind === 'ed25519' ? null : 'sha256';
  return {
    key: new Key({ keyID, keyType: kind, scheme, keyVal: { public: value },
                   unrecognizedFields: { 'x-key': [kind] } }),
    sign: (data) => new Signature({ keyID, sig: crypto.sign(digest, data, signer).toString('hex') }),
  };
}

const newKeys = ({ keys = ['ed25519'] } = {}) => keys.map(makeKey);

// See tests/cli/test_tuf_theirs.py for what a description has.
function make(folder, file) {
  const models = load('@tufjs/models');
  const { Delegations } = load('@tufjs/models/dist/delegations.js');
  const { DelegatedRole, SuccinctRoles } = load('@tufjs/models/dist/role.js');
  const wanted = JSON.parse(fs.readFileSync(file, 'utf8'));
  const consistent = wanted.consistent !== false;
  const expires = `${new Date(Date.now() + 864e5).toISOString().slice(0, 19)}Z`;
  const common = (version) => ({ version, specVersion: '1.0.0', expires,
                                 unrecognizedFields: { 'x-extra': wanted.extra ?? 0 } });
  const write = (name, data) => {
    const at = path.join(folder, name);
    fs.mkdirSync(path.dirname(at), { recursive: true });
    fs.writeFileSync(at, data);
  };
  // Signs, writes, and returns what other roles say of the file.
  const publish = (role, signed, keys, prefix = consistent) => {
    const metadata = new models.Metadata(signed);
    keys.forEach(({ sign }) => metadata.sign(sign));
    const text = JSON.stringify(metadata.toJSON());
    // Clients ask for the role's name in percent-encoded form, which the server decodes.
    const name = `${prefix ? `${signed.version}.` : ''}${role}.json`;
    write(`metadata/${name}`, text);
    return new models.MetaFile({ version: signed.version, length: Buffer.byteLength(text),
                                 hashes: { sha256: sha256(text) } });
  };

  // Every version of root has new keys for all roles.
  const top = ['root', 'timestamp', 'snapshot', 'targets'];
  let before = [], keys;
  for (let version = 1; version <= (wanted.roots || 1); version++) {
    keys = Object.fromEntries(top.map((role) => [role, newKeys(wanted.top?.[role])]));
    const root = new models.Root({ ...common(version), consistentSnapshot: consistent });
    for (const role of top) {
      keys[role].forEach(({ key }) => root.addKey(key, role));
      root.roles[role].threshold = wanted.top?.[role]?.threshold || 1;
    }
    publish('root', root, [...before, ...keys.root], true);
    before = keys.root;
  }

  const roles = { targets: { signed: new models.Targets(common(1)), keys: keys.targets } };
  for (const d of wanted.delegations || []) {
    const own = newKeys(d);
    const rule = { keyIDs: own.map(({ key }) => key.keyID), threshold: d.threshold || 1 };
    const parent = roles[d.from || 'targets'].signed;
    parent.delegations ??= new Delegations({ keys: {}, roles: d.bins ? undefined : {} });
    own.forEach(({ key }) => { parent.delegations.keys[key.keyID] = key; });
    let names = [d.name];
    if (d.bins) {
      const bins = new SuccinctRoles({ ...rule, bitLength: d.bins, namePrefix: d.name });
      parent.delegations.succinctRoles = bins;
      names = [...bins.getRoles()];
    } else {
      parent.delegations.roles[d.name] = new DelegatedRole({
        ...rule, name: d.name, terminating: !!d.terminating, paths: d.paths,
        pathHashPrefixes: d.prefixes });
    }
    for (const name of names)
      roles[name] = { signed: new models.Targets(common(1)), keys: own.slice(0, rule.threshold) };
  }
  for (const { role, path: name, file: source, content } of wanted.targets) {
    const data = source ? fs.readFileSync(source) : Buffer.from(content);
    const { dir, base } = path.posix.parse(name);
    const hash = sha256(data);
    const place = role || 'targets';
    const holder = roles[place] || roles[roles.targets.signed.delegations.succinctRoles
      .getRoleForTarget(name)];
    holder.signed.addTarget(new models.TargetFile({ path: name, length: data.length,
                                                    hashes: { sha256: hash } }));
    write(path.posix.join('targets', dir, consistent ? `${hash}.${base}` : base), data);
  }
  const meta = Object.fromEntries(Object.entries(roles).map(
    ([name, role]) => [`${name}.json`, publish(name, role.signed, role.keys)]));
  const snapshotMeta = publish('snapshot', new models.Snapshot({ ...common(1), meta }),
                               keys.snapshot);
  publish('timestamp', new models.Timestamp({ ...common(1), snapshotMeta }), keys.timestamp,
          false);
  return { roles: Object.keys(roles) };
}

async function answer(line) {
  const [command, ...rest] = JSON.parse(line);
  try {
    return { result: await { fetch, mock, make }[command](...rest) };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin }))
    console.log(JSON.stringify(await answer(line)));
})();
