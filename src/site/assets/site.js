/* What pages can do with scripts: search, filters, sorted tables, buttons that copy. All texts are
   written as text, never as HTML; links lead only to pages of this site. Classes: assets.h. */
"use strict";

/* ---- elements ---- */

function element(name, className, ...children) {
	const made = document.createElement(name);
	if (className)
		made.className = className;
	made.append(...children);
	return made;
}

/* As markup.c does it: no control characters, none that change the direction of what follows. */
function readable(text) {
	return String(text).toWellFormed().replace(
		/[\0-\x08\x0B-\x1F\x7F-\x9F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/g, "\uFFFD");
}

/* Says it to those who do not see the page. */
let speaker = null;
function say(text) {
	if (!speaker) {
		speaker = element("p", "quiet");
		speaker.setAttribute("role", "status");
		document.querySelector("main").append(speaker);
	}
	speaker.textContent = text;
}

/* ---- copying ---- */

/* Where a page may not write to the clipboard (http, for example). */
function copySelected(node) {
	const selection = getSelection();
	selection.selectAllChildren(node);
	const copied = document.execCommand("copy");
	if (copied)
		selection.removeAllRanges();
	return copied;
}

async function copy(node) {
	try {
		await navigator.clipboard.writeText(node.textContent);
		return true;
	} catch {
		return copySelected(node);
	}
}

function addCopy(command) {
	const code = command.querySelector("pre code");
	if (!code)
		return;
	const button = element("button", "", "Copy");
	const title = command.querySelector("p, h3");
	button.type = "button";
	if (title)
		button.setAttribute("aria-label", "Copy: " + title.textContent);
	button.addEventListener("click", async () => {
		const copied = await copy(code);
		button.textContent = copied ? "Copied" : "Press Ctrl+C";
		say(button.textContent);
		setTimeout(() => button.textContent = "Copy", 2000);
	});
	command.append(button);
}

/* ---- tables ---- */

function sortKey(row, column) {
	const cell = row.cells[column];
	return cell ? cell.dataset.sort ?? cell.textContent.trim() : "";
}

function compareNames(a, b) {
	return a.localeCompare(b, "en", { numeric: true });
}

/* Empty cells are last in both directions. */
function compareKeys(a, b, direction) {
	if (a === "" || b === "")
		return (a === "") - (b === "");
	const numbers = Number(a) - Number(b);
	return direction * (Number.isNaN(numbers) ? compareNames(a, b) : numbers);
}

function sortBy(table, header) {
	const ascending = header.getAttribute("aria-sort") !== "ascending";
	const body = table.tBodies[0];
	const rows = [...body.rows].map(row => [sortKey(row, header.cellIndex), row]);
	rows.sort((a, b) => compareKeys(a[0], b[0], ascending ? 1 : -1));
	for (const other of header.parentNode.cells)
		other.removeAttribute("aria-sort");
	header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
	body.append(...rows.map(pair => pair[1]));
}

function addSorting(table) {
	if (!table.tHead || !table.tBodies.length || table.tBodies[0].rows.length < 2)
		return;
	for (const header of table.tHead.rows[0].cells) {
		const text = header.textContent.trim();
		if (!text || header.colSpan > 1)
			continue;
		const button = element("button", "", text);
		button.type = "button";
		button.addEventListener("click", () => sortBy(table, header));
		header.replaceChildren(button);
	}
}

/* ---- what is wider than the page ---- */

/* Whoever has only a keyboard must reach it to scroll it. */
function addScrolling(box) {
	new ResizeObserver(() => {
		if (box.scrollWidth > box.clientWidth)
			box.tabIndex = 0;
		else
			box.removeAttribute("tabindex");
	}).observe(box);
}

/* ---- search ---- */

const SHOWN = 50;
const GIB = 1024 ** 3;
const STEPS = [1, 2, 4, 8, 16, 32, 64];

/* As lists by size are called (facets.c). */
function sizeClass(bytes) {
	const i = STEPS.findIndex(step => bytes <= step * GIB);
	if (i <= 0)
		return i ? `over ${STEPS.at(-1)} GiB` : "up to 1 GiB";
	return `${STEPS[i - 1]} to ${STEPS[i]} GiB`;
}

function compareSizes(a, b) {
	const order = name => name.startsWith("up") ? 0 : name.startsWith("over") ? 99 : parseInt(name, 10);
	return order(a) - order(b);
}

function sizeText(bytes) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let i = 0;
	for (; bytes >= 1024 && i + 1 < units.length; i++)
		bytes /= 1024;
	return `${i && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)} ${units[i]}`;
}

/* What the filters ask for: a model has one value, or several. */
const VALUES = {
	family: model => [model.family],
	license: model => [model.license],
	kind: model => [model.kind],
	size: model => model.sizes.map(sizeClass),
};

function prepare(model) {
	const tags = model.tags ?? [];
	const texts = [model.id, model.title, tags.join(" "), model.family, model.license, model.kind,
		model.summary].map(text => String(text ?? "").toLowerCase());
	return { ...model, tags, texts, sizes: model.sizes ?? [] };
}

