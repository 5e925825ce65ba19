/* dom.js - makes elements, and texts for people.  What others wrote is only ever set as text. */

export const byId = (id) => document.getElementById(id);

const PROPERTIES = ["value", "checked", "disabled", "hidden", "textContent"];

/* make("a.button", {href, textContent, onclick}, ...children): an element with these classes,
 * attributes, properties and listeners; fields that are null, undefined or false are left out. */
export function make(kind, fields = {}, ...children) {
	const [name, ...classes] = kind.split(".");
	const e = document.createElement(name);
	if (classes.length)
		e.className = classes.join(" ");
	for (const [key, value] of Object.entries(fields)) {
		if (value === undefined || value === null || value === false)
			continue;
		if (typeof value === "function")
			e.addEventListener(key.slice(2), value);
		else if (PROPERTIES.includes(key))
			e[key] = value;
		else
			e.setAttribute(key, value === true ? "" : value);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined));
	return e;
}

export const button = (text, onclick, fields = {}) =>
	make("button", { type: "button", textContent: text, onclick, ...fields });

/* The same with a text that somebody wrote, in the direction of its own language. */
export const named = (kind, text, fields = {}) => make(kind, { dir: "auto", textContent: text, ...fields });

/* Changes the text of an element that holds nothing else.  A changed text is laid out in half the time of a
 * new one; browsers lay out one that is set to what it was, too. */
export function retext(element, text) {
	const node = element.firstChild ?? element.appendChild(new Text());
	if (node.data !== text)
		node.data = text;
}

/* A function that shows these items in the box, which holds nothing else.  makePart(): {element, show(item)},
 * which shows one item after the other. */
export function repeat(box, makePart) {
	const parts = [];
	return (items) => {
		while (parts.length > items.length)
			parts.pop().element.remove();
		while (parts.length < items.length) {
			const part = makePart();
			parts.push(part);
			box.append(part.element);
		}
		items.forEach((item, i) => parts[i].show(item));
	};
}

/* Two lines of a row, the second of what there is of these words: {element, show(title, words)}. */
export function makeLines() {
	const first = named("b", ""), second = make("span.soft");
	return { element: make("span.grow", {}, first, second), show(title, words) {
		retext(first, title);
		retext(second, words.filter(Boolean).join(" · "));
	} };
}

/* Only these may stand in a link or a picture. */
export const safeUrl = (url) => (/^(https?|rtsp):\/\//i.test(url || "") ? url : null);

/* A channel's source for people: an address, or those of a pair. */
export const sourceText = (source) => (source?.pair ? source.pair.join(" + ") : source);

export function count(n, one, many = one + "s") {
	return n === 1 ? `1 ${one}` : `${n.toLocaleString()} ${many}`;
}

export function bits(bps) {
	const n = Number(bps) || 0;
	return n >= 1e6 ? `${(n / 1e6).toFixed(1)} Mbit/s` : `${Math.round(n / 1e3)} kbit/s`;
}

export function bytes(value) {
	let n = Number(value) || 0, unit = 0;
	for (; n >= 1024 && unit < 4; unit++)
		n /= 1024;
	return `${unit && n < 10 ? n.toFixed(1) : Math.round(n)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/* "3 h 5 min" */
export function span(seconds) {
	const s = Math.max(0, Math.round(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60);
	if (h >= 48)
		return `${Math.floor(h / 24)} d ${h % 24} h`;
	return h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}

export const since = (time) => span((Date.now() - new Date(time)) / 1000);

/* Making a format takes longer than a hundred uses of it. */
const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

export const clock = (time) => CLOCK.format(new Date(time));

/* Is the keyboard of this element its own? */
export const takesKeys = (e) => /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName);

/* Writes to the clipboard; browsers offer it on https and localhost only. */
export async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		say("Copied.");
	} catch (e) {
		window.prompt("Copy this:", text);
	}
}

/* A short message for everybody, screen readers too. */
export function say(text) {
	byId("summary").textContent = text;
}
