/* import.js - adds the channels of an M3U playlist, after they were shown. */
import { ask } from "./api.js";
import { button, count, make, makeLines, sourceText } from "./dom.js";
import { Rows } from "./rows.js";

/* The form; done(number of channels): they were added, 0 = it was left. */
export function importForm(profiles, done) {
	const url = make("input", { type: "url", id: "import-url", placeholder: "http://…/playlist.m3u" });
	const file = make("input", { type: "file", id: "import-file", accept: ".m3u,.m3u8" });
	const text = make("textarea", { id: "import-text", rows: 4, spellcheck: "false" });
	const profile = make("select", { id: "import-profile" }, ...profiles.map((p) => new Option(p, p)));
	const problem = make("p.bad", { role: "alert" }), preview = make("div");
	let channels = [], left = new Set();

	const asked = async () => {
		const words = { profile: profile.value };
		if (file.files.length)
			words.m3u = await file.files[0].text();
		else if (text.value.trim())
			words.m3u = text.value;
		else
			words.url = url.value.trim();
		return words;
	};
	const makeRow = () => {
		const lines = makeLines(), chosen = make("input", { type: "checkbox", onchange: () => {
			if (chosen.checked)
				left.delete(at);
			else
				left.add(at);
			tell();
		} });
		let at = 0;
		return { element: make("li.line", {}, chosen, lines.element), show(channel, index) {
			at = index;
			chosen.checked = !left.has(index);
			chosen.ariaLabel = `Add ${channel.name}`;
			lines.show(channel.name, [channel.group, sourceText(channel.source)]);
		} };
	};
	const add = button("Add", () => attempt(async () => {
		/* ids are given when they are added: those of the preview may be taken by then */
		const chosen = channels.filter((_, i) => !left.has(i))
			.map((channel) => ({ ...channel, id: undefined }));
		done((await ask("POST", "/api/streams", chosen)).data.length);
	}));
	const tell = () => {
		add.textContent = `Add ${count(channels.length - left.size, "channel")}`;
		add.disabled = channels.length === left.size;
	};
	const attempt = async (what) => {
		problem.textContent = "";
		try {
			await what();
		} catch (e) {
			problem.textContent = e.message;
		}
	};
	const show = () => attempt(async () => {
		channels = (await ask("POST", "/api/import?dry_run=1", await asked())).data;
		left = new Set();
		const list = make("ul.lines", { "aria-label": "Channels of the playlist" });
		preview.replaceChildren(make("h3", { textContent: count(channels.length, "channel") + " in it" }),
			make("div.row.tools", {}, add, button("None of them", () => {
				left = new Set(channels.keys());
				rows.redraw();
				tell();
			})), list);
		const rows = new Rows(list, makeRow);
		rows.items = channels;
		tell();
	});
	return make("form.edit", { onsubmit: (e) => {
		e.preventDefault();
		show();
	} },
	make("h2", { textContent: "Import a playlist (M3U)" }), problem,
	...[["Address", url], ["Or a file", file], ["Or its text", text], ["Profile", profile]].map(([name, e]) =>
		make("div.field", {}, make("label", { for: e.id, textContent: name }), make("div.row", {}, e))),
	make("div.row.actions", {}, make("button", { type: "submit", textContent: "Show what is in it" }),
		button("Cancel", () => done(0))), preview);
}
