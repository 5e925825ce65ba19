// Prints what npm's two M3U readers make of the playlist on stdin: [[{name, id, ...}], [...]].
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const text = readFileSync(0, "utf8");
const one = require("iptv-playlist-parser").parse(text).items.map((i) => ({
  name: i.name, id: i.tvg.id, tvgName: i.tvg.name, logo: i.tvg.logo, group: i.group.title,
  url: i.url }));
const module = require("@iptv/playlist");
const two = module.parseM3U(text).channels.map((c) => ({
  name: c.name, id: c.tvgId, tvgName: c.tvgName, logo: c.tvgLogo, group: c.groupTitle,
  url: c.url }));
process.stdout.write(JSON.stringify([one, two]));
