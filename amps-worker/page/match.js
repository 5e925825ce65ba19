/* match.js - which channel of an imported guide belongs to which channel. */
import { ask, get } from "./api.js";
import { button, count, make, makeLines, retext, say } from "./dom.js";
import { Rows } from "./rows.js";

const HOW = { id: "by its id", name: "by its name", ambiguous: "several would fit", none: "nothing fits" };

/* Shows the channels, those without a guide first; a suggestion that is clicked becomes the epg_id, and
 * brings programmes when the guides are fetched next, as a reload does. */
export function matchForm(done) {
	const list = make("ul.lines", { "aria-label": "Channels and their guide" });
	const summary = make("p.soft", { role: "status" });
	let all = [];

	const choose = async (channel, id) => {
		try {
			await ask("PATCH", `/api/streams/${channel.id}`, { epg_id: id });
			say(`${channel.name} has the guide of ${id}.`);
			channel.how = "id";
			channel.channel = id;
			channel.suggestions = [];
			show();
		} catch (e) {
			say(e.message);
		}
	};
	const makeRow = () => {
		const lines = makeLines(), uses = [0, 1, 2].map((i) => button("",
			() => choose(channel, channel.suggestions[i].id), { class: "small" }));
		let channel = null;
		return { element: make("li.line", {}, lines.element, ...uses), show(shown) {
			channel = shown;
			lines.show(channel.name || `Channel ${channel.id}`,
				[HOW[channel.how], channel.channel, channel.channel_name, channel.source]);
			uses.forEach((use, i) => {
				const s = channel.suggestions[i], name = s?.name || s?.id || "";
				use.hidden = !s;
				retext(use, name);
				use.ariaLabel = `Use the guide of ${name} for ${channel.name}`;
			});
		} };
	};
	const rows = new Rows(list, makeRow);
	const show = () => {
		rows.redraw();
		summary.textContent = `${all.filter((c) => c.channel).length} of ${count(all.length, "channel")} with a guide.`;
	};
	get("/api/epg/match").then((found) => {
		all = found.sort((a, b) => Boolean(a.channel) - Boolean(b.channel));
		rows.items = all;
		show();
	}).catch((e) => { summary.textContent = e.message; });
	const fetchAgain = async () => {
		try {
			await ask("POST", "/api/reload");
			say("The guides are fetched again.");
		} catch (e) {
			say(e.message);
		}
	};
	return make("div", {}, make("h2", { textContent: "The imported guide" }), summary,
		make("div.row.actions", {}, button("Back", done), button("Fetch the guides now", fetchAgain)), list);
}
