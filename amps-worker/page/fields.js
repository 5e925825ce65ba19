/* fields.js - the fields of a channel in a form.
 *
 * A kind of field makes its element, puts a value in, and takes one out: undefined = it is empty; it
 * throws what is wrong with the text, for people.  A kind that is a group of fields also has
 * blame(element, path, text), which shows a problem below one of them and returns it, and clear(). */
import { button, make, say } from "./dom.js";

const lines = (text) => text.split(/[\n,]/).map((word) => word.trim()).filter(Boolean);

/* A text, or any other value as JSON. */
function parse(text) {
	if (!/^\s*([[{"]|true$|false$|null$|-?\d+(\.\d+)?$)/.test(text))
		return text;
	try {
		return JSON.parse(text);
	} catch (e) {
		throw new Error(`This is no valid JSON: ${e.message}`);
	}
}

const written = (value) => (typeof value === "string" && !/^\s*[[{"\d-]|^(true|false|null)$/.test(value) ?
	value : JSON.stringify(value, null, 1));

const TEXT = {
	make: (fields) => make("input", { type: "text", spellcheck: "false", autocomplete: "off", ...fields }),
	put(e, value) { e.value = value ?? ""; },
	take: (e) => e.value.trim() || undefined,
};
const LONG = { ...TEXT, make: (fields) => make("textarea", { rows: 3, ...fields }) };
const FLAG = {
	make: (fields) => make("select", fields, new Option("default", ""), new Option("yes", "true"),
		new Option("no", "false")),
	put(e, value) { e.value = value === undefined ? "" : String(value); },
	take: (e) => (e.value ? e.value === "true" : undefined),
};
const WORDS = {
	...TEXT,
	put(e, value) { e.value = [value ?? []].flat().join(", "); },
	take(e) { return lines(e.value).length ? lines(e.value) : undefined; },
};
const ANY = {
	...LONG,
	make: (fields) => make("textarea", { rows: 2, spellcheck: "false", ...fields }),
	put(e, value) { e.value = value === undefined ? "" : written(value); },
	take: (e) => (e.value.trim() ? parse(e.value.trim()) : undefined),
};

const choice = (...values) => ({
	...TEXT,
	make: (fields) => make("select", fields, new Option("default", ""),
		...values.map((v) => new Option(v, v))),
	put(e, value) {
		e.value = value ?? "";
		if (e.selectedIndex < 0)
			e.add(new Option(value, value, true, true));
	},
});

/* Words as a shell reads them, or a list in JSON. */
const quoted = (word) => (/^[^\s"'[][^\s"']*$/.test(word) ? word : word.includes('"') ? `'${word}'` : `"${word}"`);
const ARGS = {
	...TEXT,
	put(e, value) {
		const strange = Array.isArray(value) && value.some((word) => /"/.test(word) && /'/.test(word));
		e.value = strange ? JSON.stringify(value) : Array.isArray(value) ? value.map(quoted).join(" ") : value ?? "";
	},
	take(e) {
		const text = e.value.trim(), words = [], pattern = /(?:"([^"]*)"|'([^']*)'|([^\s"']+))(?:\s+|$)/y;
		if (text.startsWith("["))
			return parse(text);
		while (pattern.lastIndex < text.length) {
			const found = pattern.exec(text);
			if (!found)
				throw new Error("Put quotes around a whole word that has spaces or quotes in it");
			words.push(found[1] ?? found[2] ?? found[3]);
		}
		return words.length ? words : undefined;
	},
};

/* A mapping, with a line name=value for each. */
const optionText = (value) => (typeof value === "string" && !value.includes("\n") ? value : JSON.stringify(value));
const OPTIONS = {
	...LONG,
	make: (fields) => make("textarea", { rows: 2, spellcheck: "false", ...fields }),
	put(e, value) {
		e.was = value || {};
		e.value = Object.entries(e.was).map(([name, v]) => `${name}=${optionText(v)}`).join("\n");
	},
	take(e) {
		const options = {};
		for (const line of e.value.split("\n").map((text) => text.trim()).filter(Boolean)) {
			const [, name, text] = /^([^=\s]+)\s*=\s*(.*)$/.exec(line) || [];
			if (!name)
				throw new Error(`"${line}" is not written as name=value`);
			const was = Object.hasOwn(e.was, name) ? e.was[name] : undefined;
			options[name] = was !== undefined && optionText(was) === text ? was : text;
		}
		return Object.keys(options).length ? options : undefined;
	},
};

/* A time of the API, which is UTC where it names no zone, in the time of this browser; a text that is no
 * time stays as it is. */
const TIME = {
	...TEXT,
	put(e, value = "") {
		const zoned = /(z|[+-]\d\d:?\d\d|^[\d-]{10})$/i.test(value) ? value : `${value}Z`;
		const time = new Date(zoned.trim().replace(" ", "T")), two = (n) => String(n).padStart(2, "0");
		e.type = value && isNaN(time) ? "text" : "datetime-local";
		e.value = isNaN(time) ? value : `${String(time.getFullYear()).padStart(4, "0")}-${two(time.getMonth() + 1)}-` +
			`${two(time.getDate())}T${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
	},
	take(e) {
		if (e.type === "text" || !e.value)
			return e.value.trim() || undefined;
		return new Date(e.value).toISOString().replace(/\.\d+/, "");
	},
};

export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/* A field of a form.  One that is not touched keeps its value, also one that it would write in another
 * way. */
export class Cell {
	#was;
	#taken;

	constructor(kind, element) {
		this.kind = kind;
		this.element = element;
	}

	put(value) {
		this.kind.put(this.element, value);
		this.#was = value;
		this.#taken = this.kind.take(this.element);
	}

	take() {
		const now = this.kind.take(this.element);
		return same(now, this.#taken) ? this.#was : now;
	}

	/* Shows that it is wrong, with the element that says why. */
	blame(note) {
		this.element.setAttribute("aria-invalid", "true");
		if (note)
			this.element.setAttribute("aria-describedby", note.id);
		return this.element;
	}

	clear() {
		this.element.removeAttribute("aria-invalid");
	}
}

let notes = 0;

/* The fields of one object; the keys that have none stay as they are.  columns: [[key, name, kind]] */
class Fields {
	#cells = new Map();
	#item = {};
	#note = make("p.bad.note", { id: `note-${++notes}`, hidden: true });

	constructor(columns, fields, ...buttons) {
		const labels = columns.map(([key, name, kind]) => {
			const input = kind.make({ name: key });
			this.#cells.set(key, new Cell(kind, input));
			return make("label", {}, make("span.soft", { textContent: name }), input);
		});
		this.element = make("div.fields", { role: "group", ...fields }, ...labels, ...buttons, this.#note);
		this.element.fields = this;
	}

	put(item) {
		this.#item = item;
		for (const [key, cell] of this.#cells)
			cell.put(item[key]);
	}

	take() {
		const item = { ...this.#item };
		for (const [key, cell] of this.#cells) {
			let value;
			try {
				value = cell.take();
			} catch (e) {
				throw Object.assign(e, { path: `.${key}` });
			}
			delete item[key];
			if (value !== undefined)
				item[key] = value;
		}
		return item;
	}

	/* path: ".key" and perhaps more; "" = the whole. */
	blame(path, text) {
		const [, key, rest] = /^\.(\w+)(.*)$/.exec(path) || [null, /^'(\w+)'/.exec(text)?.[1], ""];
		const cell = this.#cells.get(key);
		this.#note.textContent = [this.#note.textContent, cell && !rest ? text : [(cell ? rest : path).replace(/^\./, ""),
			text].filter(Boolean).join(": ")].filter(Boolean).join(" · ");
		this.#note.hidden = false;
		return (cell || this.#cells.values().next().value).blame(this.#note);
	}

	clear() {
		this.#note.textContent = "";
		this.#note.hidden = true;
		this.#cells.forEach((cell) => cell.clear());
	}
}

/* One object. */
const group = (columns) => ({
	isGroup: true,
	make: (fields, label) => new Fields(columns, { ...fields, "aria-label": label }).element,
	put: (e, value) => e.fields.put(value || {}),
	take(e) {
		const item = e.fields.take();
		return Object.keys(item).length ? item : undefined;
	},
	blame: (e, path, text) => e.fields.blame(path, text),
	clear: (e) => e.fields.clear(),
});

/* A list of objects, which can be added, removed and moved.  alone: an entry with this key only is
 * written as a text. */
function list(columns, one, alone) {
	const rows = (e) => [...e.firstElementChild.children];
	const order = (e) => rows(e).forEach((row, i, all) => {
		row.setAttribute("aria-label", `${e.getAttribute("aria-label")} ${i + 1}`);
		const [up, down] = row.querySelectorAll("button.move");
		up.disabled = i === 0;
		down.disabled = i === all.length - 1;
	});
	const move = (e, row, step, by) => {
		const all = rows(e), to = all.indexOf(row) + step;
		e.firstElementChild.insertBefore(row, step < 0 ? all[to] : all[to].nextElementSibling);
		order(e);
		(by.disabled ? row.querySelector("button.move:enabled") : by).focus();
		say(`It is number ${to + 1} of ${all.length} now.`);
	};
	const append = (e, item) => {
		const known = typeof item === "string" ? { [alone]: item } : item;
		const small = (kind, text, name, act) => button(text, (event) => act(event.target),
			{ class: `small ${kind}`, "aria-label": name, title: name });
		const fields = new Fields(columns, {}, make("div.moves", {},
			small("move", "↑", "Move up", (by) => move(e, row, -1, by)),
			small("move", "↓", "Move down", (by) => move(e, row, 1, by)),
			small("remove", "✕", "Remove", () => {
				const next = row.nextElementSibling || row.previousElementSibling;
				row.remove();
				order(e);
				(next?.querySelector("button.remove") || e.lastElementChild).focus();
			})));
		const row = fields.element;
		row.plain = alone && (typeof item === "string" || !Object.keys(item).length);
		fields.put(known);
		e.firstElementChild.append(row);
	};
	return {
		isGroup: true,
		make(fields, label) {
			const e = make("div.table", { ...fields, role: "group", "aria-label": label }, make("div"),
				button(`Add a ${one}`, () => {
					append(e, {});
					order(e);
					e.firstElementChild.lastElementChild.querySelector("input").focus();
				}, { class: "small" }));
			return e;
		},
		put(e, value) {
			e.firstElementChild.replaceChildren();
			for (const item of [value ?? []].flat())
				append(e, item);
			order(e);
		},
		take(e) {
			const items = [];
			e.taken = rows(e);
			e.taken.forEach((row, i) => {
				try {
					items.push(row.fields.take());
				} catch (error) {
					throw Object.assign(error, { path: `[${i}]${error.path}` });
				}
			});
			const full = (item) => Object.keys(item).length > 0, all = e.taken;
			e.taken = all.filter((_, i) => full(items[i]));
			const kept = items.map((item, i) => (all[i].plain && Object.keys(item).join() === alone ? item[alone] : item))
				.filter((item) => full(item));
			return kept.length ? kept : undefined;
		},
		blame(e, path, text) {
			const [, at, rest] = /^\[(\d+)\](.*)$/.exec(path) || [];
			return e.taken?.[at]?.fields.blame(rest, text);
		},
		clear: (e) => rows(e).forEach((row) => row.fields.clear()),
	};
}

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/* [title, [[key, name, kind, hint]]] */
export const groups = (profiles) => [
	["Channel", [
		["name", "Name", TEXT],
		["source", "Source", TEXT, "An address such as http://host/live.ts or udp://239.1.2.3:5000, or a file"],
		["ffmpeg_profile", "Profile", choice(...profiles), "How it is encoded; copy leaves it as it is"],
		["group", "Group", TEXT],
		["channel_number", "Number", TEXT],
		["logo", "Logo", TEXT, "The address of a picture"],
		["description", "Description", LONG],
	]],
	["Variants", [
		["adaptive_bitrates", "Variants", list([["name", "Name", TEXT], ["label", "Label", TEXT],
			["ffmpeg_profile", "Profile", choice(...profiles)], ["source", "Source, if it is another one", TEXT]], "variant")],
	]],
	["Guide and programmes", [
		["epg_id", "Id in the guide", TEXT],
		["tvg_id", "tvg-id", TEXT],
		["tvg_name", "tvg-name", TEXT],
		["program_feed", "Programme feed", TEXT],
		["next_programs", "Programmes", list([["title", "Title", TEXT], ["start", "Start", TIME],
			["end", "End", TIME], ["description", "Description", TEXT]], "programme"), `Times of ${zone()}`],
	]],
	["Who may watch, and when", [
		["regions_allowed", "Only in these regions", WORDS, "Two letters each: US, CA"],
		["regions_blocked", "Not in these regions", WORDS],
		["schedule", "Schedule", group([["start", "Start", TIME], ["end", "End", TIME]]),
			`Of a scheduled channel, which exists between these times of ${zone()}`],
	]],
	["Source in detail", [
		["sources", "Further sources", list([["source", "Source", TEXT], ["input_options", "Options, a line for each", OPTIONS],
			["input_args", "Arguments", ARGS], ["use_yt_dlp", "A page that yt-dlp reads", FLAG]], "source", "source"),
		"Tried in this order when the first one fails"],
		["slate", "Slate while nothing works", ANY, "true (the default), false, or a text"],
		["input_args", "Arguments of the input", ARGS, "Words of ffmpeg before -i, such as -re -stream_loop -1"],
		["input_options", "Options of the input", OPTIONS, "A line for each, such as user_agent=VLC/3.0"],
		["use_yt_dlp", "A page that yt-dlp reads", FLAG],
		["yt_dlp_format", "Format for yt-dlp", TEXT],
		["source_handler", "Source handler", ANY],
		["custom_ffmpeg", "Command instead of a profile", ANY, "Only the admin_token may change it"],
	]],
	["Output in detail", [
		["output_format", "Form in playlists", choice("ts", "hls", "ll-hls", "dash", "rtsp", "audio", "mse")],
		["ll_hls", "Low latency HLS", FLAG],
		["audio_only", "Sound only", FLAG],
		["hwaccel", "Hardware", ANY],
	]],
];

export const REST = ["more", "Further fields", ANY, "JSON, as in the file"];
