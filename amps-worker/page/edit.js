/* edit.js - the form of one channel: to add it, or to change it without losing what others changed. */
import { ApiError, ask } from "./api.js";
import { bits, button, count, make, say } from "./dom.js";
import { groups } from "./fields.js";
import { Cells } from "./groups.js";
import { same } from "./kinds.js";

const SURE = "Really delete it?";
const shown = (value) => (value === undefined ? "–" : typeof value === "string" ? value :
	JSON.stringify(value));

/* "1280x720 h264, 25 fps, eng" */
function streamText(s) {
	return [s.width ? `${s.width}×${s.height}` : null, s.frame_rate ? `${+s.frame_rate.toFixed(2)} fps` : null,
		s.sample_rate ? `${s.sample_rate} Hz` : null, s.channels ? count(s.channels, "channel") : null,
		s.bit_rate ? bits(s.bit_rate) : null, s.language, s.title].filter(Boolean).join(", ");
}

export class Editor {
	#was;		/* the channel as it was read; null = a new one */
	#tag;		/* its version */
	#cells = new Cells();
	#places = new Map();	/* cell -> {error, box}: where its problems are shown, and what is opened for it */
	#done;
	#probe = make("div", { role: "status" });
	#top = make("p.bad", { role: "alert", hidden: true });
	#conflict = make("div", { role: "alert" });
	form;

