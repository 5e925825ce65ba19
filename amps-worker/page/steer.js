/* steer.js - the view that changes channels: add, change, delete, import, reload. */
import { ask, get } from "./api.js";
import { button, count, make, makeLines, say, sourceText } from "./dom.js";
import { Editor } from "./edit.js";
import { listenChannels, merge } from "./events.js";
import { importForm } from "./import.js";
import { matchForm } from "./match.js";
import { Rows } from "./rows.js";

let parts = null, channels = [], unlisten = null;

function filter() {
	const text = parts.search.value.trim().toLowerCase();
	parts.rows.items = text ? channels.filter((c) => c.text.includes(text)) : channels;
	parts.none.hidden = channels.length > 0;
}

/* Asks for all channels, or for those that have changed. */
async function load(ids = null) {
	const own = parts;
	try {
		const found = await get(ids ? `/api/streams?ids=${[...ids].join()}` : "/api/streams");
		if (parts !== own)
			return;
		for (const c of found)
			c.text = [c.id, c.channel_number, c.name, c.group, sourceText(c.source)].join(" ").toLowerCase();
		channels = ids ? merge(channels, ids, found) : found;
		filter();
	} catch (e) {
		say(e.message);
	}
}

function makeRow() {
	const lines = makeLines(), edit = button("Change", () => change(channel.id), { class: "small" });
	let channel = null;
	return { element: make("li.line", {}, lines.element, edit), show(shown) {
		channel = shown;
		lines.show([channel.channel_number, channel.name].filter(Boolean).join(" "),
			[`id ${channel.id}`, channel.group, channel.ffmpeg_profile, sourceText(channel.source)]);
		edit.ariaLabel = `Change ${channel.name}`;
	} };
}

/* Shows a form in place of the list; null = the list again.  from: what was used to open it, an element
 * or the id of a channel: the focus returns there. */
function put(form, from = null) {
	parts.form.replaceChildren(...(form ? [form] : []));
	parts.list.hidden = Boolean(form);
	parts.touched = false;
	if (form) {
		say("");
		parts.from = from;
		scrollTo(0, 0);
		form.querySelector("input, button").focus({ preventScroll: true });
		return;
	}
	filter();
	const at = parts.rows.items.findIndex((c) => c.id === parts.from);
	if (at >= 0)
		parts.rows.focus(at);
	else
		(parts.from?.isConnected ? parts.from : parts.search).focus();
}

/* Escape leaves a form that nobody has changed. */
function onKey(event) {
	if (event.key !== "Escape" || event.target.tagName === "SELECT")
		return;
	if (parts.touched)
		say("The form has changes: save it, or cancel.");
	else
		put(null);
}

function done(channel) {
	if (!parts)
		return;
	if (channel) {
		say(`${channel.name} was ${channel.deleted ? "deleted" : "saved"}.`);
		load();
	}
	put(null);
}

/* The names of the profiles; `copy` is one where the file has none of that name. */
const learnProfiles = async () => [...new Set(["copy", ...Object.keys(await get("/api/profiles"))])];

/* Shows the form that makeForm() returns. */
async function open(makeForm, from = document.activeElement) {
	const own = parts;
	try {
		const form = await makeForm();
		if (parts === own)
			put(form, from);
	} catch (e) {
		say(e.message);
	}
}

const add = () => open(async () => new Editor(await learnProfiles(), null, null, done).form);

const change = (id) => open(async () => {
	const { data, tag } = await ask("GET", `/api/streams/${id}`);
	return new Editor(await learnProfiles(), data, tag, done).form;
}, id);

const importList = () => open(async () => importForm(await learnProfiles(), (added) => {
	if (added) {
		say(`${count(added, "channel")} ${added === 1 ? "was" : "were"} added.`);
		load();
	}
	put(null);
}));

/* What a reload has changed, or the problems of the file, each with its line. */
async function reload() {
	const list = (title, kind, entries) => (entries.length ? [make("h3", { textContent: title }),
		make(kind ? `ul.${kind}` : "ul", {}, ...entries.map((text) => make("li", { textContent: text })))] : []);
	const named = (all) => all.map((c) => `${c.name} (${c.id})`);
	try {
		const { data } = await ask("POST", "/api/reload");
		parts.report.replaceChildren(make("p", { textContent: "The configuration is in force." }),
			...list("Added", "", named(data.added)), ...list("Changed", "", named(data.changed)),
			...list("Removed", "", named(data.removed)), ...list("Warnings", "warn", data.warnings));
		load();
	} catch (e) {
		const lines = e.problems?.map((p) => [p.file && p.line ? `${p.file}:${p.line}` : p.file, p.path, p.message]
			.filter(Boolean).join(": ")) || [];
		parts.report.replaceChildren(make("p.bad", { textContent: lines.length ?
			"The file has problems; what was in force stays in force." : e.message }), ...list("Problems", "bad", lines));
	}
}

export function show(place) {
	if (parts)
		return;
	const list = make("ul.lines", { "aria-label": "Channels" });
	parts = {
		search: make("input", { type: "search", placeholder: "Search channels", "aria-label": "Search channels",
			oninput: filter }),
		report: make("div", { role: "status" }),
		none: make("p", { textContent: "There are no channels yet. Add the first one.", hidden: true }),
		form: make("div", { onkeydown: onKey, oninput: () => { parts.touched = true; },
			onclick: (e) => { parts.touched ||= Boolean(e.target.closest(".table button")); } }),
		list: make("div"),
	};
	parts.list.append(make("h2", { textContent: "Channels" }), make("div.row.tools", {}, parts.search,
		button("Add a channel", add), button("Import M3U", importList),
		button("Match the guide", () => open(() => matchForm(() => put(null)))),
		button("Reload the file", reload)), parts.report, parts.none, list);
	place.append(parts.form, parts.list);
	parts.rows = new Rows(list, makeRow);
	unlisten = listenChannels(load);
	load();
}

export function hide() {
	unlisten?.();
	parts = null;
}
