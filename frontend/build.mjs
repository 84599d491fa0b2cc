// Builds what the browser loads, into lifecycle/static/build: scripts and styles named after their content, the icons in
// one file, and manifest.json, which says what each is called; and beside them the fonts that papers are set in.
// Started by `./dev`, which decides when.

import { copyFile, readFile, readdir, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const source = join(root, 'lifecycle', 'static')
const target = join(source, 'build')
const entries = ['js/app.js', 'css/app.css', 'js/client.js', 'css/client.css'].filter((name) => existsSync(join(source, name)))

async function bundle() {
  const result = await build({
    entryPoints: entries.map((name) => join(source, name)),
    outdir: target,
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    sourcemap: false,
    metafile: true,
    legalComments: 'none',
    target: ['es2022', 'chrome111', 'firefox115', 'safari16.4'],
    loader: { '.woff2': 'file', '.svg': 'file', '.png': 'file' },
    nodePaths: [join(root, 'node_modules')],
    absWorkingDir: root,
    logLevel: 'warning',
  })
  return Object.fromEntries(
    Object.entries(result.metafile.outputs)
      .filter(([, output]) => output.entryPoint)
      .map(([file, output]) => [basename(output.entryPoint), basename(file)]),
  )
}

// One symbol for each name in icons.txt; a page shows it by <use href="...icons-HASH.svg#lock">.
async function sprite() {
  const names = (await readFile(join(root, 'frontend', 'icons.txt'), 'utf8')).split('\n').filter(Boolean)
  const symbols = await Promise.all(names.map(symbol))
  const svg = `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>\n`
  const file = `icons-${createHash('sha256').update(svg).digest('hex').slice(0, 8).toUpperCase()}.svg`
  await writeFile(join(target, file), svg)
  await writeFile(join(target, 'icons.svg'), svg)
  return { 'icons.svg': file }
}

async function symbol(name) {
  const file = join(root, 'node_modules', '@tabler', 'icons', 'icons', 'outline', `${name}.svg`)
  const svg = await readFile(file, 'utf8').catch(() => {
    throw new Error(`frontend/icons.txt names "${name}", which @tabler/icons does not have.`)
  })
  const shapes = svg.replace(/<!--[\s\S]*?-->/g, '').replace(/^[\s\S]*?<svg[^>]*>|<\/svg>\s*$/g, '').replace(/\s*\n\s*/g, '')
  return (
    `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"` +
    ` stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`
  )
}

// The letters that the fonts of the PDF library lack, of the languages that clients read here.
async function fonts() {
  await mkdir(join(target, 'fonts'), { recursive: true })
  const family = join(root, 'node_modules', '@expo-google-fonts', 'noto-naskh-arabic')
  for (const [weight, style] of [['400Regular', 'Regular'], ['700Bold', 'Bold']]) {
    await copyFile(join(family, weight, `NotoNaskhArabic_${weight}.ttf`), join(target, 'fonts', `NotoNaskhArabic-${style}.ttf`))
  }
}

// The files of the build before stay: a server that is running still names them.
async function sweep(manifest, previous) {
  const kept = new Set([...Object.values(manifest), ...Object.values(previous), 'manifest.json', 'icons.svg', 'sources'])
  const hashed = /-[A-Z0-9]{8}\.(js|css|svg)$/
  for (const file of await readdir(target)) {
    if (hashed.test(file) && !kept.has(file)) await rm(join(target, file))
  }
}

await mkdir(target, { recursive: true })
await fonts()
const record = join(target, 'manifest.json')
const previous = existsSync(record) ? JSON.parse(await readFile(record, 'utf8')) : {}
const manifest = { ...(await bundle()), ...(await sprite()) }
await writeFile(`${record}.half`, JSON.stringify(manifest, null, 1) + '\n')
await rename(`${record}.half`, record)
await sweep(manifest, previous)