	/* done(channel or null): it was saved, or the form was left. */
	constructor(profiles, channel, tag, done) {
		this.#was = channel;
		this.#tag = tag;
		this.#done = done;
		this.form = make("form.edit", { novalidate: true, onsubmit: (e) => {
			e.preventDefault();
			this.#save();
		} },
		make("h2", { textContent: channel ? `Change ${channel.name}` : "Add a channel" }),
		this.#top, this.#conflict);
		for (const [title, fields] of groups(profiles))
			this.#group(title, fields, title === "Channel");
		this.form.append(make("div.row.actions", {},
			make("button", { type: "submit", textContent: channel ? "Save" : "Add" }),
			button("Cancel", () => done(null)),
			channel ? button("Delete", (e) => this.#delete(e.target), { class: "danger" }) : null));
		this.#put(channel || { ffmpeg_profile: "copy" });
	}

	#group(title, fields, open) {
		const box = make("details", { open }, make("summary", { textContent: title }));
		for (const [key, name, kind, hint] of fields) {
			const id = `field-${key || "others"}`;
			const input = kind.make({ id, "aria-describedby": `${id}-note` }, name);
			const error = make("span.bad"), label = kind.isGroup ? make("b", { textContent: name }) :
				make("label", { for: id, textContent: name });
			box.append(make("div.field", {}, label, make("div.row", {}, input,
				key === "source" ? button("Look at it", () => this.#look(), { class: "small" }) : null),
			make("p.note", { id: `${id}-note` }, error, make("span.soft", { textContent: hint || "" }))));
			if (key === "source") {
				box.append(this.#probe);
				input.addEventListener("change", () => input.value.trim() && !this.#was && this.#look());
			}
			this.#places.set(this.#cells.add(key, kind, input), { error, box });
		}
		this.form.append(box);
	}

	#put(channel) {
		const { id, ...fields } = channel;
		this.#cells.put(fields);
	}

	/* What the form says; null = something in it is wrong, which is shown. */
	#take() {
		let right = true;
		this.#clear();
		const channel = this.#cells.take((path, e) => {
			right = false;
			this.#blame(path.replace(/^\./, ""), e.message);
		});
		return right ? channel : null;
	}

	/* ---------- what is wrong ---------- */

	#clear() {
		this.#top.hidden = true;
		this.#cells.clear();
		for (const { error } of this.#places.values())
			error.textContent = "";
	}

	#blame(path, text) {
		/* of some the text names the field: "'name' is missing", "source: is local" */
		const [, missing, named] = path ? [] : /^(?:'(\w+)'|(\w+): )/.exec(text) || [];
		const found = this.#cells.find(`.${path || missing || named || ""}`);
		if (!found) {
			this.#top.textContent = [this.#top.hidden ? "" : this.#top.textContent,
				path ? `${path}: ${text}` : text].filter(Boolean).join(" · ");
			this.#top.hidden = false;
			return;
		}
		const { cell, rest } = found, { error, box } = this.#places.get(cell);
		if (named)
			text = text.slice(named.length + 2);
		box.open = true;
		if (!cell.blame(rest, text, null))
			error.textContent = [error.textContent.trim(), rest ? `${rest.replace(/^\./, "")}: ${text}` : text]
				.filter(Boolean).join(" · ") + " ";
		this.form.querySelector("[aria-invalid]").focus();
	}

	#refused(e) {
		if (!(e instanceof ApiError))
			throw e;
		if (e.problems.length)
			e.problems.forEach((p) => this.#blame(p.path, p.message));
		else
			this.#blame("", e.message);
		this.#top.scrollIntoView?.({ block: "nearest" });
	}

	/* ---------- the source ---------- */

	async #look() {
		const value = this.#take();
		if (!value?.source)
			return;
		const asked = { source: value.source };
		for (const key of ["input_options", "input_args", "interface", "proxy"])
			if (value[key] !== undefined)
				asked[key] = value[key];
		this.#probe.replaceChildren(make("p.soft", { textContent: "Opening the source…" }));
		try {
			const { data } = await ask("POST", "/api/probe", asked);
			this.#probe.replaceChildren(
				make("p", { textContent: `${data.format}, ${data.live ? "live" : "a recording"}` }),
				make("ul", {}, ...data.streams.map((s) => make("li", {},
					make("b", { textContent: [s.type, s.codec, s.profile].filter(Boolean).join(" ") }),
					" ", streamText(s)))));
		} catch (e) {
			this.#probe.replaceChildren(make("p.bad", { textContent: e.message }));
		}
	}

	/* ---------- saving ---------- */

	/* The fields that the form changes; null takes one away. */
	#changes(now) {
		const changes = {};
		for (const key of new Set([...Object.keys(this.#was), ...Object.keys(now)]))
			if (key !== "id" && !same(this.#was[key], now[key]))
				changes[key] = now[key] ?? null;
		return changes;
	}

	async #save() {
		const now = this.#take();
		if (!now)
			return;
		try {
			if (!this.#was) {
				this.#done((await ask("POST", "/api/streams", now)).data);
				return;
			}
			const changes = this.#changes(now);
			if (!Object.keys(changes).length)
				this.#done(this.#was);
			else
				this.#done((await ask("PATCH", `/api/streams/${this.#was.id}`, changes, this.#tag)).data);
		} catch (e) {
			if (e.status === 412)
				await this.#compare(now);
			else
				this.#refused(e);
		}
	}

	/* The second click does it. */
	async #delete(asked) {
		if (asked.textContent !== SURE) {
			asked.textContent = SURE;
			return;
		}
		try {
			await ask("DELETE", `/api/streams/${this.#was.id}`, undefined, this.#tag);
			this.#done({ ...this.#was, deleted: true });
		} catch (e) {
			if (e.status === 412)
				await this.#compare(this.#take() || this.#was);
			else
				this.#refused(e);
		}
	}

	/* Somebody else has changed the channel: shows both versions. */
	async #compare(mine) {
		let theirs;
		try {
			theirs = await ask("GET", `/api/streams/${this.#was.id}`);
		} catch (e) {
			this.#refused(e);
			return;
		}
		const keys = [...new Set([...Object.keys(mine), ...Object.keys(theirs.data)])]
			.filter((key) => key !== "id" && !same(mine[key], theirs.data[key]));
		/* from now on, what is saved is compared with the version of the others */
		const use = (channel) => {
			this.#was = theirs.data;
			this.#tag = theirs.tag;
			this.#put(channel);
			this.#conflict.replaceChildren();
			say("The form was changed; nothing is saved yet.");
		};
		const merged = { ...theirs.data, ...this.#changes(mine) };
		this.#conflict.replaceChildren(make("div.card.conflict", {},
			make("h3", { textContent: "Somebody else has changed this channel" }),
			make("table", {},
				make("thead", {}, make("tr", {}, ...["Field", "Yours", "Theirs"].map((text) =>
					make("th", { scope: "col", textContent: text })))),
				make("tbody", {}, ...keys.map((key) => make("tr", {},
					make("th", { scope: "row", textContent: key }),
					make("td", { textContent: shown(mine[key]) }),
					make("td", { textContent: shown(theirs.data[key]) }))))),
			make("div.row", {},
				button("Put your changes into theirs", () => use(Object.fromEntries(
					Object.entries(merged).filter(([, value]) => value !== null)))),
				button("Take theirs", () => use(theirs.data)))));
		this.#conflict.scrollIntoView({ block: "nearest" });
	}
}
