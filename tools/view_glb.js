// Images of GLB files, drawn by three.js in a headless Chromium: an outside judge of what we write.
//
// Run: npm i --prefix DIR three playwright-core
//      NODE_PATH=DIR/node_modules node tools/view_glb.js < shots.json
//
// shots.json is a list of {glb, png, width, height} and, as wanted:
//   weights: {jawOpen: 1, …}  morph targets at these weights, all others at 0
//   time: s                   the animation at this time
//   photo: true               over the photo: the scene is in px, nothing lights or shades the texture
//   turn_deg, lift_deg        otherwise the camera stands before the middle of the scene, turned to its right and up
//   grey: true                without colours, to see the surface
// It prints what the page found, as JSON: meshes with their morph targets, the box of the scene, and what the console said.
'use strict';
const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');

const HOST = 'http://view.invalid';
const THREE = path.join(path.dirname(require.resolve('three')), '..');
const FLAGS = [
  '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--force-color-profile=srgb',
];

const PAGE = `<!doctype html><style>body { margin: 0 } canvas { display: block }</style>
<script type="importmap">{"imports": {"three": "/three/build/three.module.js", "three/": "/three/"}}</script>
<script type="module">
import * as THREE from 'three';
import { GLTFLoader } from 'three/examples/jsm/loaders/GLTFLoader.js';

let renderer;
window.draw = async shot => {
  renderer?.dispose();
  renderer?.forceContextLoss();  // a page holds only so many
  // load() and not loadAsync(), which older releases lack.
  const { scene, animations } = await new Promise((done, fail) => new GLTFLoader().load('/file' + shot.glb, done, undefined, fail));
  const meshes = [];
  scene.traverse(node => { if (node.isMesh) meshes.push(node); });
  if (shot.time !== undefined) {
    const mixer = new THREE.AnimationMixer(scene);
    animations.forEach(clip => mixer.clipAction(clip).play());
    mixer.setTime(shot.time);
  }
  for (const mesh of meshes) {
    const { map, vertexColors } = mesh.material;
    if (shot.weights) {
      mesh.morphTargetInfluences.fill(0);
      for (const [name, weight] of Object.entries(shot.weights))
        mesh.morphTargetInfluences[mesh.morphTargetDictionary[name]] = weight;
    }
    if (shot.photo) mesh.material = new THREE.MeshBasicMaterial({ map, vertexColors, side: mesh.material.side });
    else if (shot.grey) mesh.material = new THREE.MeshStandardMaterial({ color: 0xb0b0b0, roughness: 0.9, side: mesh.material.side });
  }
  scene.updateMatrixWorld(true);
  const box = new THREE.Box3().setFromObject(scene, true);
  const center = box.getCenter(new THREE.Vector3()), extent = box.getSize(new THREE.Vector3());

  renderer = new THREE.WebGLRenderer({ antialias: !shot.photo, preserveDrawingBuffer: true });
  renderer.setSize(shot.width, shot.height);
  document.body.replaceChildren(renderer.domElement);
  const world = new THREE.Scene();
  world.add(scene);
  let camera;
  if (shot.photo) {
    camera = new THREE.OrthographicCamera(-0.5, shot.width - 0.5, shot.height + 0.5, 0.5, 1, 20000);
    camera.position.z = 10000;
  } else {
    world.background = new THREE.Color(0x2a2d33);
    world.add(new THREE.HemisphereLight(0xffffff, 0xc0c0c0, shot.grey ? 1 : 2.6));
    const lamp = new THREE.DirectionalLight(0xffffff, shot.grey ? 2.5 : 0.8);
    camera = new THREE.PerspectiveCamera(20, shot.width / shot.height, 0.01, 100);
    const half = Math.max(extent.y / 2, extent.x / 2 * shot.height / shot.width, extent.z / 2);
    const turn = (shot.turn_deg ?? 0) * Math.PI / 180, lift = (shot.lift_deg ?? 0) * Math.PI / 180;
    const away = new THREE.Vector3(Math.sin(turn) * Math.cos(lift), Math.sin(lift), Math.cos(turn) * Math.cos(lift));
    camera.position.copy(center).addScaledVector(away, 1.12 * half / Math.tan(10 * Math.PI / 180) + extent.z / 2);
    camera.lookAt(center);
    lamp.position.copy(camera.position).add(new THREE.Vector3(-half, 2 * half, 0));
    lamp.target.position.copy(center);
    world.add(lamp, lamp.target);
  }
  renderer.render(world, camera);
  const found = {
    box: [box.min.toArray(), box.max.toArray()],
    meshes: meshes.map(mesh => ({ name: mesh.name, targets: Object.keys(mesh.morphTargetDictionary ?? {}) })),
    animations: animations.map(clip => ({ name: clip.name, duration: clip.duration })),
  };
  return { found, png: renderer.domElement.toDataURL('image/png') };
};
window.ready = true;
</script>`;

async function main() {
  const shots = JSON.parse(fs.readFileSync(0, 'utf8'));
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  try {
    const page = await browser.newPage();
    const messages = [];
    page.on('console', message => {
      if (['error', 'warning'].includes(message.type())) messages.push(message.text());
    });
    page.on('pageerror', error => messages.push(String(error)));
    // No server: the page asks for files, and gets them from here. Nothing else is reachable.
    await page.route('**/*', route => {
      const where = decodeURIComponent(new URL(route.request().url()).pathname);
      if (where === '/') return route.fulfill({ contentType: 'text/html', body: PAGE });
      if (where.startsWith('/three/')) return route.fulfill({ path: path.join(THREE, where.slice(7)) });
      if (where.startsWith('/file/')) return route.fulfill({ path: where.slice(5) });
      return route.fulfill({ status: 204 });
    });
    await page.goto(HOST + '/');
    await page.waitForFunction(() => window.ready);
    const answers = [];
    for (const shot of shots) {
      messages.length = 0;
      const { found, png } = await page.evaluate(shot => window.draw(shot), { ...shot, glb: path.resolve(shot.glb) });
      fs.writeFileSync(shot.png, Buffer.from(png.split(',')[1], 'base64'));
      answers.push({ ...found, messages: [...messages] });
    }
    console.log(JSON.stringify(answers));
  } finally {
    await browser.close();
  }
}

main().catch(error => {
  console.error(String(error));
  process.exit(1);
});
