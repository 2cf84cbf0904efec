/** The page of `tddfa video --report`. */

import { h } from "./dom";
import { TimelineView, startOf, type TimelineRecord } from "./timeline";
import { clock } from "./words";

const data = JSON.parse(document.getElementById("timeline")!.textContent!) as TimelineRecord;
const n = data.people.length;
document.title = `${data.title}: faces`;
document.getElementById("report")!.replaceChildren(
  h(
    "header",
    {},
    h("h1", {}, data.title),
    h("p", { class: "num" }, `${n} ${n === 1 ? "face" : "faces"}, ${data.n_frames} frames, ${clock(data.duration_s - startOf(data))}, ${data.cuts.length} cuts`),
  ),
  h("div", { class: "card" }, new TimelineView(data).element),
  h(
    "footer",
    {},
    "Bars: when a face is seen; the filled part is how far the mouth is open. Ticks above: blinks. Dashed lines: cuts. ",
    "Curves of long videos have 1200 samples; the tables of tddfa video --data have every frame.",
  ),
);
