// Draws a signature as strokes of whole numbers; the server draws them again and takes nothing else.
const MOST = 3500

for (const pad of document.querySelectorAll('[data-pad]')) {
  const svg = pad.querySelector('svg')
  const path = svg.querySelector('path')
  const field = pad.querySelector('input[name=drawn]')
  let strokes = read(field.value)
  pad.hidden = false
  draw()

  svg.addEventListener('pointerdown', (event) => {
    event.preventDefault()
    svg.setPointerCapture(event.pointerId)
    strokes.push([at(event)])
    draw()
  })
  svg.addEventListener('pointermove', (event) => {
    if (!svg.hasPointerCapture(event.pointerId) || count() > MOST) return
    strokes.at(-1).push(at(event))
    draw()
  })
  pad.querySelector('[data-clear]').addEventListener('click', () => {
    strokes = []
    draw()
  })

  function at(event) {
    const box = svg.getBoundingClientRect()
    const within = (value, most) => Math.max(0, Math.min(most, Math.round(value)))
    return [within(((event.clientX - box.left) / box.width) * 600, 600), within(((event.clientY - box.top) / box.height) * 200, 200)]
  }

  function count() {
    return strokes.reduce((sum, stroke) => sum + stroke.length, 0)
  }

  function draw() {
    path.setAttribute('d', strokes.map((stroke) => `M${stroke.map(([x, y]) => `${x} ${y}`).join('L')}${stroke.length === 1 ? 'l1 0' : ''}`).join(''))
    field.value = strokes.length ? JSON.stringify(strokes) : ''
  }
}

function read(text) {
  try {
    return JSON.parse(text || '[]')
  } catch {
    return []
  }
}
