// Reads a cache of the Hugging Face Hub with Hugging Face's own client, and prints it as JSON.
//
//     node hub-cache.mjs MODULES FOLDER
import { createRequire } from "node:module";
import path from "node:path";

const [modules, folder] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));
const { scanCacheDir } = load("@huggingface/hub");
const cache = await scanCacheDir(folder);
process.stdout.write(`${JSON.stringify({
	warnings: cache.warnings.map(String),
	repos: cache.repos.map(({ id, path: root, size, revisions }) => ({
		id, root, size,
		revisions: revisions.map(({ commitOid, refs, files }) => ({
			commit: commitOid, refs,
			files: files.map(({ path: file, blob }) => ({ path: file, size: blob.size })),
		})),
	})),
})}\n`);
