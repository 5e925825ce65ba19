/* page.js - the login, and which view is shown.
 *
 * The address says it: /watch/5 plays channel 5, /#see is the view "see", all else the channels. */
import { get, keepToken, session, takeToken } from "./api.js";
import { byId, say } from "./dom.js";

/* Each has show(place, navigate) and hide(); of the watch view, place is an id or null, of the others
 * the element to fill. */
const VIEWS = {
	watch: () => import("./watch.js"),
	guide: () => import("./guide.js"),
	see: () => import("./see.js"),
	steer: () => import("./steer.js"),
	tokens: () => import("./tokens.js"),
};
const ADMIN = ["see", "steer", "tokens"], RETRY_MS = 2000, WHY = "amps-why";
const login = byId("login"), field = byId("token"), view = byId("view"), nav = byId("views");
let shown = { name: "", module: null }, again = 0, leaving = false;

/* {name, id} of the view in the address. */
function place() {
	const [, id] = /^\/watch\/(\d+)$/.exec(location.pathname) || [];
	const name = location.hash.slice(1);
	return { name: !id && Object.hasOwn(VIEWS, name) ? name : "watch", id: id ?? null };
}

async function route() {
	const { name, id } = place();
	if (ADMIN.includes(name) && !session.admin) {
		navigate("/", true);
		return;
	}
	/* The view that is shown answers at once: the next key may come before a module that is waited for. */
	const module = name === shown.name ? shown.module : await VIEWS[name]().catch((e) => say(e.message));
	if (!module)
		return;
	if (place().name !== name || !login.hidden)
		return;
	if (shown.module !== module) {
		shown.module?.hide();
		say("");
		view.replaceChildren();
		view.hidden = name === "watch";
		shown = { name, module };
		document.title = "Amps";
	}
	for (const a of nav.children)
		a.setAttribute("aria-current", (a.hash.slice(1) || "watch") === name ? "page" : "false");
	module.show(name === "watch" ? id : view, navigate);
}

/* Goes to an address of this page; replaces: without a step of the history. */
function navigate(address, replaces = false) {
	history[replaces ? "replaceState" : "pushState"](null, "", address);
	route();
}

/* Loads the page again, without all that the token has brought: links, channels, and what waits. */
function leave(go) {
	leaving = true;
	keepToken("");
	go();
}

/* The words that the page before this one left for the login. */
function takeWhy() {
	try {
		const why = sessionStorage.getItem(WHY) || "";
		sessionStorage.removeItem(WHY);
		return why;
	} catch (e) {
		return "";	/* storage may be switched off */
	}
}

function askToken() {
	if (!login.hidden || leaving)
		return;
	clearTimeout(again);
	const why = session.token ? "This token is not valid (any more)." : takeWhy();
	if (shown.module) {
		try {
			sessionStorage.setItem(WHY, why);
		} catch (e) { /* then it is not said */ }
		leave(() => location.reload());
		return;
	}
	keepToken("");
	say(why);
	nav.hidden = byId("forget").hidden = true;
	login.hidden = false;
	field.focus();
}

/* Learns what this token may do, and shows the view.  Until the server says it, channels may play all
 * the same. */
async function begin() {
	login.hidden = true;
	try {
		await get("/api/status");
		session.admin = true;
	} catch (e) {
		if (e.status === 401)
			return;
		session.admin = false;
		if (e.status !== 403) {
			again = setTimeout(begin, RETRY_MS);
			if (shown.module || ADMIN.includes(place().name)) {
				say(`What this token may do is not known yet: ${e.message}.`);
				return;
			}
		}
	}
	for (const a of nav.querySelectorAll(".admin"))
		a.hidden = !session.admin;
	nav.hidden = false;
	byId("forget").hidden = !session.token;
	route();
}

login.addEventListener("submit", (event) => {
	event.preventDefault();
	keepToken(field.value.trim());
	field.value = "";
	begin();
});
document.addEventListener("amps-login", askToken);
byId("forget").addEventListener("click", () => leave(() => location.replace("/")));
document.addEventListener("click", (event) => {
	const a = event.target.closest?.("a[href^='/']");
	if (!a || a.download || event.button || event.ctrlKey || event.metaKey || event.shiftKey ||
		!/^\/(#|$|watch\/)/.test(a.getAttribute("href")))
		return;
	event.preventDefault();
	navigate(a.getAttribute("href"));
});
addEventListener("popstate", route);
takeToken();
begin();
