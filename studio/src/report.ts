/** The page of `tddfa video --report`. */

import { h } from "./dom";
import { TimelineView, startOf, type TimelineRecord } from "./timeline";
import { clock, count } from "./words";

const data = JSON.parse(document.getElementById("timeline")!.textContent!) as TimelineRecord;
document.title = `${data.title}: faces`;
document.getElementById("report")!.replaceChildren(
  h(
    "header",
    {},
    h("h1", {}, data.title),
    h("p", { class: "num" }, `${count(data.people.length, "face")}, ${count(data.n_frames, "frame")}, ${clock(data.duration_s - startOf(data))}, ${count(data.cuts.length, "cut")}`),
  ),
  h("div", { class: "card" }, new TimelineView(data).element),
  h(
    "footer",
    {},
    "Bars: when a face is seen; the filled part is how far the mouth is open. Ticks above: blinks. Dashed lines: cuts. ",
    "Curves of long videos have 1200 samples; the tables of tddfa video --data have every frame.",
  ),
);