/* How well a word fits; 0: not at all. Id and title count more, and what begins with it. */
function wordScore(model, word) {
	let best = 0;
	model.texts.forEach((text, i) => {
		const at = text.indexOf(word);
		if (at < 0)
			return;
		const begins = at === 0 || /[^\p{L}\p{N}]/u.test(text[at - 1]);
		best = Math.max(best, (16 - 2 * i) + (at === 0 ? 3 : begins ? 2 : 0) + (text === word ? 8 : 0));
	});
	return best;
}

function score(model, words) {
	let sum = 1;
	for (const word of words) {
		const found = wordScore(model, word);
		if (!found)
			return 0;
		sum += found;
	}
	return sum;
}

function find(models, query, filters) {
	const words = query.toLowerCase().split(/\s+/).filter(Boolean);
	return models
		.filter(model => filters.every(([name, value]) => VALUES[name](model).includes(value)))
		.map(model => [score(model, words), model])
		.filter(pair => pair[0])
		.sort((a, b) => b[0] - a[0])
		.map(pair => pair[1]);
}

function addBadge(line, className, text) {
	if (text)
		line.append(" ", element("span", className, readable(text)));
}

function card(model, root) {
	const link = element("a", "", readable(model.title || model.id));
	const line = element("p", "meta", element("code", "", readable(model.id)));
	const item = element("li", "card", element("h2", "", link));
	link.href = root + "models/" + encodeURIComponent(model.id) + ".html";
	addBadge(line, model.state === "withdrawn" ? "badge bad" : "badge warn", model.state);
	addBadge(line, "badge", model.family);
	addBadge(line, "badge", model.license);
	if (model.sizes.length) {
		const [least, most] = [Math.min(...model.sizes), Math.max(...model.sizes)].map(sizeText);
		addBadge(line, "badge", least === most ? most : `${least} to ${most}`);
	}
	if (model.summary)
		item.append(element("p", "", readable(model.summary)));
	item.append(line);
	return item;
}

class Search {
	constructor(form) {
		this.form = form;
		this.input = form.querySelector("#q");
		this.selects = [...form.querySelectorAll("select")].filter(select => VALUES[select.name]);
		this.results = document.getElementById("results");
		this.found = document.getElementById("found");
		this.list = document.getElementById("list");
		this.models = null;
		form.hidden = false;
		form.addEventListener("submit", event => event.preventDefault());
		form.addEventListener("focusin", () => this.load());
		form.addEventListener("input", () => this.show());
		form.addEventListener("change", () => this.remember());
		this.restore();
	}

	/* A link to a search: "?q=phi&license=MIT". */
	async restore() {
		const asked = new URLSearchParams(location.search);
		this.input.value = asked.get("q") ?? "";
		const filters = this.selects.filter(select => asked.get(select.name));
		if (!this.input.value && !filters.length)
			return;
		await this.load();
		for (const select of filters)
			select.value = asked.get(select.name);
		this.show();
	}

	load() {
		this.loading ??= this.read().catch(() => {
			this.loading = null;
			this.found.textContent = "The list of models could not be loaded. " +
				"Try again, or browse the pages.";
		});
		return this.loading;
	}

	async read() {
		const answer = await fetch(this.form.dataset.search);
		if (!answer.ok)
			throw new Error(answer.statusText);
		this.models = (await answer.json()).models.map(prepare);
		for (const select of this.selects)
			this.fill(select);
	}

	fill(select) {
		const counts = new Map();
		for (const model of this.models)
			for (const value of new Set(VALUES[select.name](model)))
				if (value)
					counts.set(value, (counts.get(value) ?? 0) + 1);
		const values = [...counts.keys()].sort(select.name === "size" ? compareSizes : compareNames);
		for (const value of values) {
			const option = element("option", "", `${readable(value)} (${counts.get(value)})`);
			option.value = value;
			select.append(option);
		}
	}

	query() {
		return this.input.value.trim();
	}

	filters() {
		return this.selects.filter(select => select.value).map(select => [select.name, select.value]);
	}

	async show() {
		await this.load();
		if (!this.models)
			return;
		const query = this.query(), filters = this.filters();
		const searching = Boolean(query || filters.length);
		this.list.hidden = searching;
		this.results.replaceChildren();
		this.found.textContent = "";
		if (searching)
			this.listFound(find(this.models, query, filters));
	}

	/* In the address, so that it can be shared, and is there again after "Back". */
	remember() {
		const parameters = new URLSearchParams(this.filters());
		if (this.query())
			parameters.set("q", this.query());
		const text = parameters.toString();
		history.replaceState(null, "", text ? "?" + text : location.pathname);
	}

	listFound(models) {
		this.found.textContent = models.length ?
			`${models.length} model${models.length === 1 ? "" : "s"} found` : "No models found.";
		const list = element("ul", "cards");
		const more = element("button", "", "Show more");
		more.type = "button";
		const add = () => {
			const next = models.slice(list.children.length, list.children.length + SHOWN);
			const first = list.children.length;
			list.append(...next.map(model => card(model, this.form.dataset.root)));
			more.hidden = list.children.length === models.length;
			if (first)
				list.children[first].querySelector("a").focus();
		};
		more.addEventListener("click", add);
		add();
		if (models.length)
			this.results.append(list, more);
	}
}

/* ---- the page ---- */

document.querySelectorAll("div.command").forEach(addCopy);
document.querySelectorAll("table.sortable").forEach(addSorting);
document.querySelectorAll("div.scroll").forEach(addScrolling);
document.querySelectorAll("form.search").forEach(form => new Search(form));
