// A browser for tests/cli/browser.py: a command per line on standard input (JSON), an answer per
// line on standard output: {"value": …}, or {"error": "…"}. Pages are known by numbers.
//
//   node browser.mjs NPM CHROMIUM FOLDER
//
// NPM: the folder with node_modules; FOLDER: where the browser keeps its profile.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [npm, chromium, folder] = process.argv.slice(2);
const load = createRequire(npm + "/");
const puppeteer = load("puppeteer-core");
const axe = readFileSync(load.resolve("axe-core"), "utf8");

const browser = await puppeteer.launch({
	executablePath: chromium, userDataDir: folder, headless: true, timeout: 0, protocolTimeout: 0,
	args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
		"--disable-background-networking", "--disable-component-update", "--no-first-run",
		"--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
});
const pages = [];

// What a test asks afterwards: did anything go wrong, and which requests were made?
function watch(page) {
	const seen = { errors: [], requests: [], dialogs: [] };
	page.on("console", message => {
		if (["error", "warn"].includes(message.type()))
			seen.errors.push(message.text());
	});
	page.on("pageerror", error => seen.errors.push(String(error)));
	page.on("request", request => seen.requests.push(request.url()));
	page.on("requestfailed", request => seen.errors.push("failed: " + request.url()));
	page.on("dialog", dialog => {
		seen.dialogs.push(dialog.message());
		dialog.dismiss();
	});
	return seen;
}

const commands = {
	async open({ scheme = "light", width = 1280, height = 900, script = true }) {
		const context = await browser.createBrowserContext();
		const page = await context.newPage();
		page.setDefaultTimeout(0);
		await page.setViewport({ width, height });
		await page.setJavaScriptEnabled(script);
		await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
		pages.push({ page, context, seen: watch(page) });
		return pages.length - 1;
	},
	async go({ page, url }) {
		const answer = await page.goto(url, { waitUntil: "load" });
		return answer?.status() ?? null;
	},
	run: ({ page, code }) => page.evaluate(code),
	// Is it true? While a page is being left, nothing is.
	holds: ({ page, code }) => page.evaluate(code).then(Boolean, () => false),
	press: ({ page, key }) => page.keyboard.press(key),
	type: ({ page, text }) => page.keyboard.type(text),
	// puppeteer's own click() waits for ever where scripts are off.
	async click({ page, selector }) {
		const [x, y] = await page.evaluate(selector => {
			const element = document.querySelector(selector);
			element.scrollIntoView({ behavior: "instant", block: "center" });
			const box = element.getClientRects()[0];
			return [box.x + box.width / 2, box.y + box.height / 2];
		}, selector);
		await page.mouse.click(x, y);
	},
	choose: ({ page, selector, value }) => page.select(selector, value),
	async print({ page, on }) {
		await page.emulateMediaType(on ? "print" : "screen");
	},
	async axe({ page }) {
		await page.evaluate(axe);
		const found = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
		return found.violations.map(v => `${v.id}: ${v.help}: ` +
			v.nodes.slice(0, 5).map(node => node.html + " " + node.failureSummary).join("; "));
	},
	async shot({ page, path, whole = true }) {
		await page.screenshot({ path, fullPage: whole });
	},
	async grant({ page, context, origin }) {
		await context.overridePermissions(origin, ["clipboard-read", "clipboard-write"]);
		await page.bringToFront();
	},
	seen: ({ seen }) => seen,
	close: ({ context }) => context.close(),
};

for await (const line of createInterface({ input: process.stdin })) {
	const { do: name, page: number, ...rest } = JSON.parse(line);
	let answer;
	try {
		answer = { value: await commands[name]({ ...pages[number], ...rest }) ?? null };
	} catch (error) {
		answer = { error: String(error.stack ?? error) };
	}
	process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
