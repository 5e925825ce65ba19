/* watch.js - the view of the channels, and what plays. */
import { linkTo } from "./api.js";
import { button, byId, clock, copyText, count, make, retext, say, takesKeys, named } from "./dom.js";
import { listenChannels, merge } from "./events.js";
import { Favourites, loadLineUp } from "./lineup.js";
import { Programmes } from "./programmes.js";
import { Rows } from "./rows.js";
import * as screen from "./screen.js";

const CARD_PX = 272, DIGITS_MS = 1300, TICK_MS = 30000, REST_MS = 150;
const search = byId("search"), group = byId("group"), region = byId("region");
const starred = byId("starred"), asList = byId("as-list"), osd = byId("osd");
const favourites = new Favourites();
let channels = [], matches = [], loaded = false, digits = "", digitsTimer = 0, ticker = 0;
let navigate = null, unlisten = null, logoTimer = 0;
const logosToLoad = new Set();	/* a function for each */

const pressed = (b) => b.getAttribute("aria-pressed") === "true";

const logoOf = (channel) => (/^https?:\/\//i.test(channel.logo || "") ? channel.logo : "");

/* What a card shows of the programmes: the one that is on, how much of it is over, and the next one; without
 * any, what the playlist says. */
function programmes(channel) {
	const { now, next } = guide.nowNext(channel.id);
	const nextText = next ? `${clock(next.from)} ${next.title}` : "";
	return { now: now?.title ?? "", over: now ? (Date.now() - now.from) / (now.to - now.from) : 0,
		hint: nextText ? `Next: ${nextText}` : "",
		rest: now ? nextText : nextText ? `Next: ${nextText}` : channel.description || "" };
}

function loadLogos() {
	for (const load of logosToLoad)
		load();
	logosToLoad.clear();
}

/* The logo of one channel after the other: {element, show(number, address)}; the number while there is none.
 * Pictures are asked for when the rows have not changed for a while, and are in the page once they can be
 * drawn: no key that is typed waits for them, and one that fails costs no layout. */
function makeLogo() {
	const element = make("div.logo");
	let shown = "";
	const load = async () => {
		const address = shown, picture = make("img", { alt: "", src: address });
		try {
			await picture.decode();
			if (address === shown)
				element.replaceChildren(picture);
		} catch (e) { /* then the number stays */ }
	};
	return { element, show(number, address) {
		if (address !== shown) {
			shown = address;
			element.querySelector("img")?.remove();
			if (address) {
				logosToLoad.add(load);
				clearTimeout(logoTimer);
				logoTimer = setTimeout(loadLogos, REST_MS);
			}
		}
		if (!element.querySelector("img"))
			retext(element, number);
	} };
}

/* A card for one channel after the other: {element, show(channel)}. */
function makeCard() {
	const logo = makeLogo(), name = named("span.name", ""), about = named("span.soft", "");
	const now = named("span.now", ""), over = make("progress"), rest = make("span.soft");
	const link = make("a", {}, logo.element, make("span.facts", {}, name, about, now, over, rest));
	let channel = null;
	const star = button("", () => {
		favourites.toggle(channel.id);
		if (pressed(starred))
			filter();
		else
			rows.redraw();
	}, { class: "star" });
	const element = make("li.channel", {}, link, star);
	return { element, show(shown) {
		const playing = shown.id === screen.current(), starred = favourites.has(shown.id);
		const programme = programmes(shown), address = logoOf(shown);
		channel = shown;
		element.classList.toggle("on", playing);
		link.href = playAddress(channel);
		link.ariaCurrent = playing ? "true" : null;
		logo.show(channel.number || channel.name.slice(0, 2), address);
		retext(name, channel.name);
		retext(about, [address ? channel.number : "", channel.group].filter(Boolean).join(" · "));
		now.hidden = over.hidden = !programme.now;
		retext(now, programme.now);
		now.title = programme.hint;
		if (programme.now) {
			over.value = programme.over;
			over.ariaLabel = `${Math.round(programme.over * 100)}% of it is over`;
		}
		retext(rest, programme.rest);
		retext(star, starred ? "★" : "☆");
		star.ariaPressed = String(starred);
		star.ariaLabel = `Favourite: ${channel.name}`;
	} };
}

let guide = new Programmes({ now: "true" }, () => rows.redraw());
/* Where a channel plays, for a viewer of the region that was chosen. */
const playAddress = (channel) => `/watch/${channel.id}${regionCode() ? `?region=${regionCode()}` : ""}`;

const rows = new Rows(byId("channels"), makeCard, CARD_PX);

function filter() {
	const text = search.value.trim().toLowerCase(), wanted = group.value, all = !pressed(starred);
	matches = channels.filter((c) => c.text.includes(text) && (!wanted || c.group === wanted) &&
		(all || favourites.has(c.id)));
	rows.items = matches;
	byId("none").hidden = matches.length > 0;
	byId("none").textContent = channels.length ? "No channel matches." : "There are no channels yet.";
	sayCount();
}

function sayCount() {
	say(matches.length === channels.length ? count(channels.length, "channel") :
		`${matches.length.toLocaleString()} of ${count(channels.length, "channel")}`);
}

function offer(all) {
	const groups = [...new Set(all.map((c) => c.group).filter(Boolean))]
		.sort((a, b) => a.localeCompare(b));
	const chosen = group.value;
	group.replaceChildren(new Option("All groups", ""), ...groups.map((g) => new Option(g, g)));
	group.value = groups.includes(chosen) ? chosen : "";
	group.hidden = !groups.length;
	const codes = [...new Set(all.flatMap((c) => c.regions || []))].sort();
	byId("regions").replaceChildren(...codes.map((c) => new Option("", c)));
}

/* "" unless it is a region. */
const regionCode = () => (/^[a-z]{2}$/i.test(region.value) ? region.value.toUpperCase() : "");

/* Shows these channels. */
function take(all) {
	channels = all;
	for (const c of channels)
		c.text = [c.number, c.name, c.group].join(" ").toLowerCase();
	loaded = true;
	offer(channels);
	filter();
	byId("playlist").href = linkTo("/playlist.m3u", { region: regionCode() });
	const playing = channels.find((c) => c.id === screen.current());
	if (playing)
		screen.describe(playing);
}

async function load() {
	const region = regionCode();
	const own = guide = new Programmes(region ? { now: "true", region } : { now: "true" },
		() => rows.redraw());
	try {
		const all = await loadLineUp({ region });
		/* else it is being loaded again, for another region perhaps, or another view is shown */
		if (guide === own && !byId("view-watch").hidden)
			take(all);
	} catch (e) {
		if (guide === own && !byId("view-watch").hidden)
			say("The channels could not be loaded: " + e.message);
	}
}

/* Asks for the channels that have changed. */
async function refresh(ids) {
	const own = guide;
	if (!ids || !loaded) {
		load();
		return;
	}
	try {
		const found = await loadLineUp({ region: regionCode(), ids: [...ids].join() });
		if (guide === own && loaded)
			take(merge(channels, ids, found));
	} catch (e) {
		if (guide === own && loaded)
			say("The changed channels could not be loaded: " + e.message);
	}
}

/* The next or previous channel of those that match. */
function zap(step) {
	const at = matches.findIndex((c) => c.id === screen.current());
	const to = matches[at < 0 ? 0 : (at + step + matches.length) % matches.length];
	if (to) {
		showNumber(`${to.number || ""} ${to.name}`);
		navigate(playAddress(to), true);
	}
}

function showNumber(text) {
	osd.textContent = text;
	osd.hidden = false;
	clearTimeout(digitsTimer);
	digitsTimer = setTimeout(tune, DIGITS_MS);
}

function tune() {
	const number = digits, to = channels.find((c) => c.number === number) ||
		channels.find((c) => c.id === number);
	osd.hidden = true;
	digits = "";
	if (number && to)
		navigate(playAddress(to), true);
	else if (number)
		say(`There is no channel ${number}.`);
}

function onKey(event) {
	if (byId("view-watch").hidden || event.ctrlKey || event.metaKey || event.altKey)
		return;
	if (event.key === "Escape" && event.target === search) {
		search.value = "";
		filter();
	} else if (takesKeys(event.target)) {
		return;
	} else if (event.key === "/") {
		event.preventDefault();
		search.focus();
	} else if (/^\d$/.test(event.key)) {
		digits = (digits + event.key).slice(0, 6);
		showNumber(digits);
	} else if (event.key === "Enter" && digits) {
		event.preventDefault();
		tune();
	} else if (screen.current() === null) {
		return;
	} else if (event.key === "Escape" && !document.fullscreenElement) {
		navigate("/");
	} else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
		event.preventDefault();
		zap(event.key === "ArrowDown" ? 1 : -1);
	}
}

