"use strict";
(() => {
	const byId = (id) => document.getElementById(id);
	const summary = byId("summary"), login = byId("login"), field = byId("token");
	const lineUp = byId("line-up"), list = byId("channels"), search = byId("search");
	const address = new URL(location.href);
	const wanted = (/^\/watch\/(\d+)$/.exec(address.pathname) || [])[1];
	let token = "";

	/* A token in the address must not stay in the history or in a shared screen. */
	function takeToken() {
		try {
			token = sessionStorage.getItem("amps-token") || "";
		} catch (e) { /* storage may be switched off */ }
		if (!address.searchParams.has("token"))
			return;
		token = address.searchParams.get("token");
		address.searchParams.delete("token");
		history.replaceState(null, "", address.pathname + address.search + address.hash);
	}

	function keepToken(value) {
		token = value;
		try {
			if (value)
				sessionStorage.setItem("amps-token", value);
			else
				sessionStorage.removeItem("amps-token");
		} catch (e) { /* then it lasts as long as the page */ }
	}

	/* name="value" pairs of a line, and what follows the last quoted value. */
	function attributes(line) {
		const values = {}, pattern = /([A-Za-z0-9-]+)="([^"]*)"/g;
		let match, end = 0;
		while ((match = pattern.exec(line))) {
			values[match[1]] = match[2];
			end = pattern.lastIndex;
		}
		return [values, line.slice(line.indexOf(",", end) + 1)];
	}

	function parse(text) {
		const channels = [];
		let entry = null;
		for (const line of text.split("\n")) {
			if (line.startsWith("#EXTINF:")) {
				const [values, name] = attributes(line);
				entry = { name, logo: values["tvg-logo"], group: values["group-title"],
					number: values["channel-number"] };
			} else if (!entry) {
				continue;
			} else if (line.startsWith("#EXTREM:AMP-NEXT")) {
				entry.next = attributes(line)[0];
			} else if (line.startsWith("#EXTREM:AMP-DESCRIPTION ")) {
				entry.description = line.slice(24);
			} else if (line.startsWith("#EXTREM:AMP-VARIANT")) {
				entry.variant = attributes(line)[0].name;
			} else if (line && !line.startsWith("#")) {
				entry.url = line;
				entry.id = (/\/(?:stream|hls|dash|audio)\/(\d+)/.exec(line) || [])[1];
				const channel = channels[channels.length - 1];
				if (entry.variant !== undefined && channel && channel.id === entry.id)
					channel.variants.push(entry);
				else
					channels.push(Object.assign(entry, { variants: [] }));
				entry = null;
			}
		}
		return channels;
	}

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
		for (const [name, url] of forms(channel.url))
			links.append(link(url, name, name + " of " + channel.name));
		for (const v of channel.variants)
			links.append(link(v.url, v.variant, v.name));
		facts.append(links);
		item.append(logo(channel), facts);
		item.dataset.text = [channel.number, channel.name, channel.group].join(" ").toLowerCase();
		if (channel.id === wanted)
			item.classList.add("chosen");
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
		const chosen = list.querySelector(".chosen");
		if (chosen)
			chosen.scrollIntoView({ block: "center" });
	}

	function askToken() {
		summary.textContent = token ? "This token is not valid (any more)." : "";
		keepToken("");
		lineUp.hidden = true;
		login.hidden = false;
		field.focus();
	}

	async function load() {
		const fields = token ? { "X-Amps-Token": token } : {};
		try {
			const answer = await fetch("/playlist.m3u", { headers: fields });
			if (answer.status === 401) {
				askToken();
				return;
			}
			if (!answer.ok)
				throw new Error("the server answered " + answer.status);
			keepToken(token);
			show(parse(await answer.text()));
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
	takeToken();
	load();
})();
