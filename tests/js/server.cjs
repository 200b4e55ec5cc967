// Starts miniflare's R2 or s3rver on a free port, and prints its URL. SIGTERM ends it.
//
//     node server.cjs MODULES miniflare|s3rver FOLDER
const { createRequire } = require("node:module");
const path = require("node:path");

const [modules, name, folder] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));

async function miniflare() {
	const { Miniflare } = load("miniflare");
	const server = new Miniflare({
		host: "127.0.0.1", port: 0, modules: true, compatibilityDate: "2025-07-18",
		modulesRoot: __dirname, scriptPath: path.join(__dirname, "r2-worker.mjs"), r2Buckets: ["R2"],
		r2Persist: folder, telemetry: { enabled: false }, cf: false,
	});
	const url = await server.ready;
	return { url: url.origin, stop: () => server.dispose() };
}

async function s3rver() {
	const S3rver = load("s3rver");
	const server = new S3rver({ address: "127.0.0.1", port: 0, silent: true, directory: folder });
	const { address, port } = await server.run();
	return { url: `http://${address}:${port}`, stop: () => server.close() };
}

({ miniflare, s3rver })[name]().then(({ url, stop }) => {
	process.on("SIGTERM", () => stop().finally(() => process.exit(0)));
	process.stdout.write(`${url}\n`);
});