/* Shows the view; plays the channel of this id, null = none. */
export function show(id, go) {
	navigate = go;
	byId("view-watch").hidden = false;
	byId("view-watch").classList.toggle("with-screen", id !== null);
	const left = id === null ? screen.current() : null;
	const lost = byId("player").contains(document.activeElement) || document.activeElement === document.body;
	if (id === null)
		screen.close();
	else
		screen.play(id, channels.find((c) => c.id === id));
	if (loaded) {
		rows.redraw();
		sayCount();
	} else {
		load();
	}
	const at = left !== null && lost ? matches.findIndex((c) => c.id === left) : -1;
	if (at >= 0)
		rows.focus(at);	/* the focus was on the screen, which is gone */
	unlisten ??= listenChannels(refresh);
	ticker ||= setInterval(() => !document.hidden && rows.redraw(), TICK_MS);
}

export function hide() {
	screen.close();
	unlisten?.();
	unlisten = null;
	clearInterval(ticker);
	ticker = 0;
	loaded = false;		/* it may have changed when it is shown again */
	byId("view-watch").hidden = true;
}

region.value = new URLSearchParams(location.search).get("region") || "";
search.addEventListener("input", filter);
group.addEventListener("change", filter);
region.addEventListener("input", () => (regionCode() || !region.value) && load());
starred.addEventListener("click", () => {
	starred.setAttribute("aria-pressed", String(!pressed(starred)));
	filter();
});
asList.addEventListener("click", () => {
	const list = !pressed(asList);
	asList.setAttribute("aria-pressed", String(list));
	byId("channels").classList.toggle("list", list);
	rows.width = list ? 0 : CARD_PX;
});
byId("copy").addEventListener("click", () => copyText(byId("playlist").href));
byId("close").addEventListener("click", () => navigate("/"));
document.addEventListener("keydown", onKey);
