// Verifies a DSSE envelope with sigstore's verifier and a public key, and prints the payload.
//
//     node dsse.mjs MODULES ENVELOPE KEY.pem
import { createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, file, pem] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));
const { bundleFromJSON } = createRequire(load.resolve("@sigstore/verify"))("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = load("@sigstore/verify");

const envelope = JSON.parse(readFileSync(file, "utf8"));
const keys = () => ({ publicKey: createPublicKey(readFileSync(pem)), validFor: () => true });
const trust = toTrustMaterial(
	{ certificateAuthorities: [], tlogs: [], ctlogs: [], timestampAuthorities: [] }, keys);
const options = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 };
for (const signature of envelope.signatures) {
	const bundle = bundleFromJSON({
		mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		verificationMaterial: { publicKey: { hint: signature.keyid }, tlogEntries: [] },
		dsseEnvelope: { ...envelope, signatures: [signature] },
	});
	new Verifier(trust, options).verify(toSignedEntity(bundle));
}
process.stdout.write(Buffer.from(envelope.payload, "base64"));
