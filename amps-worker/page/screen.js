/* screen.js - the screen with its controls: plays one channel. */
import { linkTo } from "./api.js";
import { button, byId, copyText, make, safeUrl, takesKeys } from "./dom.js";
import { loadLineUp } from "./lineup.js";
import { Player } from "./player.js";

const video = byId("video"), screen = byId("screen"), message = byId("message");
const start = byId("start"), mute = byId("mute"), full = byId("full"), pip = byId("pip");
const variant = byId("variant"), language = byId("language"), links = byId("links");
const player = new Player(video);
const FORMS = [["ts", "Transport stream (VLC, mpv)"], ["hls", "HLS"], ["dash", "DASH"],
	["rtsp", "RTSP"], ["audio", "Sound only"]];

/* The channel on the screen: {id, name, variants}; null = there is none. */
let shown = null, running = false;

function show(text) {
	message.textContent = text;
	message.hidden = !text;
}

const address = () => new URL(location.href);

function begin() {
	const words = address().searchParams;
	show("");
	running = true;
	start.textContent = "Stop";
	player.start({ id: shown.id, variant: variant.value, lang: language.value,
		region: words.get("region") }, { via: words.get("via") });
}

function end() {
	running = false;
	player.stop();
	start.textContent = "Start";
}

/* Keeps the choice in the address, so that it survives a reload and can be passed on. */
function choose(name, value) {
	const url = address();
	if (value)
		url.searchParams.set(name, value);
	else
		url.searchParams.delete(name);
	history.replaceState(null, "", url.pathname + url.search);
	begin();
}

function toggleFull() {
	if (document.fullscreenElement)
		document.exitFullscreen();
	else if (screen.requestFullscreen)
		screen.requestFullscreen().catch(() => {});
	else
		video.webkitEnterFullscreen?.();	/* telephones of Apple */
}

function togglePip() {
	if (document.pictureInPictureElement)
		document.exitPictureInPicture();
	else
		video.requestPictureInPicture?.().catch((e) => show(e.message));
}

/* Leaves a list alone that has not changed: somebody may be choosing from it. */
function offer(select, label, entries, chosen) {
	const offered = JSON.stringify(entries);
	if (offered === select.dataset.offered)
		return;
	select.dataset.offered = offered;
	select.replaceChildren(...entries.map(([value, text]) => new Option(text, value)));
	select.value = chosen;
	if (select.selectedIndex < 0) {
		select.add(new Option(chosen, chosen));
		select.value = chosen;
	}
	byId(label).hidden = select.options.length < 2;
}

/* A language in its own words. */
function languageName(code) {
	try {
		const name = new Intl.DisplayNames([code], { type: "language" }).of(code);
		return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
	} catch {
		return code;
	}
}

const variantName = (channel, v) => v.name.slice(channel.name.length).trim() || v.variant;

/* The channel's name and variants. */
export function describe(channel) {
	if (!shown || channel.id !== shown.id)
		return;
	shown = channel;
	byId("name").textContent = channel.name;
	document.title = channel.name + " – Amps";
	video.setAttribute("aria-label", channel.name);
	offer(variant, "variants", [["", "As it is"],
		...channel.variants.map((v) => [v.variant, variantName(channel, v)])], variant.value);
}

/* The addresses of every form, as the server writes them into playlists. */
async function listLinks() {
	const { id } = shown, region = address().searchParams.get("region");
	const rows = await Promise.all(FORMS.map(async ([format, name]) => {
		const [channel] = await loadLineUp({ ids: id, format, region }).catch(() => []);
		return channel && safeUrl(channel.url) && make("div.link", {},
			make("a", { href: channel.url, textContent: name }),
			button("Copy", () => copyText(channel.url), { "aria-label": `Copy the address: ${name}` }));
	}));
	if (shown?.id === id)
		byId("link-list").replaceChildren(make("div.link", {},
			make("a", { href: linkTo("/playlist.m3u", { ids: id, region }),
				download: "channel.m3u", textContent: "Playlist of this channel (M3U)" })),
		...rows.filter(Boolean));
}

/* Plays a channel with the choices of the address; its name may come later. */
export function play(id, channel) {
	const words = address().searchParams;
	if (shown?.id === id && running)
		return;
	shown = { id, name: "", variants: [] };
	byId("player").hidden = false;
	links.open = false;
	for (const [select, label, word, first] of [[variant, "variants", "variant", "As it is"],
		[language, "languages", "lang", "As it comes"]]) {
		select.dataset.offered = "";
		offer(select, label, [["", first]], words.get(word) || "");
	}
	begin();
	byId("name").textContent = "Channel " + id;
	if (channel)
		describe(channel);
}

/* Ends it and puts the screen away. */
export function close() {
	if (!shown)
		return;
	end();
	shown = null;
	byId("player").hidden = true;
	document.title = "Amps";
}

export const current = () => shown?.id ?? null;

player.addEventListener("state", ({ detail }) => {
	const texts = { connecting: "Connecting…", waiting: "Waiting for the stream…" };
	byId("state").textContent = texts[detail] || "";
	if (detail === "playing")
		show("");
});
player.addEventListener("languages", ({ detail }) => offer(language, "languages", [["", "As it comes"],
	...(detail.length > 1 ? detail.map((code) => [code, languageName(code)]) : [])], language.value));
player.addEventListener("problem", ({ detail }) => {
	if (detail.status === 401)
		document.dispatchEvent(new CustomEvent("amps-login"));
	show(detail.text.charAt(0).toUpperCase() + detail.text.slice(1));
	if (detail.final)
		end();
});
video.addEventListener("volumechange", () => {
	mute.textContent = video.muted ? "Unmute" : "Mute";
	mute.setAttribute("aria-pressed", String(video.muted));
});
start.addEventListener("click", () => (running ? end() : begin()));
mute.addEventListener("click", () => { video.muted = !video.muted; });
full.addEventListener("click", toggleFull);
pip.addEventListener("click", togglePip);
pip.hidden = !document.pictureInPictureEnabled;
variant.addEventListener("change", () => choose("variant", variant.value));
language.addEventListener("change", () => choose("lang", language.value));
links.addEventListener("toggle", () => links.open && listLinks());
document.addEventListener("keydown", (event) => {
	const keys = { k: start, m: mute, f: full, p: pip };
	if (!shown || event.ctrlKey || event.metaKey || event.altKey || takesKeys(event.target))
		return;
	keys[event.key.toLowerCase()]?.click();
});
window.addEventListener("pagehide", () => shown && end());
/* for tests and for debugging: seconds between the picture and what has come */
window.behind = () => player.behind;
