/* groups.js - the kinds of fields that are groups of fields: an object, a list of objects, a value of
 * one of several kinds, and the keys that a form has no field for.  kinds.js has what a kind is. */
import { button, make, say } from "./dom.js";
import { Cell, FLAG, JSON_TEXT, NUMBER, OPTIONS, TEXT } from "./kinds.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const full = (object) => Object.keys(object).length > 0;

/* The key of the field that has all keys without a field of their own. */
const OTHERS = "";

/* The cells of one object.  Keys that have none stay as they are. */
export class Cells {
	#cells = new Map();
	#item = {};

	add(key, kind, element) {
		this.#cells.set(key, new Cell(kind, element));
		return this.#cells.get(key);
	}

	put(item) {
		const others = { ...item };
		for (const key of this.#cells.keys())
			delete others[key];
		this.#item = this.#cells.has(OTHERS) ? {} : others;
		for (const [key, cell] of this.#cells)
			cell.put(key !== OTHERS ? item[key] : full(others) ? others : undefined);
	}

	/* The object.  wrong(path, error): what to do with a field whose text is wrong; path: ".key[0].key". */
	take(wrong = (path, e) => { throw Object.assign(e, { path }); }) {
		const item = new Map(Object.entries(this.#item));
		for (const [key, cell] of this.#cells) {
			try {
				const value = cell.take();
				if (key === OTHERS)
					Object.entries(value || {}).forEach((entry) => item.set(...entry));
				else if (value !== undefined)
					item.set(key, value);
			} catch (e) {
				const path = e.path || "";
				wrong(key || !path.startsWith(".") ? `.${key}${path}` : path, e);
			}
		}
		return Object.fromEntries(item);
	}

	/* The cell that has this path, and the path in it; null = none has.  Of the keys without a field a
	 * path may also be the place in their list: "[0]". */
	find(path) {
		const [, key, rest] = /^\.([^.[]*)(.*)$/.exec(path) || [];
		const own = key && this.#cells.get(key), others = this.#cells.get(OTHERS);
		if (own)
			return { cell: own, rest };
		return others && (key ? others.kind.has(others.element, key) : rest?.startsWith("[")) ?
			{ cell: others, rest: key ? path : rest } : null;
	}

	first() {
		return this.#cells.values().next().value;
	}

	clear() {
		this.#cells.forEach((cell) => cell.clear());
	}
}

let notes = 0;

/* The fields of one object, with a note of what is wrong.  columns: [[key, name, kind]], more: those
 * that are shown when they have a value, or are asked for. */
class Fields {
	#cells = new Cells();
	#note = make("p.bad.note", { id: `note-${++notes}`, hidden: true });
	#more = null;

	constructor(columns, more, fields, ...buttons) {
		const shown = ([key, name, kind]) => {
			const input = kind.make(kind.isGroup ? {} : { name: key }, name);
			this.#cells.add(key, kind, input);
			return make(kind.isGroup ? "div.part" : "label", {}, make("span.soft", { textContent: name }), input);
		};
		this.element = make("div.fields", { role: "group", ...fields }, ...columns.map(shown), ...buttons);
		if (more.length) {
			this.#more = make("details", {}, make("summary", { textContent: "More" }),
				make("div.fields", {}, ...more.map(shown)));
			this.element.append(this.#more);
		}
		this.element.append(this.#note);
		this.element.fields = this;
		this.shown = columns.map(([key]) => key);
	}

	put(item) {
		this.#cells.put(item);
		if (this.#more)
			this.#more.open = Object.keys(item).some((key) => !this.shown.includes(key));
	}

	take() {
		return this.#cells.take();
	}

	/* path: ".key" and perhaps more; "" = the whole.  True: it is shown. */
	blame(path, text) {
		const named = /^'(\w+)'/.exec(text)?.[1];
		const found = this.#cells.find(path || (named ? `.${named}` : ""));
		const { cell, rest } = found || { cell: this.#cells.first(), rest: path };
		if (this.#more?.contains(cell.element))
			this.#more.open = true;
		if (!cell.blame(rest, text, this.#note)) {
			this.#note.textContent = [this.#note.textContent, [rest.replace(/^\./, ""), text].filter(Boolean)
				.join(": ")].filter(Boolean).join(" · ");
			this.#note.hidden = false;
		}
		return true;
	}

	clear() {
		this.#note.textContent = "";
		this.#note.hidden = true;
		this.#cells.clear();
	}
}

/* One object.  alone: one with this key only may be written as the value of that key, and is, unless it
 * was not. */
export const group = (columns, alone) => ({
	isGroup: true,
	make: (fields, label) => new Fields(columns, [], { ...fields, "aria-label": label }).element,
	put(e, value) {
		e.plain = alone && !isObject(value);
		e.fields.put(!e.plain ? value || {} : value === undefined ? {} : { [alone]: value });
	},
	take(e) {
		const item = e.fields.take();
		return !full(item) ? undefined : e.plain && Object.keys(item).join() === alone ? item[alone] : item;
	},
	blame: (e, path, text) => e.fields.blame(path, text),
	clear: (e) => e.fields.clear(),
});

/* A list of objects, which can be added, removed and moved.  alone: as for group(); more: as for Fields;
 * unordered: they cannot be moved. */
export function list(columns, one, { alone, more = [], unordered = false } = {}) {
	const rows = (e) => [...e.firstElementChild.children];
	const order = (e) => rows(e).forEach((row, i, all) => {
		row.setAttribute("aria-label", `${e.getAttribute("aria-label")} ${i + 1}`);
		const [up, down] = row.querySelectorAll(":scope > .moves > .move");
		if (up) {
			up.disabled = i === 0;
			down.disabled = i === all.length - 1;
		}
	});
	const move = (e, row, step, by) => {
		const all = rows(e), to = all.indexOf(row) + step;
		e.firstElementChild.insertBefore(row, step < 0 ? all[to] : all[to].nextElementSibling);
		order(e);
		(by.disabled ? row.querySelector(":scope > .moves > .move:enabled") : by).focus();
		say(`It is number ${to + 1} of ${all.length} now.`);
	};
	const append = (e, item) => {
		const known = alone && !isObject(item) ? { [alone]: item } : item;
		const small = (kind, text, name, act) => button(text, (event) => act(event.target),
			{ class: `small ${kind}`, "aria-label": name, title: name });
		const moves = unordered ? [] : [small("move", "↑", "Move up", (by) => move(e, row, -1, by)),
			small("move", "↓", "Move down", (by) => move(e, row, 1, by))];
		const fields = new Fields(columns, more, {}, make("div.moves", {}, ...moves,
			small("remove", "✕", "Remove", () => {
				const next = row.nextElementSibling || row.previousElementSibling;
				row.remove();
				order(e);
				(next?.querySelector(":scope > .moves > .remove") || e.lastElementChild).focus();
			})));
		const row = fields.element;
		row.plain = alone && (!isObject(item) || !full(item));
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
					e.firstElementChild.lastElementChild.querySelector("input, select, textarea").focus();
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
			const all = rows(e), items = all.map((row, i) => {
				try {
					return row.fields.take();
				} catch (error) {
					e.taken = all;
					throw Object.assign(error, { path: `[${i}]${error.path}` });
				}
			});
			e.taken = all.filter((_, i) => full(items[i]));
			const kept = items.map((item, i) => (all[i].plain && Object.keys(item).join() === alone ? item[alone] : item))
				.filter((item) => !isObject(item) || full(item));
			return kept.length ? kept : undefined;
		},
		blame(e, path, text) {
			const [, at, rest] = /^\[(\d+)\](.*)$/.exec(path) || [];
			return e.taken?.[at]?.fields.blame(rest, text);
		},
		clear: (e) => rows(e).forEach((row) => row.fields.clear()),
		place: (e) => e.querySelector("input, select, textarea") || e.lastElementChild,
	};
}

/* A value of one of several kinds, the first that fits it, and of the first if there is none:
 * [[name, kind, fits(value)]]. */
export function either(...forms) {
	const use = (e, at) => {
		const kind = forms[at][1], label = e.getAttribute("aria-label");
		e.cell = new Cell(kind, kind.make({ "aria-label": label }, label));
		e.firstElementChild.value = at;
		e.replaceChildren(e.firstElementChild, e.cell.element);
		kind.put(e.cell.element, undefined);
	};
	return {
		isGroup: true,
		make(fields, label) {
			const chosen = make("select", { "aria-label": `${label}: kind` },
				...forms.map(([name], i) => new Option(name, i)));
			const e = make("div.either", { ...fields, role: "group", "aria-label": label }, chosen);
			chosen.addEventListener("change", () => use(e, chosen.value));
			use(e, 0);
			return e;
		},
		put(e, value) {
			use(e, value === undefined ? 0 : forms.findIndex(([, , fits]) => fits(value)));
			e.cell.put(value);
		},
		take: (e) => e.cell.take(),
		blame: (e, path, text) => e.cell.kind.blame?.(e.cell.element, path, text),
		clear: (e) => e.cell.clear(),
		place: (e) => (e.cell.element.matches("input, select, textarea") ? e.cell.element : e.firstElementChild),
	};
}

/* A value that needs no field. */
const fixed = (value) => ({ make: () => make("span", { hidden: true }), put() {}, take: () => value });
const is = (type) => (value) => typeof value === type;

export const TEXT_FORM = ["a text", TEXT, is("string")];
export const DEFAULT_FORM = ["default", fixed(undefined), () => false];
export const YES_FORM = ["yes", fixed(true), (value) => value === true];
export const NO_FORM = ["no", fixed(false), (value) => value === false];
export const MAPPING_FORM = ["lines of name=value", OPTIONS, isObject];
export const JSON_FORM = ["JSON", JSON_TEXT, () => true];

/* All keys that have no field of their own: a name, and a value of any kind. */
const names = list([["key", "Name", TEXT], ["value", "Value", either(TEXT_FORM, ["a number", NUMBER, is("number")],
	["yes or no", FLAG, is("boolean")], MAPPING_FORM, JSON_FORM)]], "field", { unordered: true });
const NAMES = {
	...names,
	put(e, value) {
		names.put(e, Object.entries(value || {}).map(([key, v]) => ({ key, value: v })));
	},
	take(e) {
		const all = new Map(), items = names.take(e) || [];
		e.names = items.map(({ key }) => key);
		items.forEach(({ key, value }, i) => {
			const wrong = key === undefined ? "The value has no name" : value === undefined ? "It has no value" :
				all.has(key) ? "There are two fields of this name" : null;
			if (wrong)
				throw Object.assign(new Error(wrong), { path: key === undefined ? `[${i}]` : `.${key}` });
			all.set(key, value);
		});
		return all.size ? Object.fromEntries(all) : undefined;
	},
	has: (e, key) => e.names.includes(key),
	blame(e, path, text) {
		const [, key, rest] = /^\.([^.[]+)(.*)$/.exec(path) || [], at = e.names.indexOf(key);
		return names.blame(e, at < 0 ? path : `[${at}].value${rest}`, text);
	},
};
export const OTHER_KEYS = [OTHERS, "Further fields", NAMES];
