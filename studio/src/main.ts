/** The page: three views, the theme, files that are dropped anywhere. */

import { h, icon, ICONS, button } from "./dom";
import { given, hasFiles, problem, viewOf, type Given } from "./files";
import { photoView } from "./photo";

interface View {
  element: HTMLElement;
  /** End, and forget everything. */
  leave(): void;
  /** Whether work would be lost if the page went now. */
  busy?(): boolean;
  take?(file: File, aside?: string): void;
}

const VIEWS = {
  photo: { title: "Photo", icon: ICONS.photo, make: async (): Promise<View> => photoView(route) },
  video: { title: "Video", icon: ICONS.video, make: async (): Promise<View> => (await import("./video")).videoView(route) },
  camera: { title: "Camera", icon: ICONS.camera, make: async (): Promise<View> => (await import("./camera")).cameraView() },
} as const;
type Name = keyof typeof VIEWS;

const THEME = "tddfa-studio-theme";
let current: View | undefined;
/** Views that stay as they are while another one is shown: what was worked on is not lost by a look elsewhere. */
const kept: Partial<Record<Name, View>> = {};
let waiting: Given = {};

const viewName = (): Name => (location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "photo") as Name;

/** Give a file to its view, which is opened first where another one is. */
function route(file: File, aside?: string): void {
  const here = viewName();
  const view = viewOf(file) ?? (here === "camera" ? "photo" : here);
  if (view === here && current) return current.take?.(file, aside);
  waiting = { file, aside };
  location.hash = view;
}

function start(): void {
  const main = h("main", { id: "main", tabindex: -1 });
  const links = Object.entries(VIEWS).map(([name, view]) =>
    h("a", { href: `#${name}` }, icon(view.icon), view.title),
  );
  document.body.replaceChildren(
    h("a", { class: "skip", href: "#main", onclick: (event: Event) => { event.preventDefault(); main.focus(); } }, "Skip to the content"),
    h(
      "header",
      { class: "top" },
      h("p", { class: "brand" }, h("img", { src: "static/icon.svg", alt: "" }), h("b", {}, "tddfa "), h("span", {}, "studio")),
      h("nav", { class: "tabs", "aria-label": "Views" }, ...links),
      h("div", { class: "tools" }, themeButton()),
    ),
    main,
  );
  let turn = 0;
  const show = async (): Promise<void> => {
    const name = viewName();
    const mine = ++turn;
    if (current && !Object.values(kept).includes(current)) current.leave();
    current = undefined;
    for (const link of links) {
      if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    document.title = `${VIEWS[name].title} · tddfa studio`;
    const view = kept[name] ?? (await VIEWS[name].make());
    if (mine !== turn) return kept[name] === view ? undefined : view.leave();
    current = view;
    if (name !== "camera") kept[name] = view; // a camera that nobody sees must not run
    main.replaceChildren(view.element);
    const { file, aside } = waiting;
    waiting = {};
    if (file) view.take?.(file, aside);
  };
  addEventListener("hashchange", () => void show());
  const all = (): View[] => [...new Set([...Object.values(kept), ...(current ? [current] : [])])];
  addEventListener("pagehide", () => all().forEach((view) => view.leave()));
  addEventListener("beforeunload", (event) => {
    if (all().some((view) => view.busy?.())) event.preventDefault(); // the browser asks
  });
  // The whole page takes files: one that misses the place for it must not replace the page.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    main.classList.toggle("over", hasFiles(event));
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) main.classList.remove("over");
  });
  const take = ({ file, aside }: Given): void => {
    if (file) route(file, aside);
    else if (aside) main.prepend(problem(aside));
  };
  addEventListener("drop", (event) => {
    event.preventDefault();
    main.classList.remove("over");
    take(given(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    if (viewName() !== "camera") take(given(event.clipboardData));
  });
  void show();
}

function themeButton(): HTMLButtonElement {
  const themes = ["auto", "light", "dark"] as const;
  let theme = themes.find((one) => one === localStorage.getItem(THEME)) ?? "auto";
  const apply = (): void => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    element.lastChild!.textContent = theme.charAt(0).toUpperCase() + theme.slice(1);
    element.setAttribute("aria-label", `Colours: ${theme}`);
  };
  const element = button("Auto", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length]!;
    localStorage.setItem(THEME, theme);
    apply();
  }, { icon: ICONS.theme, kind: "plain" });
  apply();
  return element;
}

if (new URLSearchParams(location.search).get("obs")) {
  document.documentElement.classList.add("obs");
  void import("./obs").then(({ showAvatar }) => showAvatar());
} else start();
