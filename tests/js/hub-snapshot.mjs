// Downloads a repository of a Hugging Face Hub into a cache with Hugging Face's own client, and
// prints the folder, and what its client says of the files, as JSON.
//
//     node hub-snapshot.mjs MODULES ENDPOINT REPO FOLDER PATH...
import { createRequire } from "node:module";
import path from "node:path";

const [modules, hubUrl, repo, cacheDir, ...paths] = process.argv.slice(2);
const load = createRequire(path.join(modules, "package.json"));
const hub = load("@huggingface/hub");
console.debug = () => {};

const folder = await hub.snapshotDownload({ repo, cacheDir, hubUrl });
const files = await hub.pathsInfo({ repo, paths, expand: true, hubUrl });
process.stdout.write(`${JSON.stringify({ folder, files })}\n`);
