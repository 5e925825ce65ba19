/* guide.js - the view of the programmes over time; a click plays their channel. */
import { button, clock, count, make, named, repeat, retext, say } from "./dom.js";
import { loadLineUp } from "./lineup.js";
import { Programmes, searchProgrammes } from "./programmes.js";
import { Rows } from "./rows.js";

const HALF_MS = 1800000, TYPED_MS = 400, FOUND_MOST = 200, TICK_MS = 30000;
let parts = null, timer = 0, ticker = 0, control = null;

const start = () => Math.floor(Date.now() / HALF_MS) * HALF_MS;
const day = (time) => new Date(time).toLocaleDateString([], { weekday: "short", day: "numeric" });
const times = (p) => `${clock(p.from)} – ${clock(p.to)}`;

/* How much of time a row shows, in ms: half an hour needs so many pixels. */
const shown = () => Math.max(2, Math.floor((innerWidth - 160) / 180)) * HALF_MS;

/* A programme of a row, at its place in the time that is shown. */
function makeProgramme() {
	const title = named("b", ""), when = make("span.soft"), element = make("a.programme", {}, title, when);
	return { element, show([channel, p]) {
		const now = Date.now(), from = Math.max(0, (p.from - parts.from) / shown());
		const to = Math.min(1, (p.to - parts.from) / shown());
		element.classList.toggle("on", p.from <= now && p.to > now);
		element.href = `/watch/${channel.id}`;
		element.title = [p.title, times(p), p.description].filter(Boolean).join("\n");
		element.ariaLabel = `${p.title}, ${times(p)}, on ${channel.name}`;
		element.style.left = `${from * 100}%`;
		element.style.width = `${(to - from) * 100}%`;
		retext(title, p.title);
		retext(when, times(p));
	} };
}

function makeRow() {
	const number = make("span.soft"), name = named("b", ""), link = make("a.guide-name", {}, number, name);
	const track = make("div.track"), none = make("span.soft.no-guide", { textContent: "No programmes" });
	const showProgrammes = repeat(track, makeProgramme);
	return { element: make("li.guide-row", {}, link, track, none), show(channel) {
		const all = parts.programmes.of(channel.id), end = parts.from + shown();
		link.href = `/watch/${channel.id}`;
		retext(number, channel.number || "");
		retext(name, channel.name);
		showProgrammes((all || []).filter((p) => p.to > parts.from && p.from < end).map((p) => [channel, p]));
		none.hidden = all?.length !== 0;
		track.hidden = !none.hidden;
	} };
}

/* One of the times over the rows. */
function makeMark() {
	const element = make("span");
	return { element, show(after) {
		retext(element, clock(parts.from + after));
		element.style.left = `${after / shown() * 100}%`;
	} };
}

/* The times over the rows, and the line of now. */
function draw() {
	parts.showTimes(Array.from({ length: shown() / HALF_MS }, (_, i) => i * HALF_MS));
	parts.day.textContent = day(parts.from);
	parts.rows.redraw();
}

function move(to) {
	parts.from = to;
	draw();
}

/* ---------- the search ---------- */

async function search() {
	const text = parts.search.value.trim(), own = parts;
	control?.abort();
	control = new AbortController();
	parts.found.replaceChildren();
	parts.grid.hidden = text.length > 0;
	if (!text)
		return;
	let n = 0;
	const signal = control.signal;
	say("Searching…");
	try {
		await searchProgrammes(parts.channels, {}, text, signal, (channel, p) => {
			own.found.append(make("li", {}, make("a.result", { href: `/watch/${channel.id}` },
				named("b", p.title),
				make("span.soft", { textContent: `${day(p.from)} ${times(p)} · ${channel.name}` }))));
			return ++n < FOUND_MOST;
		});
	} catch (e) {
		say(e.message);
		return;
	}
	if (!signal.aborted)
		say(n < FOUND_MOST ? `${count(n, "programme")} found` : `The first ${n} programmes that were found`);
}

async function load(own) {
	try {
		own.channels = await loadLineUp({ variants: "false" });
	} catch (e) {
		if (parts === own)
			say(e.message);
		return;
	}
	if (parts !== own)
		return;
	own.none.hidden = own.channels.length > 0;
	own.rows.items = own.channels;
}

export function show(place) {
	if (parts)
		return;
	const list = make("ul.guide-rows", { "aria-label": "Programmes by channel" });
	const marks = make("div.times", { "aria-hidden": "true" });
	const own = parts = {
		from: start(),
		channels: [],
		search: make("input", { type: "search", placeholder: "Search programmes",
			"aria-label": "Search programmes", oninput: () => {
				clearTimeout(timer);
				timer = setTimeout(search, TYPED_MS);
			} }),
		day: make("b"),
		showTimes: repeat(marks, makeMark),
		none: make("p", { textContent: "There are no channels yet.", hidden: true }),
		grid: make("div"),
		found: make("ul.results", { "aria-label": "Programmes that were found" }),
	};
	parts.programmes = new Programmes({}, () => parts === own && own.rows.redraw());
	parts.grid.append(make("div.guide-head", {}, parts.day, marks), list, parts.none);
	place.append(make("h2", { textContent: "Guide" }), make("div.row.tools", {}, parts.search,
		button("Earlier", () => move(parts.from - shown())), button("Now", () => move(start())),
		button("Later", () => move(parts.from + shown()))), parts.found, parts.grid);
	parts.rows = new Rows(list, makeRow);
	draw();
	ticker = setInterval(() => !document.hidden && parts.rows.redraw(), TICK_MS);
	addEventListener("resize", draw);
	load(parts);
}

export function hide() {
	clearTimeout(timer);
	clearInterval(ticker);
	removeEventListener("resize", draw);
	control?.abort();
	parts = null;
}
