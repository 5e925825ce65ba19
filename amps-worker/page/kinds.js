/* kinds.js - the kinds of fields in a form.
 *
 * A kind makes its element, puts a value in, and takes one out: undefined = it is empty; it
 * throws what is wrong with the text, for people.  A kind that is a group of fields (groups.js) also
 * has isGroup; blame(element, path, text), which shows a problem at one of its fields, or returns
 * false; clear(element), which takes such problems away; and perhaps place(element), the field that a
 * problem of the whole is shown at. */
import { make } from "./dom.js";

const lines = (text) => text.split(/[\n,]/).map((word) => word.trim()).filter(Boolean);

export const TEXT = {
	make: (fields) => make("input", { type: "text", spellcheck: "false", autocomplete: "off", ...fields }),
	put(e, value) { e.value = value ?? ""; },
	take: (e) => e.value.trim() || undefined,
};
export const LONG = { ...TEXT, make: (fields) => make("textarea", { rows: 3, ...fields }) };
export const FLAG = {
	make: (fields) => make("select", fields, new Option("default", ""), new Option("yes", "true"),
		new Option("no", "false")),
	put(e, value) { e.value = value === undefined ? "" : String(value); },
	take: (e) => (e.value ? e.value === "true" : undefined),
};
export const WORDS = {
	...TEXT,
	put(e, value) { e.value = [value ?? []].flat().join(", "); },
	take(e) { return lines(e.value).length ? lines(e.value) : undefined; },
};
export const NUMBER = {
	...TEXT,
	make: (fields) => make("input", { type: "text", inputmode: "decimal", autocomplete: "off", ...fields }),
	take(e) {
		const text = e.value.trim();
		if (text && !Number.isFinite(Number(text)))
			throw new Error(`"${text}" is no number`);
		return text ? Number(text) : undefined;
	},
};
export const JSON_TEXT = {
	...LONG,
	make: (fields) => make("textarea", { rows: 2, spellcheck: "false", ...fields }),
	put(e, value) { e.value = value === undefined ? "" : JSON.stringify(value, null, 1); },
	take(e) {
		try {
			return e.value.trim() ? JSON.parse(e.value) : undefined;
		} catch (error) {
			throw new Error(`This is no valid JSON: ${error.message}`);
		}
	},
};

/* A source: a text, or the mapping of two legs as JSON. */
export const ADDRESS = {
	...TEXT,
	put(e, value) { e.value = typeof value === "object" ? JSON.stringify(value) : value ?? ""; },
	take: (e) => (e.value.trim().startsWith("{") ? JSON_TEXT.take(e) : TEXT.take(e)),
};

export const choice = (...values) => ({
	...TEXT,
	make: (fields) => make("select", fields, new Option("default", ""),
		...values.map((v) => new Option(v, v))),
	put(e, value) {
		e.value = value ?? "";
		if (e.selectedIndex < 0)
			e.add(new Option(value, value, true, true));
	},
});

/* Words as a shell reads them, or a list in JSON.  A value that is one text stays one. */
const quoted = (word) => (/^[^\s"'[][^\s"']*$/.test(word) ? word : word.includes('"') ? `'${word}'` : `"${word}"`);
export const ARGS = {
	...TEXT,
	put(e, value) {
		const strange = Array.isArray(value) && value.some((word) => /"/.test(word) && /'/.test(word));
		e.oneText = typeof value === "string";
		e.value = strange ? JSON.stringify(value) : Array.isArray(value) ? value.map(quoted).join(" ") : value ?? "";
	},
	take(e) {
		const text = e.value.trim(), words = [], pattern = /(?:"([^"]*)"|'([^']*)'|([^\s"']+))(?:\s+|$)/y;
		if (e.oneText)
			return text || undefined;
		if (text.startsWith("["))
			return JSON_TEXT.take(e);
		while (pattern.lastIndex < text.length) {
			const found = pattern.exec(text);
			if (!found)
				throw new Error("Put quotes around a whole word that has spaces or quotes in it");
			words.push(found[1] ?? found[2] ?? found[3]);
		}
		return words.length ? words : undefined;
	},
};

/* A command line, which is one text unless it was a list. */
export const COMMAND = {
	...ARGS,
	make: (fields) => make("textarea", { rows: 2, spellcheck: "false", ...fields }),
	put(e, value) {
		ARGS.put(e, value);
		e.oneText = !Array.isArray(value);
	},
};

/* A mapping, with a line name=value for each.  A value that is no text, or one of several lines, is
 * written as JSON. */
const optionText = (value) => (typeof value === "string" && !/\n|^"/.test(value) ? value : JSON.stringify(value));
function optionValue(text, was) {
	try {
		const value = JSON.parse(text);
		if (value !== null && (typeof value !== "number" || typeof was === "number"))
			return value;
	} catch { /* it is a text */ }
	return text;
}
export const OPTIONS = {
	...LONG,
	make: (fields) => make("textarea", { rows: 2, spellcheck: "false", ...fields }),
	put(e, value) {
		e.was = value || {};
		e.value = Object.entries(e.was).map(([name, v]) => `${name}=${optionText(v)}`).join("\n");
	},
	take(e) {
		const options = new Map();
		for (const line of e.value.split("\n").map((text) => text.trim()).filter(Boolean)) {
			const [, name, text] = /^([^=\s]+)\s*=\s*(.*)$/.exec(line) || [];
			if (!name)
				throw new Error(`"${line}" is not written as name=value`);
			const was = Object.hasOwn(e.was, name) ? e.was[name] : undefined;
			options.set(name, was !== undefined && optionText(was) === text ? was : optionValue(text, was));
		}
		return options.size ? Object.fromEntries(options) : undefined;
	},
};

/* A time of the API, which is UTC where it names no zone, in the time of this browser; a text that is no
 * time stays as it is. */
export const TIME = {
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
	#marked = null;

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

	/* Shows what is wrong at `path` of its value.  False = it only shows that something is, and `note`
	 * (an element, or null) has to say what. */
	blame(path, text, note) {
		if (this.kind.blame?.(this.element, path, text))
			return true;
		this.#marked = this.kind.place?.(this.element) || this.element;
		this.#marked.setAttribute("aria-invalid", "true");
		if (note)
			this.#marked.setAttribute("aria-describedby", note.id);
		return false;
	}

	clear() {
		this.kind.clear?.(this.element);
		this.#marked?.removeAttribute("aria-invalid");
	}
}
