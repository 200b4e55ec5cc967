// Makes keys and tokens with jose, and says which tokens jose accepts.
//
//     node tokens.mjs MODULES [KID…]
//
// Prints {"jwks", "public", "tokens": [{"name", "token", "valid"}]}. With KIDs, only the RSA keys
// with these ids, and a token of each: for rotation.
import { createHmac, createPublicKey, createSign } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...kids] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));
const jose = await import(pathToFileURL(load.resolve("jose")));

const ISSUER = "https://issuer.example", AUDIENCE = "edge";
const ALGS = ["HS256", "RS256", "ES256", "EdDSA"];
const now = Math.floor(Date.now() / 1000);
const claims = { iss: ISSUER, aud: AUDIENCE, sub: "node-7", exp: now + 600,
	scope: "pull:main/phi-* openid admin" };

async function makeKey(alg, kid) {
	if (alg === "HS256") {
		const k = await jose.exportJWK(await jose.generateSecret(alg, { extractable: true }));
		return { jwk: { ...k, kid, alg, kty: "oct" }, sign: await jose.importJWK(k, alg) };
	}
	const pair = await jose.generateKeyPair(alg, { extractable: true });
	const jwk = { ...await jose.exportJWK(pair.publicKey), kid, alg };
	return { jwk, sign: pair.privateKey };
}

const sign = (key, alg, payload, header = {}) =>
	new jose.SignJWT(payload).setProtectedHeader({ alg, kid: key.jwk.kid, ...header })
		.sign(key.sign);

if (kids.length) {
	const keys = [];
	const tokens = [];
	for (const kid of kids) {
		const key = await makeKey("RS256", kid);
		keys.push(key.jwk);
		tokens.push({ name: kid, token: await sign(key, "RS256", claims) });
	}
	console.log(JSON.stringify({ jwks: { keys }, tokens }));
	process.exit(0);
}

const keys = {};
for (const alg of ALGS)
	keys[alg] = await makeKey(alg, `key-${alg}`);
const jwks = { keys: Object.values(keys).map((k) => k.jwk) };

// A key has one algorithm, as jose's own sets have it for public keys.
async function find(header) {
	const found = jwks.keys.filter((k) => k.alg === header.alg &&
		(header.kid === undefined || k.kid === header.kid));
	if (found.length !== 1)
		throw new Error("no key");
	return jose.importJWK(found[0], header.alg);
}

async function isValid(token) {
	try {
		await jose.jwtVerify(token, find, { issuer: ISSUER, audience: AUDIENCE,
			algorithms: ALGS, clockTolerance: 30, requiredClaims: ["exp", "sub"] });
		return true;
	} catch {
		return false;
	}
}

const b64 = (data) => Buffer.from(data).toString("base64url");
const tokens = [];
const add = async (name, token) =>
	tokens.push({ name, token, valid: await isValid(token) });

for (const alg of ALGS) {
	const key = keys[alg];
	const of = (payload, header) => sign(key, alg, { ...claims, ...payload }, header);
	const good = await of({});
	const [header, body, signature] = good.split(".");
	await add(`${alg}: good`, good);
	await add(`${alg}: one of several audiences`, await of({ aud: ["other", AUDIENCE] }));
	await add(`${alg}: expired`, await of({ exp: now - 3600 }));
	await add(`${alg}: expired a moment ago`, await of({ exp: now - 5 }));
	await add(`${alg}: without an end`, await of({ exp: undefined }));
	await add(`${alg}: not yet`, await of({ nbf: now + 3600 }));
	await add(`${alg}: in a moment`, await of({ nbf: now + 5 }));
	await add(`${alg}: end with a fraction`, await of({ exp: now + 600.5 }));
	await add(`${alg}: end as a string`, await of({ exp: `${now + 600}` }));
	await add(`${alg}: another issuer`, await of({ iss: "https://other.example" }));
	await add(`${alg}: without an issuer`, await of({ iss: undefined }));
	await add(`${alg}: another audience`, await of({ aud: "other" }));
	await add(`${alg}: without an audience`, await of({ aud: undefined }));
	await add(`${alg}: without a subject`, await of({ sub: undefined }));
	await add(`${alg}: without a key id`, await of({}, { kid: undefined }));
	await add(`${alg}: an unknown key`, await of({}, { kid: "other" }));
	await add(`${alg}: other claims`,
		[header, b64(JSON.stringify({ ...claims, sub: "root" })), signature].join("."));
	await add(`${alg}: other header`,
		[b64(JSON.stringify({ alg, kid: key.jwk.kid, typ: "JWT" })), body,
			signature].join("."));
	const bytes = Buffer.from(signature, "base64url");
	bytes[bytes.length >> 1] ^= 1;
	await add(`${alg}: a flipped bit`, [header, body, b64(bytes)].join("."));
	await add(`${alg}: a short signature`, [header, body, b64(bytes.subarray(1))].join("."));
	await add(`${alg}: no signature`, [header, body, ""].join("."));
	await add(`${alg}: one part more`, `${good}.AAAA`);
	await add(`${alg}: padding`, `${good}=`);
	await add(`${alg}: the kid of another algorithm`,
		await of({}, { kid: keys[ALGS[(ALGS.indexOf(alg) + 1) % 4]].jwk.kid }));
	const critical = b64(JSON.stringify({ alg, kid: key.jwk.kid, crit: ["x"], x: 1 }));
	await add(`${alg}: an unknown extension`, [critical, body, signature].join("."));
}

const none = [b64(JSON.stringify({ alg: "none" })), b64(JSON.stringify(claims)), ""].join(".");
await add("none", none);
await add("none with a kid", [b64(JSON.stringify({ alg: "none", kid: "key-RS256" })),
	b64(JSON.stringify(claims)), ""].join("."));

// The public key, which everybody has, as the secret of an HMAC (CVE-2015-9235).
for (const format of ["pem", "der"]) {
	const secret = createPublicKey({ key: keys.RS256.jwk, format: "jwk" })
		.export({ type: "spki", format });
	for (const kid of ["key-RS256", "key-HS256", undefined]) {
		const start = [b64(JSON.stringify({ alg: "HS256", kid })),
			b64(JSON.stringify(claims))].join(".");
		const mac = createHmac("sha256", secret).update(start).digest("base64url");
		await add(`confused, ${format}, ${kid}`, `${start}.${mac}`);
	}
}

// The signature of ECDSA in the form of X.509.
{
	const start = [b64(JSON.stringify({ alg: "ES256", kid: "key-ES256" })),
		b64(JSON.stringify(claims))].join(".");
	const pem = await jose.exportPKCS8(keys.ES256.sign);
	const der = createSign("sha256").update(start).sign(pem);
	await add("ES256: DER", `${start}.${b64(der)}`);
	await add("ES256: zeros", `${start}.${b64(Buffer.alloc(64))}`);
}
console.log(JSON.stringify({ jwks, tokens }));
