// Drives a Hugging Face Hub with Hugging Face's own client, and prints what it got as JSON.
//
//     node hub.mjs MODULES ENDPOINT REPO REVISION FILE [TOKEN]
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, hubUrl, name, revision, file, accessToken] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));
const hub = load("@huggingface/hub");
const common = { hubUrl, ...(accessToken ? { accessToken } : {}) };

async function read() {
	const model = await hub.modelInfo({ name, revision, additionalFields: ["sha", "cardData"], ...common });
	const files = [];
	for await (const entry of hub.listFiles({ repo: name, revision, recursive: true, ...common }))
		files.push(entry);
	const info = await hub.fileDownloadInfo({ repo: name, revision, path: file, ...common });
	const blob = await hub.downloadFile({ repo: name, revision, path: file, xet: false, ...common });
	const data = Buffer.from(await blob.arrayBuffer());
	return { model, files, info, sha256: createHash("sha256").update(data).digest("hex") };
}

read().catch((e) => ({ error: { status: e.statusCode, message: e.message } }))
	.then((told) => process.stdout.write(`${JSON.stringify(told)}\n`));
