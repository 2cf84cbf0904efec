/** What draws WebGL: a graphics card, the processor in its place, or nothing. */

export type Graphics = "card" | "software" | "none";

let found: Graphics | undefined;

export function graphics(): Graphics {
  found ??= look();
  return found;
}

function look(): Graphics {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) return "none";
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  const name = info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "";
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name) ? "software" : "card";
}
