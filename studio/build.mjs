// Builds the page into src/tddfa/studio/static, and the page of reports beside their sink.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rm, writeFile, stat } from "node:fs/promises";

const out = "../src/tddfa/studio/static";
const report = "../src/tddfa/streams/sinks/report_page.html";
const common = { bundle: true, minify: true, target: ["es2022"], legalComments: "none", logLevel: "warning" };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({
  ...common,
  entryPoints: { app: "src/main.ts", encoder: "src/encoder.ts" },
  format: "esm",
  splitting: true,
  chunkNames: "[name]-[hash]",
  outdir: out,
});
await build({
  ...common,
  entryPoints: { app: "src/app.css" },
  external: ["*.woff2"],
  outdir: out,
});
const font = "node_modules/@fontsource-variable/inter";
await copyFile(`${font}/files/inter-latin-wght-normal.woff2`, `${out}/inter.woff2`);
await copyFile("src/index.html", `${out}/index.html`);
await copyFile("src/icon.svg", `${out}/icon.svg`);
const licences = [
  ["three.js", "node_modules/three/LICENSE"],
  ["Inter", `${font}/LICENSE`],
];
const texts = await Promise.all(
  licences.map(async ([name, file]) => `${name}\n\n${(await readFile(file, "utf8")).trim()}\n`),
);
await writeFile(`${out}/licences.txt`, texts.join(`\n${"=".repeat(72)}\n\n`));

const inline = { ...common, write: false };
const script = await build({ ...inline, entryPoints: ["src/report.ts"], format: "iife" });
const style = await build({ ...inline, entryPoints: ["src/report.css"], external: ["*.woff2"] });
const page = await readFile("src/report.html", "utf8");
await writeFile(
  report,
  page
    .replace("/*STYLE*/", () => style.outputFiles[0].text.trim())
    .replace("/*SCRIPT*/", () => script.outputFiles[0].text.trim().replaceAll("</script", "<\\/script")),
);

let total = 0;
for (const name of await readdir(out)) total += (await stat(`${out}/${name}`)).size;
console.log(`${out}: ${(total / 1024).toFixed(0)} KiB`);
if (total > 1_000_000) throw new Error("the assets have more than 1 MB");
