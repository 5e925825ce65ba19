/* watch.js - the page of one channel: its controls. */
import { keepToken, parsePlaylist, takeToken, tokenFields } from "./lineup.js";
import { Player } from "./player.js";

const byId = (id) => document.getElementById(id);
const video = byId("video"), screen = byId("screen"), message = byId("message");
const start = byId("start"), mute = byId("mute"), full = byId("full"), pip = byId("pip");
const variant = byId("variant"), language = byId("language");
const address = new URL(location.href);
const id = (/^\/watch\/(\d+)$/.exec(address.pathname) || [])[1];
const token = takeToken(address);
const player = new Player(video);
let running = false;

function show(text) {
	message.textContent = text;
	message.hidden = !text;
}

function begin() {
	show("");
	running = true;
	start.textContent = "Stop";
	player.start({ id, variant: variant.value, lang: language.value,
		region: address.searchParams.get("region") }, token,
	{ via: address.searchParams.get("via") });
}

function end() {
	running = false;
	player.stop();
	start.textContent = "Start";
}

/* Keeps the choice in the address, so that it survives a reload and can be passed on. */
function choose(name, value) {
	if (value)
		address.searchParams.set(name, value);
	else
		address.searchParams.delete(name);
	history.replaceState(null, "", address.pathname + address.search);
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

/* The channel's name and variants; it plays without them, too. */
async function describe() {
	const answer = await fetch("/playlist.m3u?ids=" + id, { headers: tokenFields(token) });
	if (!answer.ok)
		return;
	keepToken(token);
	const channel = parsePlaylist(await answer.text()).find((c) => c.id === id);
	if (!channel)
		return;
	byId("name").textContent = channel.name;
	document.title = channel.name + " – Amps";
	video.setAttribute("aria-label", channel.name);
	offer(variant, "variants", [["", "As it is"],
		...channel.variants.map((v) => [v.variant, v.name.slice(channel.name.length).trim() ||
			v.variant])], variant.value);
}

player.addEventListener("state", ({ detail }) => {
	const texts = { connecting: "Connecting…", waiting: "Waiting for the stream…" };
	byId("summary").textContent = texts[detail] || "";
	if (detail === "playing")
		show("");
});
player.addEventListener("languages", ({ detail }) => offer(language, "languages", [["", "As it comes"],
	...(detail.length > 1 ? detail.map((code) => [code, languageName(code)]) : [])], language.value));
player.addEventListener("problem", ({ detail }) => {
	if (detail.status === 401)
		show("This server asks for a token: open the list of all channels to enter it.");
	else
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
document.addEventListener("keydown", (event) => {
	const keys = { k: start, m: mute, f: full, p: pip };
	if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName))
		return;
	keys[event.key.toLowerCase()]?.click();
});
window.addEventListener("pagehide", end);
/* for tests, and for whoever wants to know: seconds between the picture and what has come */
window.behind = () => player.behind;

offer(variant, "variants", [["", "As it is"]], address.searchParams.get("variant") || "");
offer(language, "languages", [["", "As it comes"]], address.searchParams.get("lang") || "");
describe().catch(() => {});
begin();
