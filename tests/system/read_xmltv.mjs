// Prints what npm's two XMLTV readers make of the guide on stdin: [{channels, programmes}, ...].
// Both leave references such as "&amp;" as they are.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(process.argv[2] + "/");
const text = readFileSync(0, "utf8");
const seconds = (time) => Math.round(new Date(time).getTime() / 1000);
const read = (guide, programmes, value) => ({
  channels: guide.channels.map((c) => [c.id, c.displayName.map(value)]),
  programmes: programmes.map((p) => ({
    channel: p.channel, start: seconds(p.start), stop: seconds(p.stop), title: value(p.title[0]),
    desc: (p.desc ?? []).map(value), category: (p.category ?? []).map(value),
    episode: (p.episodeNum ?? []).map((e) => [e.system, value(e)]),
    icon: (p.icon ?? []).map((i) => i.src), director: (p.credits?.director ?? []).map(value),
    rating: (p.rating ?? []).map((r) => [r.system, r.value]), isNew: Boolean(p.new),
  })),
});
const one = require("@iptv/xmltv").parseXmltv(text);
const two = require("epg-parser").parse(text);
process.stdout.write(JSON.stringify([read(one, one.programmes, (v) => v._value),
                                     read(two, two.programs, (v) => v.value)]));
