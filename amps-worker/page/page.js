import { keepToken, parsePlaylist, takeToken, tokenFields } from "./lineup.js";

const byId = (id) => document.getElementById(id);
const summary = byId("summary"), login = byId("login"), field = byId("token");
const lineUp = byId("line-up"), list = byId("channels"), search = byId("search");
const address = new URL(location.href);
let token = takeToken(address);

function element(name, className, text) {
	const e = document.createElement(name);
	if (className)
		e.className = className;
	if (text)
		e.textContent = text;
	return e;
}

function logo(channel) {
	const box = element("div", "logo", channel.number || channel.name.slice(0, 2));
	if (!/^https?:\/\//i.test(channel.logo || ""))
		return box;
	const image = element("img");
	image.alt = "";
	image.loading = "lazy";
	image.addEventListener("load", () => box.replaceChildren(image));
	image.src = channel.logo;
	/* Lazy pictures load only while they are in the page. */
	box.append(image);
	image.addEventListener("error", () => image.remove());
	return box;
}

function link(url, text, label) {
	const a = element("a", "", text);
	if (/^https?:\/\//i.test(url))
		a.href = url;
	a.setAttribute("aria-label", label);
	return a;
}

function watchLink(channel) {
	const a = element("a", "", "Watch");
	a.href = "/watch/" + channel.id;
	a.setAttribute("aria-label", "Watch " + channel.name);
	return a;
}

/* The forms of a channel; the first one is where the playlist links to. */
function forms(address) {
	const pattern =
		/\/(stream|hls|dash|audio)\/(\d+)(\.ts|\/index\.m3u8|\/manifest\.mpd)?(?=\?|$)/;
	const own = (pattern.exec(address) || [])[1];
	const all = [
		["stream", "Stream", "/stream/$2.ts"],
		["hls", "HLS", "/hls/$2/index.m3u8"],
		["dash", "DASH", "/dash/$2/manifest.mpd"],
		["audio", "Sound", "/audio/$2"],
	].filter(([form]) => form !== "audio" || form === own);
	if (!own)
		return [["Stream", address]];
	all.sort((a, b) => (b[0] === own) - (a[0] === own));
	return all.map(([, name, path]) => [name, address.replace(pattern, path)]);
}

function when(next) {
	const time = new Date(next.start || "");
	const start = isNaN(time) ? next.start || "" :
		time.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" });
	return "Next: " + [start, next.title].filter(Boolean).join(" ");
}

function card(channel) {
	const item = element("li", "channel"), facts = element("div", "facts");
	const links = element("div", "links");
	facts.append(element("div", "name", channel.name));
	if (channel.group)
		facts.append(element("div", "soft", channel.group));
	if (channel.next)
		facts.append(element("div", "soft", when(channel.next)));
	if (channel.description)
		facts.append(element("div", "soft", channel.description));
	if (channel.id)
		links.append(watchLink(channel));
	for (const [name, url] of forms(channel.url))
		links.append(link(url, name, name + " of " + channel.name));
	for (const v of channel.variants)
		links.append(link(v.url, v.variant, v.name));
	facts.append(links);
	item.append(logo(channel), facts);
	item.dataset.text = [channel.number, channel.name, channel.group].join(" ").toLowerCase();
	return item;
}

function filter() {
	const text = search.value.trim().toLowerCase();
	let shown = 0;
	for (const item of list.children) {
		item.hidden = !item.dataset.text.includes(text);
		shown += !item.hidden;
	}
	byId("none").hidden = shown > 0;
}

function playlistAddress(format) {
	const url = new URL("/playlist.m3u", location.origin);
	if (format)
		url.searchParams.set("format", format);
	if (token)
		url.searchParams.set("token", token);
	return url.href;
}

function show(channels) {
	const n = channels.length;
	list.replaceChildren(...channels.map(card));
	summary.textContent = n === 1 ? "1 channel" : n + " channels";
	login.hidden = true;
	lineUp.hidden = false;
	byId("forget").hidden = !token;
	byId("playlist").href = playlistAddress();
	byId("playlist-hls").href = playlistAddress("hls");
	filter();
}

function askToken() {
	summary.textContent = token ? "This token is not valid (any more)." : "";
	token = "";
	keepToken("");
	lineUp.hidden = true;
	login.hidden = false;
	field.focus();
}

async function load() {
	try {
		const answer = await fetch("/playlist.m3u", { headers: tokenFields(token) });
		if (answer.status === 401) {
			askToken();
			return;
		}
		if (!answer.ok)
			throw new Error("the server answered " + answer.status);
		keepToken(token);
		show(parsePlaylist(await answer.text()));
	} catch (e) {
		summary.textContent = "The channels could not be loaded: " + e.message;
	}
}

login.addEventListener("submit", (event) => {
	event.preventDefault();
	token = field.value.trim();
	field.value = "";
	load();
});
search.addEventListener("input", filter);
byId("forget").addEventListener("click", () => {
	token = "";
	askToken();
});
byId("copy").addEventListener("click", async () => {
	try {
		await navigator.clipboard.writeText(playlistAddress());
		summary.textContent = "Copied.";
	} catch (e) {
		/* Browsers offer the clipboard on https and localhost only. */
		window.prompt("Address of the playlist", playlistAddress());
	}
});
document.addEventListener("keydown", (event) => {
	if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
		event.preventDefault();
		search.focus();
	} else if (event.key === "Escape" && event.target === search) {
		search.value = "";
		filter();
	}
});
load();
