/* tokens.js - the view of tokens and of signed links. */
import { ask, get } from "./api.js";
import { button, copyText, count, make, say } from "./dom.js";

let parts = null;

const field = (name, input) => make("div.field", {}, make("label", { for: input.id, textContent: name }),
	make("div.row", {}, input));
const input = (id, fields = {}) => make("input", { id, type: "text", autocomplete: "off", spellcheck: "false",
	...fields });

/* What is shown once, or is to be passed on, with a button that copies it. */
function secret(name, text) {
	return make("p", {}, make("b", { textContent: `${name}: ` }), make("code", { textContent: text }), " ",
		button("Copy", () => copyText(text), { class: "small", "aria-label": `Copy: ${name}` }));
}

async function attempt(problem, what) {
	problem.textContent = "";
	try {
		await what();
	} catch (e) {
		problem.textContent = e.message;
	}
}

function row(t) {
	const facts = [t.role, t.groups?.length ? t.groups.join(", ") : "all groups",
		t.max_viewers ? `${t.viewers} of ${count(t.max_viewers, "viewer")}` : count(t.viewers, "viewer"),
		t.expires ? `until ${new Date(t.expires).toLocaleString()}` : null, t.made ? null : "of the file"];
	return make("li.card", {}, make("h3", { textContent: t.name }),
		make("p.soft", { textContent: facts.filter(Boolean).join(" · ") }),
		t.made ? button("Revoke", () => attempt(parts.problem, async () => {
			await ask("DELETE", `/api/tokens/${encodeURIComponent(t.name)}`);
			say(`${t.name} was revoked.`);
			await load();
		}), { class: "small", "aria-label": `Revoke ${t.name}` }) : null);
}

async function load() {
	const own = parts, all = await get("/api/tokens");
	if (parts === own)
		own.list.replaceChildren(...all.map(row));
}

function tokenForm() {
	const name = input("token-name", { required: true });
	const role = make("select", { id: "token-role" }, new Option("viewer"), new Option("admin"));
	const groups = input("token-groups", { placeholder: "News, Sport; empty for all" });
	const most = input("token-most", { inputmode: "numeric", placeholder: "viewers at once; empty for any" });
	const expires = input("token-expires", { type: "datetime-local" });
	const made = make("div", { role: "status" });
	return make("form.edit", { onsubmit: (e) => {
		e.preventDefault();
		attempt(parts.problem, async () => {
			const asked = { name: name.value.trim(), role: role.value,
				groups: groups.value.split(",").map((g) => g.trim()).filter(Boolean) };
			if (most.value.trim())
				asked.max_viewers = Number(most.value);
			if (expires.value)
				asked.expires = new Date(expires.value).toISOString().replace(/\.\d+/, "");
			const { data } = await ask("POST", "/api/tokens", asked);
			made.replaceChildren(make("p", { textContent: "This is shown once: the server keeps its SHA-256 only." }),
				secret(data.name, data.token));
			e.target.reset();
			await load();
		});
	} },
	make("h2", { textContent: "Make a token" }), field("Name", name), field("Role", role), field("Groups", groups),
	field("Limit", most), field("Expires", expires),
	make("div.row.actions", {}, make("button", { type: "submit", textContent: "Make it" })), made);
}

function linkForm() {
	const channel = input("link-channel", { inputmode: "numeric", required: true });
	const ttl = input("link-ttl", { value: "4h" });
	const ip = input("link-ip", { placeholder: "only for this client" });
	const made = make("div", { role: "status" });
	return make("form.edit", { onsubmit: (e) => {
		e.preventDefault();
		attempt(parts.problem, async () => {
			const asked = { channel: Number(channel.value), ttl: ttl.value.trim() || "4h" };
			if (ip.value.trim())
				asked.ip = ip.value.trim();
			const { data } = await ask("POST", "/api/links", asked);
			made.replaceChildren(make("p", { textContent: `They work until ${new Date(data.expires).toLocaleString()}.` }),
				secret("Stream", data.url), secret("HLS", data.hls), secret("DASH", data.dash));
		});
	} },
	make("h2", { textContent: "A link to one channel, without a token" }), field("Channel (id)", channel),
	field("Works for", ttl), field("Address", ip),
	make("div.row.actions", {}, make("button", { type: "submit", textContent: "Sign a link" })), made);
}

export function show(place) {
	if (parts)
		return;
	parts = { list: make("ul.cards"), problem: make("p.bad", { role: "alert" }) };
	place.append(make("h2", { textContent: "Tokens" }), parts.problem, parts.list, tokenForm(), linkForm());
	attempt(parts.problem, load);
}

export function hide() {
	parts = null;
}
