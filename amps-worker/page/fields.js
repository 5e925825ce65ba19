/* fields.js - the fields of a channel in a form.
 *
 * A kind of field makes its element, puts a value in, and takes one out: undefined = it is empty;
 * it throws what is wrong with the text, for people. */
import { button, make } from "./dom.js";

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

/* A table with a line for each object; the keys that have no column stay as they are. */
function table(columns, add) {
	const rowOf = (body, item, label) => {
		const inputs = columns.map(([key, name]) => TEXT.make({ "data-key": key, value: item[key] ?? "",
			"aria-label": `${label}: ${name}`, placeholder: name }));
		const row = make("div.table-row", {}, ...inputs,
			button("Remove", () => row.remove(), { class: "small", "aria-label": `Remove from ${label}` }));
		row.item = item;
		body.append(row);
	};
	return {
		make(fields, label) {
			const body = make("div");
			const e = make("div.table", { id: fields.id, role: "group", "aria-label": label }, body,
				button(add, () => {
					rowOf(body, {}, label);
					body.lastElementChild.querySelector("input").focus();
				}, { class: "small" }));
			return e;
		},
		put(e, value) {
			e.firstElementChild.replaceChildren();
			for (const item of value || [])
				rowOf(e.firstElementChild, item, e.getAttribute("aria-label"));
		},
		take(e) {
			const items = [...e.firstElementChild.children].map((row) => {
				const item = { ...row.item };
				for (const input of row.querySelectorAll("input")) {
					delete item[input.dataset.key];
					if (input.value.trim())
						item[input.dataset.key] = input.value.trim();
				}
				return item;
			}).filter((item) => Object.keys(item).length);
			return items.length ? items : undefined;
		},
	};
}

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
		["adaptive_bitrates", "Variants", table([["name", "name"], ["label", "label"],
			["ffmpeg_profile", "profile"], ["source", "source, if it is another one"]], "Add a variant")],
	]],
	["Guide and programmes", [
		["epg_id", "Id in the guide", TEXT],
		["tvg_id", "tvg-id", TEXT],
		["tvg_name", "tvg-name", TEXT],
		["program_feed", "Programme feed", TEXT],
		["next_programs", "Programmes", table([["title", "title"], ["start", "start, 2030-01-31T20:00Z"],
			["end", "end"], ["description", "description"]], "Add a programme")],
	]],
	["Who may watch, and when", [
		["regions_allowed", "Only in these regions", WORDS, "Two letters each: US, CA"],
		["regions_blocked", "Not in these regions", WORDS],
		["schedule", "Schedule", ANY, "{\"start\": \"2030-01-31T20:00Z\", \"end\": …} of a scheduled channel"],
	]],
	["Source in detail", [
		["sources", "Further sources", ANY, "JSON: tried in this order when the first one fails"],
		["slate", "Slate while nothing works", ANY, "true, false, or a text"],
		["input_args", "Arguments of the input", ANY, "JSON, such as [\"-re\"]"],
		["input_options", "Options of the input", ANY, "JSON, such as {\"user_agent\": \"…\"}"],
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
